import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PASSWORD } from "../support/server-process.ts";
import { Browser } from "../support/signed-in-browser.ts";
import { reply } from "../support/test-bed.ts";
import { examples, prepareExamples, type RunningExample, removeExamples, startExample } from "./running-example.ts";

const mounts: Readonly<Record<string, string>> = {
  node: "",
  express: "",
  fastify: "",
  hono: "/id",
  nest: "",
  "request-response": "",
};

beforeAll(prepareExamples, 60_000);
afterAll(removeExamples);

it("has a test for every folder of examples/", () => {
  expect(Object.keys(mounts).sort()).toEqual([...examples].sort());
});

describe.each(Object.entries(mounts))("examples/%s", (name, mount) => {
  let example: RunningExample;
  beforeAll(async () => {
    example = await startExample(name);
  });
  afterAll(() => example.stop());

  const get = async (path: string, init?: RequestInit) => reply(await fetch(example.url + path, init));
  const post = (path: string, json: unknown, token?: string) =>
    get(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(json),
    });
  const signIn = async (username: string) =>
    (await post(`${mount}/auth/login`, { username, password: PASSWORD })).body as Record<
      "access_token" | "refresh_token",
      string
    >;
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

  it("refuses who brings no token or lacks the role, and serves who has it", async () => {
    const none = await get("/orders");
    expect([none.status, none.body.error, none.headers.get("www-authenticate")]).toEqual([
      401,
      "missing_token",
      'Bearer realm="latchkey"',
    ]);
    const [ada, ben] = [await signIn("ada"), await signIn("ben")];
    const orders = await get("/orders", as(ben.access_token));
    expect([orders.status, orders.body.of]).toEqual([200, expect.any(String)]);
    const forbidden = await get("/reports", as(ben.access_token));
    expect([forbidden.status, forbidden.body.error]).toEqual([403, "insufficient_role"]);
    expect((await get("/reports", as(ada.access_token))).status).toBe(200);
  });

  it("refreshes, and ends the session at logout", async () => {
    const first = await signIn("ben");
    const second = await post(`${mount}/auth/refresh`, { refresh_token: first.refresh_token });
    expect(second.status).toBe(200);
    expect((await get("/orders", as(second.body.access_token))).status).toBe(200);
    const logout = await post(`${mount}/auth/logout`, { refresh_token: second.body.refresh_token });
    expect(logout.status).toBe(204);
    expect((await get("/orders", as(second.body.access_token))).body.error).toBe("session_revoked");
    const after = await post(`${mount}/auth/refresh`, { refresh_token: second.body.refresh_token });
    expect([after.status, after.body.error]).toEqual([401, "session_revoked"]);
  });

  it("keeps a browser signed in by cookies when its access cookie has expired, until logout", async () => {
    const browser = new Browser(example.url);
    await browser.signIn("ben", PASSWORD, mount);
    browser.dropAccessCookie();
    expect((await browser.fetch("/orders")).status).toBe(200);
    expect(browser.named("access")).not.toBe("");
    const logout = { method: "POST", headers: { "x-csrf-token": browser.named("csrf") } };
    expect((await browser.fetch(`${mount}/auth/logout`, logout)).status).toBe(204);
    expect((["access", "refresh", "csrf"] as const).map((part) => browser.named(part))).toEqual(["", "", ""]);
    expect((await browser.fetch("/orders")).status).toBe(401);
  });

  const own: Readonly<Record<string, () => Promise<void>>> = {
    async node() {
      const { access_token: token } = await signIn("ben");
      const { of: sub } = (await get("/orders", as(token))).body;
      expect((await upgrade(example.url, "chat")).status).toBe(401);
      const greeted = await upgrade(example.url, `chat, latchkey.bearer.${token}`);
      expect([greeted.status, greeted.protocol]).toEqual([101, "chat"]);
      expect(greeted.text.slice(2)).toBe(`hello ${sub}`);
    },
    async express() {
      const browser = new Browser(example.url);
      expect(await (await browser.fetch("/")).text()).toContain("Sign in");
      await browser.signIn("ben", PASSWORD);
      browser.dropAccessCookie();
      const page = await (await browser.fetch("/")).text();
      const token = /name="csrf_token" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const submit = (fields: Record<string, string>) =>
        browser.fetch("/orders", { method: "POST", body: new URLSearchParams(fields) });
      expect((await submit({ item: "tea" })).status).toBe(403);
      expect((await submit({ item: "tea", csrf_token: token })).status).toBe(303);
      expect((await reply(await browser.fetch("/orders"))).body.orders).toEqual(["tea"]);
    },
    async fastify() {
      const [ada, ben] = [await signIn("ada"), await signIn("ben")];
      const { of: sub } = (await get("/orders", as(ben.access_token))).body;
      expect((await get(`/orders/${sub}`, as(ben.access_token))).body).toEqual({ of: sub, for: sub });
      expect((await get(`/orders/${sub}`, as(ada.access_token))).status).toBe(200);
      expect((await get("/orders/somebody", as(ben.access_token))).body.error).toBe("denied_by_policy");
      expect((await post("/payout", { iban: "x" }, ben.access_token)).status).toBe(202);
      expect((await post("/payout", {}, ben.access_token)).status).toBe(400);
      expect((await post("/payout", {})).status).toBe(401);
      const { body: refreshed } = await post("/auth/refresh", { refresh_token: ben.refresh_token });
      expect((await post("/payout", { iban: "x" }, refreshed.access_token)).body.error).toBe("token_not_fresh");
    },
    async hono() {
      const { access_token: token } = await signIn("ada");
      expect((await get("/")).text).toBe("Hello, stranger!");
      expect((await get("/", as(token))).text).not.toContain("stranger");
      expect((await get("/reports/2026", as(token))).body.year).toBe("2026");
      expect((await get("/auth/me", as(token))).status).toBe(404);
    },
    async nest() {
      const [ada, ben] = [await signIn("ada"), await signIn("ben")];
      expect((await get("/hours")).body).toEqual({ from: 9, to: 17 });
      expect((await get("/")).text).toBe("Hello, stranger!");
      expect((await get("/", as(ben.access_token))).text).not.toContain("stranger");
      expect((await get("/", as("garbage"))).status).toBe(401);
      expect((await post("/orders", { item: "tea" }, ben.access_token)).body).toEqual({ orders: ["tea"] });

      const lacking = await get("/orders/all", as(ada.access_token));
      expect([lacking.status, lacking.body]).toEqual([
        403,
        { error: "insufficient_scope", error_description: expect.stringContaining("'orders:all'") },
      ]);
      expect(lacking.headers.get("www-authenticate")).toContain('error="insufficient_scope"');
      expect((await post("/screens", {}, ben.access_token)).body.error).toBe("insufficient_role");
      const screen = await post("/screens", {}, ada.access_token);
      expect((await get("/orders/all", as(screen.body.access_token))).body).toEqual({ orders: ["tea"] });
      const { body: refreshed } = await post("/auth/refresh", { refresh_token: ada.refresh_token });
      expect((await post("/screens", {}, refreshed.access_token)).body.error).toBe("token_not_fresh");

      const browser = new Browser(example.url);
      await browser.signIn("ben", PASSWORD);
      browser.dropAccessCookie();
      const six = await Promise.all(Array.from({ length: 6 }, () => browser.fetch("/orders")));
      expect(six.map(({ status }) => status)).toEqual(Array(6).fill(200));
      const renewed = six.map(({ headers }) =>
        headers.getSetCookie().find((line) => line.includes("latchkey-refresh=")),
      );
      expect([new Set(renewed).size, renewed[0]]).toEqual([1, expect.any(String)]);
    },
    async "request-response"() {
      const browser = new Browser(example.url);
      expect(await (await browser.fetch("/")).text()).toContain("Sign in");
      await browser.signIn("ben", PASSWORD);
      browser.dropAccessCookie();
      const before = browser.named("refresh");
      const page = await (await browser.fetch("/")).text();
      expect([page, browser.named("refresh") === before]).toEqual([expect.stringContaining("Hello"), false]);
      const token = /name="csrf_token" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const submit = (fields: Record<string, string>) =>
        browser.fetch("/orders", { method: "POST", body: new URLSearchParams(fields) });
      browser.dropAccessCookie();
      expect((await submit({ item: "tea" })).status).toBe(403);
      expect((await submit({ item: "tea", csrf_token: token })).status).toBe(303);
      expect(browser.named("access")).not.toBe("");
      expect((await reply(await browser.fetch("/orders"))).body.orders).toEqual(["tea"]);

      browser.dropAccessCookie();
      const asked = ["/", "/", "/", "/orders", "/orders", "/orders"].map((path) => browser.fetch(path));
      const renewed = (await Promise.all(asked)).map(({ status, headers }) => [
        status,
        headers.getSetCookie().find((line) => line.includes("latchkey-refresh=")),
      ]);
      expect(renewed).toEqual(Array(6).fill([200, expect.any(String)]));
      expect(new Set(renewed.map(([, cookie]) => cookie)).size).toBe(1);

      const editor = new Browser(example.url);
      await editor.signIn("ada", PASSWORD);
      editor.dropAccessCookie();
      const report = await editor.fetch("/reports");
      expect([report.status, report.headers.getSetCookie().length]).toEqual([200, 3]);

      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const logout = { method: "POST", headers: { "x-csrf-token": browser.named("csrf") } };
      expect((await browser.fetch("/auth/logout", logout)).status).toBe(204);
      expect((await get("/", { headers: { cookie } })).text).toContain("Sign in");
      expect((await get("/orders", { headers: { cookie } })).body.error).toBe("session_revoked");
    },
  };
  it("does what it alone shows", async () => {
    await own[name]!();
  });
});

interface Upgraded {
  readonly status: number | undefined;
  readonly protocol: string | string[] | undefined;
  readonly text: string;
}

/** Asks for a WebSocket and reads until the connection closes. */
function upgrade(url: string, protocols: string): Promise<Upgraded> {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": protocols,
  };
  return new Promise((resolve, reject) => {
    const asking = request(url, { headers });
    asking.on("error", reject);
    asking.on("response", (response) => {
      response.resume();
      resolve({ status: response.statusCode, protocol: undefined, text: "" });
    });
    asking.on("upgrade", ({ statusCode, headers: answered }, socket, head) => {
      let text = head.toString("latin1");
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.on("close", () => resolve({ status: statusCode, protocol: answered["sec-websocket-protocol"], text }));
    });
    asking.end();
  });
}
