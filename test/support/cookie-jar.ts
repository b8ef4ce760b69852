/** A browser's cookies of one host. */
export class CookieJar {
  readonly #cookies = new Map<string, string>();

  /** Takes what an answer sets, and drops what it deletes. */
  take(headers: Headers): this {
    for (const line of headers.getSetCookie()) this.takeLine(line);
    return this;
  }

  takeLine(line: string): void {
    const [pair = "", ...attributes] = line.split("; ");
    const at = pair.indexOf("=");
    if (attributes.includes("Max-Age=0")) this.#cookies.delete(pair.slice(0, at));
    else this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }

  /** As when the cookie's Max-Age has passed. */
  drop(kind: string): this {
    this.#cookies.delete(this.#nameOf(kind));
    return this;
  }

  set(kind: string, value: string): this {
    this.#cookies.set(this.#nameOf(kind), value);
    return this;
  }

  get(kind: string): string {
    return this.#cookies.get(this.#nameOf(kind)) ?? "";
  }

  /** The request header. */
  header(): { readonly cookie: string } {
    return { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  }

  copy(): CookieJar {
    const copy = new CookieJar();
    for (const [name, value] of this.#cookies) copy.#cookies.set(name, value);
    return copy;
  }

  #nameOf(kind: string): string {
    return [...this.#cookies.keys()].find((name) => name.endsWith(`-${kind}`)) ?? `latchkey-${kind}`;
  }
}
