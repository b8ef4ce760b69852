import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PASSWORD } from "../support/server-process.ts";
import { Browser } from "../support/signed-in-browser.ts";
import { reply } from "../support/test-bed.ts";
import { buildNextExample, removeNextExample, startNextExample } from "./next-example.ts";
import type { RunningExample } from "./running-example.ts";

describe("examples/next", () => {
  let example: RunningExample;
  beforeAll(async () => {
    await buildNextExample();
    example = await startNextExample();
  }, 150_000);
  afterAll(async () => {
    await example?.stop();
    removeNextExample();
  });

  async function signedIn(username = "ben") {
    const browser = new Browser(example.url);
    await browser.signIn(username, PASSWORD);
    const { body } = await reply(await browser.fetch("/api/orders"));
    return { browser, sub: body.of as string };
  }
  const page = async (browser: Browser) => (await browser.fetch("/")).text();
  const refreshCookie = ({ headers }: Response) => headers.getSetCookie().find((line) => line.includes("-refresh"));

  it("guards route handlers: 401, 403, and 200 for who may, by cookie and by bearer token", async () => {
    const none = await reply(await fetch(`${example.url}/api/orders`));
    expect([none.status, none.body.error]).toEqual([401, "missing_token"]);
    expect(none.headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
    const { browser, sub } = await signedIn();
    expect(sub).toMatch(/./);
    const forbidden = await reply(await browser.fetch("/api/reports/2026"));
    expect([forbidden.status, forbidden.body.error]).toEqual([403, "insufficient_role"]);
    const editor = await signedIn("ada");
    const report = await reply(await editor.browser.fetch("/api/reports/2026"));
    expect([report.status, report.body]).toEqual([200, { by: editor.sub, year: "2026" }]);
    const login = await fetch(`${example.url}/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "ben", password: PASSWORD }),
    });
    const headers = { authorization: `Bearer ${(await reply(login)).body.access_token}` };
    expect((await reply(await fetch(`${example.url}/api/orders`, { headers }))).body.of).toBe(sub);
  });

  it("shows a server component who is signed in, and sends everybody else to the sign-in page", async () => {
    const stranger = await fetch(example.url, { redirect: "manual" });
    expect([stranger.status, stranger.headers.get("location")]).toEqual([307, "/sign-in"]);
    expect((await fetch(`${example.url}/sign-in`)).status).toBe(200);
    const { browser, sub } = await signedIn();
    expect(await page(browser)).toContain(sub);
  });

  it("renders a page whose access cookie has expired for who it is, and sets new cookies that need no second refresh", async () => {
    const { browser, sub } = await signedIn();
    const before = browser.named("refresh");
    browser.dropAccessCookie();
    const response = await browser.fetch("/");
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining(sub)]);
    expect([...response.headers.keys()].filter((name) => name.startsWith("x-middleware"))).toEqual([]);
    expect(browser.named("refresh")).not.toBe(before);
    expect((await browser.fetch("/")).headers.getSetCookie()).toEqual([]);
  });

  it("lets no cache keep a page with cookies, though Next.js has built it ahead, and goes on serving it from its own cache", async () => {
    const before = await fetch(`${example.url}/sign-in`);
    expect(before.headers.get("cache-control")).toContain("s-maxage");
    const { browser } = await signedIn();
    browser.dropAccessCookie();
    const answer = await browser.fetch("/sign-in");
    expect([answer.status, answer.headers.getSetCookie().length]).toEqual([200, 3]);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const after = await fetch(`${example.url}/sign-in`);
    expect([after.headers.getSetCookie(), after.headers.get("cache-control")]).toEqual([
      [],
      before.headers.get("cache-control"),
    ]);
    expect(await after.text()).not.toMatch(/lkr_|eyJ/);
  });

  it("renders for the same person and hands on every other cookie as it was sent, whatever it holds", async () => {
    const { browser, sub } = await signedIn();
    const ours = [...browser.cookies].map(([name, value]) => `${name}=${value}`);
    const stale = ours.filter((one) => !/^[\w-]*-access=/.test(one)).join("; ");
    for (const other of [
      "nl=%0d%0a; city=%E6%9D%B1; x=%3B%20latchkey-access%3Devil",
      'cart={"a":1}; sid=1; sid=2; none',
    ]) {
      for (const path of ["/", "/api/orders"]) {
        const answer = await fetch(example.url + path, { headers: { cookie: `${other}; ${stale}` } });
        expect([other, path, answer.status, await answer.text()]).toEqual([
          other,
          path,
          200,
          expect.stringContaining(sub),
        ]);
        expect(answer.headers.getSetCookie()).toHaveLength(3);
        expect(answer.headers.get("cache-control")).toBe("no-store");
      }
    }
  });

  it("renders six pages and six route handlers at once with one rotation", async () => {
    const { browser, sub } = await signedIn();
    browser.dropAccessCookie();
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const paths = Array.from({ length: 6 }, () => ["/", "/api/orders"]).flat();
    const answers = await Promise.all(paths.map((path) => fetch(example.url + path, { headers: { cookie } })));
    for (const answer of answers)
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining(sub)]);
    // The lives that the cookies have left may differ by a second.
    const successors = new Set(answers.map((answer) => refreshCookie(answer)?.split(";")[0]));
    expect([...successors]).toEqual([expect.stringContaining("lkr_")]);
  });

  it("takes an unsafe request only with its CSRF token, and renews that one too", async () => {
    const { browser } = await signedIn();
    browser.dropAccessCookie();
    const send = async (headers: Record<string, string>) => {
      const { status, body } = await reply(await browser.fetch("/api/orders", { method: "DELETE", headers }));
      return [status, body?.error];
    };
    expect(await send({})).toEqual([403, "csrf_token_missing"]);
    const token = { "x-csrf-token": browser.named("csrf") };
    expect(await send({ ...token, origin: "https://evil.example" })).toEqual([403, "cross_site_request"]);
    expect(browser.named("access")).toBe("");
    expect(await send(token)).toEqual([204, undefined]);
    expect(browser.named("access")).not.toBe("");
  });

  it("runs a Server Action only with its CSRF token, renews there, and renders the page after it for the same person", async () => {
    const { browser, sub } = await signedIn();
    const html = await page(browser);
    const action = /name="(\$ACTION_ID_[0-9a-f]+)"/.exec(html)?.[1] ?? "";
    const csrfToken = /name="csrf_token" value="([^"]+)"/.exec(html)?.[1] ?? "";
    expect([action, csrfToken]).toEqual([expect.stringMatching(/./), browser.named("csrf")]);
    const submit = (fields: Record<string, string>) => {
      const body = new FormData();
      for (const [name, value] of Object.entries({ [action]: "", ...fields })) body.append(name, value);
      return browser.fetch("/", { method: "POST", body, headers: { origin: example.url } });
    };
    browser.dropAccessCookie();
    const refused = await submit({ item: "coffee" });
    expect([refused.status, refused.headers.get("location")]).toEqual([303, "/sign-in"]);
    expect(browser.named("access")).toBe("");
    const before = browser.named("refresh");
    const answer = await submit({ item: "tea", csrf_token: csrfToken });
    const shown = await answer.text();
    expect([answer.status, shown]).toEqual([200, expect.stringContaining(sub)]);
    expect(shown).toContain("<li>tea</li>");
    expect(browser.named("refresh")).not.toBe(before);
    expect(browser.named("access")).not.toBe("");
    expect((await reply(await browser.fetch("/api/orders"))).body.orders).toEqual(["tea"]);
  });

  it("ends the session at logout, which pages and route handlers know at once", async () => {
    const { browser } = await signedIn();
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    browser.dropAccessCookie();
    const logout = { method: "POST", headers: { "x-csrf-token": browser.named("csrf") } };
    expect((await browser.fetch("/auth/logout", logout)).status).toBe(204);
    expect([browser.named("access"), browser.named("refresh"), browser.named("csrf")]).toEqual(["", "", ""]);
    const old = { headers: { cookie }, redirect: "manual" } as const;
    expect((await reply(await fetch(`${example.url}/api/orders`, old))).body.error).toBe("session_revoked");
    const shown = await fetch(example.url, old);
    expect([shown.status, shown.headers.get("location")]).toEqual([307, "/sign-in"]);
  });
});
