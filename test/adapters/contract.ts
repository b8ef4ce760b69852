import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  type AnyAccessTokenClaims,
  createGuard,
  type GuardOptions,
  type Handler,
  type HandlerOptions,
  type Issuer,
  type PolicyQuestion,
} from "../../src/index.ts";
import { Browser } from "../support/signed-in-browser.ts";
import { createTestBed, PASSWORD, reply, type TestBed } from "../support/test-bed.ts";

/** The guards of the application that every framework's test builds. */
export type Guards = ReturnType<typeof createGuards>;

/** What every framework's application has to do. */
export interface Blueprint {
  readonly issuer: Issuer;
  /** What the handler was made with, for a framework that makes its own. */
  readonly handlerOptions: HandlerOptions;
  readonly handler: Handler;
  readonly guards: Guards;
  /** Where the handler is mounted; empty for the root. */
  readonly mount: string;
  /** Whether the application reads JSON and forms for all its routes, those of the handler included, where it can. */
  readonly readsBodies: boolean;
}

/** What a framework can do beside. */
export interface Framework {
  /** Whether it can read bodies before the handler does. */
  readonly readsBodies: boolean;
  /** Whether it goes on to its other routes where the handler has none. */
  readonly goesOn: boolean;
}

/** Builds the application and gives its address. Its routes are those of {@link describeAdapter}. */
export type Build = (blueprint: Blueprint) => Promise<string>;

/** What those guards ask for. */
export const requirements = {
  any: {},
  editor: { role: "editor" },
  body: { locations: ["header", "cookie", "body"] },
  optional: { optional: true },
  owner: { policy: ({ auth, resource }: PolicyQuestion) => (resource === auth.sub ? "allow" : "deny") },
  user: { loadUser: async ({ sub }: AnyAccessTokenClaims) => ({ name: `user ${sub}` }) },
  broken: {
    loadUser: (): undefined => {
      throw new Error("The user table is away.");
    },
  },
} as const satisfies Record<string, GuardOptions>;

function createGuards({ issuer }: TestBed) {
  return {
    any: createGuard(issuer, requirements.any),
    editor: createGuard(issuer, requirements.editor),
    body: createGuard(issuer, requirements.body),
    optional: createGuard(issuer, requirements.optional),
    owner: createGuard(issuer, requirements.owner),
    user: createGuard(issuer, requirements.user),
    broken: createGuard(issuer, requirements.broken),
  };
}

/** Serves a listener on a free port until the test is over. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const json = (body: unknown): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

/**
 * The same for every framework. `GET /orders`, `/editors`, `/optional`, `/mine/:owner`, `/user`, `/broken` and `POST /orders` stand
 * behind the guards and answer `{sub, …}`; `GET /cookie` answers the `Cookie` header that it sees; `GET /fails` is guarded and
 * answers 404; `GET /sets` sets the cookie `own=1`; `GET /open` is not guarded.
 */
export function describeAdapter(name: string, build: Build, { readsBodies, goesOn }: Framework): void {
  async function setUp({ mount = "", reads = false } = {}) {
    const seen: (string | null)[] = [];
    const handlerOptions: HandlerOptions = { onRequest: ({ ip }) => seen.push(ip) };
    const bed = await createTestBed({}, handlerOptions);
    const { issuer, handler } = bed;
    const guards = createGuards(bed);
    const url = await build({ issuer, handlerOptions, handler, guards, mount, readsBodies: reads });
    const pair = await bed.login();
    const { sub } = await bed.issuer.verify(pair.access_token);
    const get = async (path: string, init?: RequestInit) => reply(await fetch(url + path, init));
    const browser = new Browser(url);
    return { bed, url, pair, sub, get, browser, seen };
  }

  describe(`${name}: the handler`, () => {
    const ways = [
      { mount: "", reads: false },
      { mount: "/id", reads: false },
      ...(readsBodies
        ? [
            { mount: "", reads: true },
            { mount: "/id", reads: true },
          ]
        : []),
    ];
    it.each(ways)("answers its routes under '$mount', where bodies have been read before: $reads", async (way) => {
      const { url, bed, get, seen } = await setUp(way);
      const login = await get(`${way.mount}/auth/login`, json({ username: "ada", password: PASSWORD }));
      expect(login.status).toBe(200);
      expect(seen.at(-1)).toBe("127.0.0.1");
      const { access_token: token, refresh_token: refreshToken } = login.body;
      const me = await get(`${way.mount}/auth/me`, bearer(token));
      expect([me.status, me.body.username]).toEqual([200, "ada"]);
      const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
      expect((await get(`${way.mount}/token`, { method: "POST", body: form })).status).toBe(200);
      const sessions = await get(`${way.mount}/auth/sessions`, bearer(token));
      const { id } = sessions.body.sessions.find((session: { current: boolean }) => session.current);
      const path = `${way.mount}/auth/sessions/${id}`;
      expect((await fetch(url + path, { method: "DELETE", ...bearer(token) })).status).toBe(204);
      await expect(bed.issuer.refresh(refreshToken)).rejects.toMatchObject({ code: "session_revoked" });
    });

    it.each(ways)("refuses bad bodies in its own shape under '$mount', read before: $reads", async (way) => {
      const { get } = await setUp(way);
      const post = (body: string | Uint8Array<ArrayBuffer>, type: string) =>
        get(`${way.mount}/auth/login`, { method: "POST", headers: { "content-type": type }, body });
      const large = JSON.stringify({ username: "ada", password: "x".repeat(70_000) });
      const notUtf8 = Buffer.from(JSON.stringify({ username: "ada", password: `${PASSWORD}\u00ff` }), "latin1");
      const cases = [
        [await post('{"username": "ada"}', "application/json"), 400, "invalid_request"],
        [await post("[]", "application/json"), 400, "invalid_request"],
        [await post(large, "application/json"), 413, "payload_too_large"],
        [await post(new Uint8Array(notUtf8), "application/json"), 400, "invalid_request"],
        [await post("username=ada", "application/x-www-form-urlencoded"), 415, "unsupported_media_type"],
        [await post("username=ada", "text/plain"), 415, "unsupported_media_type"],
      ] as const;
      for (const [{ status, body }, expectedStatus, error] of cases) {
        expect([status, body]).toEqual([expectedStatus, { error, error_description: expect.any(String) }]);
      }
      const twice = await post(
        "grant_type=refresh_token&grant_type=refresh_token",
        "application/x-www-form-urlencoded",
      );
      expect(twice.status).toBe(415);
    });

    it("takes a chunked body of 64 KiB and no more", async () => {
      const { url } = await setUp();
      const chunks = (count: number) =>
        new ReadableStream({
          start(controller) {
            for (let sent = 0; sent < count; sent++) controller.enqueue(new TextEncoder().encode(" ".repeat(16_384)));
            controller.close();
          },
        });
      const post = (count: number) =>
        fetch(`${url}/auth/login`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: chunks(count),
          duplex: "half",
        } as RequestInit);
      expect((await post(4)).status).toBe(400);
      expect((await post(5)).status).toBe(413);
    });

    it("leaves what is none of its routes to the application", async () => {
      const { get } = await setUp();
      expect((await get("/open")).text).toBe("open");
      for (const path of ["/auth/nothing-here", "/openapi-json", "/auth/login/"]) {
        const missing = await get(path);
        expect([path, missing.status, missing.body?.error === "not_found"]).toEqual([path, 404, !goesOn]);
      }
      expect((await get("/auth/login")).status).toBe(405);
      expect((await get("/auth/me")).headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
    });

    it("signs in and out with cookies, each a header of its own", async () => {
      const { browser } = await setUp();
      await browser.signIn("ada", PASSWORD);
      const names = ["latchkey-access", "latchkey-csrf", "latchkey-device", "latchkey-refresh"];
      expect([...browser.cookies.keys()].sort()).toEqual(names);
      const logout = { method: "POST", headers: { "x-csrf-token": browser.named("csrf") } };
      expect((await browser.fetch("/auth/logout", logout)).status).toBe(204);
      expect([...browser.cookies.keys()]).toEqual(["latchkey-device"]);
    });
  });

  describe(`${name}: guards`, () => {
    it(`PARITY 26: a guard works on its own in ${name}: 401 and 403 with a challenge, without any error handler`, async () => {
      const { get, pair, sub } = await setUp();
      const missing = await get("/orders");
      expect([missing.status, missing.body.error]).toEqual([401, "missing_token"]);
      expect(missing.headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
      expect(missing.headers.get("cache-control")).toBe("no-store");
      expect(missing.headers.get("content-type")).toMatch(/^application\/json(?:; charset=utf-8)?$/);
      const wrong = await get("/orders", bearer(pair.refresh_token));
      expect([wrong.status, wrong.body.error]).toEqual([401, "wrong_token_type"]);
      const forbidden = await get("/editors", bearer(pair.access_token));
      expect([forbidden.status, forbidden.body.error]).toEqual([403, "insufficient_role"]);
      expect(forbidden.headers.get("www-authenticate")).toContain("'editor'");
      const query = await get(`/orders?access_token=${pair.access_token}`);
      expect([query.status, query.body.error]).toEqual([400, "token_in_query"]);
      const good = await get("/orders", bearer(pair.access_token));
      expect([good.status, good.body]).toEqual([200, { sub }]);
    });

    it("leave a failure that is no refusal to the application, and it is no 200", async () => {
      const { get, pair } = await setUp();
      const { status, text } = await get("/broken", bearer(pair.access_token));
      expect(status).toBe(500);
      expect(text).not.toContain(pair.access_token);
    });

    it("give who it is to the handler, load a user, and ask policies about the resource", async () => {
      const { get, pair, sub } = await setUp();
      const init = bearer(pair.access_token);
      expect((await get("/user", init)).body).toEqual({ sub, name: `user ${sub}` });
      expect((await get(`/mine/${sub}`, init)).body).toEqual({ sub });
      const denied = await get("/mine/somebody-else", init);
      expect([denied.status, denied.body.error]).toEqual([403, "denied_by_policy"]);
    });

    it("let nobody pass as nobody where they are optional, and refuse a bad token even there", async () => {
      const { get, pair, sub } = await setUp();
      expect((await get("/optional")).body).toEqual({ sub: null });
      expect((await get("/optional", bearer(pair.access_token))).body).toEqual({ sub });
      expect((await get("/optional", bearer("garbage"))).status).toBe(401);
    });

    it("serve a request whose access cookie has expired, with new cookies in the answer and in what the handler sees", async () => {
      const { browser } = await setUp();
      await browser.signIn("ada", PASSWORD);
      browser.cookies.set("theme", "dark");
      const before = browser.named("refresh");
      browser.dropAccessCookie();
      const { status, body } = await reply(await browser.fetch("/cookie"));
      expect(status).toBe(200);
      expect(browser.named("refresh")).not.toBe(before);
      for (const text of Object.values<string>(body)) {
        const pairs = text.split("; ");
        for (const [name, value] of browser.cookies) expect(pairs).toContain(`${name}=${value}`);
        expect(text).not.toContain(before);
      }
      const again = await browser.fetch("/cookie");
      expect(again.headers.getSetCookie()).toEqual([]);
    });

    it("keep the cookies of the application beside those of an implicit refresh", async () => {
      const { browser } = await setUp();
      await browser.signIn("ada", PASSWORD);
      browser.dropAccessCookie();
      const { status, headers } = await browser.fetch("/sets");
      expect(status).toBe(200);
      const names = headers.getSetCookie().map((line) => line.split("=")[0]);
      expect(names.sort()).toEqual(["latchkey-access", "latchkey-csrf", "latchkey-refresh", "own"]);
    });

    it("take nobody for a thief whose old refresh cookie arrives late, when the browser has gone on", async () => {
      const { bed, browser, url } = await setUp();
      await browser.signIn("ada", PASSWORD);
      browser.dropAccessCookie();
      const late = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      for (let refreshes = 0; refreshes < 2; refreshes++) {
        await browser.fetch("/cookie");
        browser.dropAccessCookie();
      }
      const { port } = new URL(url);
      const socket = connect(Number(port), "127.0.0.1");
      socket.end(`GET /cookie HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${late}\r\n\r\n`, () => socket.destroy());
      await once(socket, "close");
      // More than a refresh waits before it takes something for reuse.
      await wait(300);
      expect(bed.events.map(({ type }) => type)).not.toContain("refresh_token.reused");
      expect((await browser.fetch("/cookie")).status).toBe(200);
      expect((await reply(await fetch(`${url}/cookie`, { headers: { cookie: late } }))).body.error).toBe(
        "refresh_token_reused",
      );
    });

    it("set no cookies where the answer turns out to be an error, and the old refresh cookie stays good", async () => {
      const { browser } = await setUp();
      await browser.signIn("ada", PASSWORD);
      browser.dropAccessCookie();
      const failed = await browser.fetch("/fails");
      expect([failed.status, failed.headers.getSetCookie()]).toEqual([404, []]);
      expect((await browser.fetch("/orders")).status).toBe(200);
      expect(browser.named("access")).not.toBe("");
    });

    it("take an unsafe request with cookies only with its CSRF token, from a page of ours", async () => {
      const { browser } = await setUp();
      await browser.signIn("ada", PASSWORD);
      const post = async (headers: Record<string, string>) => {
        const { status, body } = await reply(await browser.fetch("/orders", { method: "POST", headers }));
        return [status, body.error];
      };
      const token = { "x-csrf-token": browser.named("csrf") };
      expect(await post({})).toEqual([403, "csrf_token_missing"]);
      expect(await post({ ...token, origin: "https://evil.example" })).toEqual([403, "cross_site_request"]);
      expect(await post(token)).toEqual([200, undefined]);
    });

    if (!readsBodies) return;
    it("find access token and CSRF token in a body that has been read before", async () => {
      const { browser, get, pair, sub } = await setUp({ reads: true });
      expect((await get("/orders", json({ access_token: pair.access_token }))).body).toEqual({ sub });
      expect((await get("/orders", json({ access_token: 7 }))).body.error).toBe("missing_token");
      const asForm = new URLSearchParams({ access_token: pair.access_token });
      expect((await get("/orders", { method: "POST", body: asForm })).body.error).toBe("missing_token");
      await browser.signIn("ada", PASSWORD);
      const submit = async (token: string) =>
        (await browser.fetch("/orders", { method: "POST", body: new URLSearchParams({ csrf_token: token }) })).status;
      expect(await submit(browser.named("csrf"))).toBe(200);
      expect(await submit("forged")).toBe(403);
    });
  });
}
