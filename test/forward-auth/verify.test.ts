import { describe, expect, it } from "vitest";
import { CookieJar } from "../support/cookie-jar.ts";
import { createTestBed, ISSUER, PASSWORD, type TestBed } from "../support/test-bed.ts";

const VERIFY = "/auth/verify";
const SEPARATE = { "sec-latchkey-set-cookie": "separate" };

async function signIn(bed: TestBed, username = "ada", roles: readonly string[] = []): Promise<CookieJar> {
  await bed.issuer.users.create({ username, password: PASSWORD, roles });
  const { headers } = await bed.call("POST", "/auth/login", {
    json: { username, password: PASSWORD, transport: "cookie" },
  });
  return new CookieJar().take(headers);
}

const identityOf = (headers: Headers) =>
  Object.fromEntries(
    ["subject", "roles", "session", "client", "scope"].map((name) => [name, headers.get(`x-auth-${name}`)]),
  );

const separateOf = (headers: Headers) =>
  ["access", "refresh", "csrf"].map((kind) => headers.get(`x-auth-set-cookie-${kind}`));

describe("GET /auth/verify", () => {
  it("answers 204 with subject, roles, session, client and scope for an access token, and nothing may keep it", async () => {
    const bed = await createTestBed();
    const { id } = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["editor", "admin"] });
    const pair = await bed.issuer.issue({ subject: id, scope: "orders:read orders:write" });
    const { status, headers, text } = await bed.call("GET", VERIFY, { bearer: pair.accessToken });
    expect([status, text, headers.get("cache-control")]).toEqual([204, "", "no-store"]);
    expect(identityOf(headers)).toEqual({
      subject: id,
      roles: "admin,editor",
      session: pair.sessionId,
      client: "first-party",
      scope: "orders:read orders:write",
    });
  });

  it("has every header there, if empty, so that no proxy lets a client's own through", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const { headers } = await bed.call("GET", VERIFY, { bearer: pair.access_token });
    expect([headers.get("x-auth-roles"), headers.get("x-auth-scope")]).toEqual(["", ""]);
  });

  it("percent-encodes what could end a line, a list's entry or the header, and keeps different subjects different", async () => {
    const subjects = ["a\r\nX-Auth-Roles: admin", "a,b", "a%2Cb", " a ", "\u{1F511}\x01é", "plain-1_~.:@|"];
    const roles = ["r,admin", "r\nx", "ok"];
    const bed = await createTestBed({
      subjects: async (asked) => new Map(asked.map((subject) => [subject, { roles }])),
    });
    const seen = new Set<string>();
    for (const subject of subjects) {
      const { accessToken } = await bed.issuer.issue({ subject });
      const { status, headers } = await bed.call("GET", VERIFY, { bearer: accessToken });
      const said = headers.get("x-auth-subject")!;
      expect([status, decodeURIComponent(said), headers.get("x-auth-roles")]).toEqual([
        204,
        subject,
        "r%2Cadmin,r%0Ax,ok",
      ]);
      expect(said).toMatch(/^[\x21-\x7e]+$/);
      seen.add(said);
    }
    expect(seen.size).toBe(subjects.length);
    expect(seen).toContain("plain-1_~.:@|");
  });

  it("asks for a role or for scopes where its query does: 403 that names what is lacking", async () => {
    const bed = await createTestBed();
    const { id } = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["editor"] });
    const { accessToken: bearer } = await bed.issuer.issue({ subject: id, scope: "orders:*" });
    const ask = async (query: string) => {
      const { status, body } = await bed.call("GET", `${VERIFY}?${query}`, { bearer });
      return [status, body?.error, body?.error_description];
    };
    expect(await ask("role=editor")).toEqual([204, undefined, undefined]);
    expect(await ask("role=admin")).toEqual([403, "insufficient_role", expect.stringContaining("'admin'")]);
    expect(await ask("scope=orders:read+orders:write&role=editor")).toEqual([204, undefined, undefined]);
    expect(await ask("scope=orders:read%20users:read")).toEqual([
      403,
      "insufficient_scope",
      expect.stringContaining("'users:read'"),
    ]);
  });

  it("refuses a query that it would have to pass over: unknown, empty or repeated names, and tokens", async () => {
    const bed = await createTestBed();
    const { access_token: bearer } = await bed.login();
    for (const query of [
      "roles=admin",
      "Role=admin",
      "role=",
      "scope=",
      "scope=a++b",
      "scope=%22",
      "role=a&role=b",
      "x",
    ]) {
      const { status, body } = await bed.call("GET", `${VERIFY}?${query}`, { bearer });
      expect([query, status, body?.error]).toEqual([query, 400, "invalid_request"]);
    }
    const { status, body } = await bed.call("GET", `${VERIFY}?access_token=${bearer}`);
    expect([status, body.error]).toEqual([400, "token_in_query"]);
  });

  it("takes a client's own access token where a scope is asked for, with no session and no roles, and nowhere else", async () => {
    const bed = await createTestBed();
    const { client, secret } = await createClient(bed, "orders:read");
    const form = { grant_type: "client_credentials" };
    const basic = Buffer.from(`${client}:${secret}`).toString("base64");
    const { status: issued, body: token } = await bed.call("POST", "/token", {
      form,
      headers: { authorization: `Basic ${basic}` },
    });
    expect(issued).toBe(200);
    const { status, headers } = await bed.call("GET", `${VERIFY}?scope=orders:read`, { bearer: token.access_token });
    expect([status, identityOf(headers)]).toEqual([
      204,
      { subject: client, roles: "", session: "", client, scope: "orders:read" },
    ]);
    const refused = await bed.call("GET", VERIFY, { bearer: token.access_token });
    expect([refused.status, refused.body.error]).toEqual([401, "wrong_token_type"]);
  });
});

async function createClient(
  bed: TestBed,
  scope: string,
): Promise<{ readonly client: string; readonly secret: string }> {
  const created = await bed.issuer.clients.create({ name: "worker", scope });
  return { client: created.client.id, secret: created.secret! };
}

describe("GET /auth/verify with cookies", () => {
  it("renews expired ones on the spot, in Set-Cookie alone unless a proxy asks for each in a header of its own", async () => {
    const bed = await createTestBed();
    const jar = (await signIn(bed)).drop("access");
    const plain = await bed.call("GET", VERIFY, { headers: jar.header() });
    expect([plain.status, plain.headers.getSetCookie().length]).toEqual([204, 3]);
    expect(separateOf(plain.headers)).toEqual([null, null, null]);

    const asked = await bed.call("GET", VERIFY, { headers: { ...jar.header(), ...SEPARATE } });
    expect([asked.status, separateOf(asked.headers)]).toEqual([204, asked.headers.getSetCookie()]);
    const renewed = new CookieJar();
    for (const line of separateOf(asked.headers)) renewed.takeLine(line!);
    const after = await bed.call("GET", VERIFY, { headers: { ...renewed.header(), ...SEPARATE } });
    expect([after.status, after.headers.getSetCookie(), separateOf(after.headers)]).toEqual([
      204,
      [],
      [null, null, null],
    ]);
  });

  it("asks by a header that no script of a page can send, and refuses any other value of it", async () => {
    // Node's fetch is not a browser; the Fetch standard forbids pages every name that begins with "sec-".
    expect(Object.keys(SEPARATE)[0]).toMatch(/^sec-/);
    const bed = await createTestBed();
    const jar = (await signIn(bed)).drop("access");
    const { status, headers } = await bed.call("GET", VERIFY, {
      headers: { ...jar.header(), "sec-latchkey-set-cookie": "yes" },
    });
    expect([status, headers.getSetCookie(), separateOf(headers)]).toEqual([400, [], [null, null, null]]);
  });

  it("sets none on a refusal for a role that is lacking, and deletes them where the session has ended", async () => {
    const bed = await createTestBed();
    const jar = (await signIn(bed)).drop("access");
    const lacking = await bed.call("GET", `${VERIFY}?role=admin`, { headers: { ...jar.header(), ...SEPARATE } });
    expect([lacking.status, lacking.headers.getSetCookie(), separateOf(lacking.headers)]).toEqual([
      403,
      [],
      [null, null, null],
    ]);
    await bed.issuer.logout(jar.get("refresh"));
    const ended = await bed.call("GET", VERIFY, { headers: { ...jar.header(), ...SEPARATE } });
    const deleted = ended.headers.getSetCookie().map((line) => /^latchkey-(\w+)=; Max-Age=0;/.exec(line)?.[1]);
    expect([ended.status, deleted, separateOf(ended.headers)]).toEqual([
      401,
      ["access", "refresh", "csrf"],
      [null, null, null],
    ]);
  });

  it("asks for CSRF proof where any of the request's methods is unsafe, so that nobody can lower it by a header of his own", async () => {
    const bed = await createTestBed();
    const jar = await signIn(bed);
    const ask = async (headers: Record<string, string>) => {
      const { status, body } = await bed.call("GET", VERIFY, { headers: { ...jar.header(), ...headers } });
      return body?.error ?? status;
    };
    for (const [forwarded, original] of [
      ["POST", undefined],
      [undefined, "POST"],
      ["GET", "DELETE"],
      ["PATCH", "HEAD"],
      ["GET, POST", undefined],
      ["post", undefined],
      ["get", undefined],
      ["", "GET"],
      ["PROPFIND", "GET"],
    ]) {
      const methods = {
        ...(forwarded !== undefined && { "x-forwarded-method": forwarded }),
        ...(original !== undefined && { "x-original-method": original }),
      };
      expect([methods, await ask(methods)]).toEqual([methods, "csrf_token_missing"]);
      expect(await ask({ ...methods, "x-csrf-token": "wrong" })).toBe("csrf_token_invalid");
      const proof = { ...methods, "x-csrf-token": jar.get("csrf") };
      expect([methods, await ask(proof)]).toEqual([methods, 204]);
      expect(await ask({ ...proof, origin: ISSUER })).toBe(204);
      expect(await ask({ ...proof, origin: "https://evil.example" })).toBe("cross_site_request");
      expect(await ask({ ...proof, "sec-fetch-site": "cross-site" })).toBe("cross_site_request");
    }
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      expect([method, await ask({ "x-forwarded-method": method, "x-original-method": method })]).toEqual([method, 204]);
    }
    expect(await ask({})).toBe(204);
  });

  it.each(["upgrade", "sec-websocket-key"])(
    "knows a WebSocket handshake by %s alone, and with cookies accepts it only from an origin of ours",
    async (name) => {
      const origin = "https://app.example.com";
      const bed = await createTestBed({}, { allowedOrigins: [origin] });
      const jar = await signIn(bed);
      const shake = { [name]: name === "upgrade" ? "websocket" : "dGhlIHNhbXBsZSBub25jZQ==" };
      const ask = async (headers: Record<string, string>, from = jar) => {
        const { status, body } = await bed.call("GET", VERIFY, { headers: { ...from.header(), ...shake, ...headers } });
        return body?.error ?? status;
      };
      for (const own of [ISSUER, origin]) expect([own, await ask({ origin: own })]).toEqual([own, 204]);
      const expired = jar.copy().drop("access");
      for (const other of ["https://evil.example", "null", `${origin}.evil.example`, "http://app.example.com"]) {
        expect([other, await ask({ origin: other })]).toEqual([other, "cross_site_request"]);
        expect([other, await ask({ origin: other }, expired)]).toEqual([other, "cross_site_request"]);
      }
      expect(await ask({ "sec-fetch-site": "cross-site" })).toBe("cross_site_request");
      // A client that is no browser names no origin.
      expect(await ask({})).toBe(204);
    },
  );

  it("asks for that proof before it renews anything, and never where a bearer token speaks for the request", async () => {
    const bed = await createTestBed();
    const jar = (await signIn(bed)).drop("access");
    const before = bed.store.statistics.sessionWrites;
    const headers = { ...jar.header(), "x-forwarded-method": "POST" };
    expect((await bed.call("GET", VERIFY, { headers })).status).toBe(403);
    expect(bed.store.statistics.sessionWrites).toBe(before);
    const { accessToken: bearer } = await bed.issuer.issue({
      subject: (await bed.store.findUserByUsername("ada"))!.id,
    });
    expect((await bed.call("GET", VERIFY, { headers, bearer })).status).toBe(204);
  });
});
