/** A browser's cookie jar for one host, and its `fetch`. */
export class Browser {
  readonly cookies = new Map<string, string>();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("cookie", [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    const response = await fetch(this.#url + path, { redirect: "manual", ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split("; ");
      const [name = "", value = ""] = pair.split("=");
      if (attributes.includes("Max-Age=0")) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  /** The value of the cookie whose name ends so. */
  named(part: "access" | "refresh" | "csrf"): string {
    return [...this.cookies].find(([name]) => name.endsWith(`-${part}`))?.[1] ?? "";
  }

  /** As when the access cookie's Max-Age has passed. */
  dropAccessCookie(): void {
    for (const name of this.cookies.keys()) if (name.endsWith("-access")) this.cookies.delete(name);
  }

  async signIn(username: string, password: string, mount = ""): Promise<void> {
    const response = await this.fetch(`${mount}/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password, transport: "cookie" }),
    });
    if (response.status !== 200) throw new Error(`The login answered ${response.status}.`);
  }
}
