import { describe, expect, it } from "vitest";
import type { CookieJar } from "../support/cookie-jar.ts";
import { signedIn, withCsrf } from "../support/signed-in.ts";
import { createTestBed, ISSUER, PASSWORD, type Reply, reply, type TestBed } from "../support/test-bed.ts";

const proven = (jar: CookieJar) => withCsrf(jar).headers;

/** What clients send where their caller has given them nothing to send: content type, and the bytes, if there are any. */
const emptyBodies: readonly [client: string, headers: Record<string, string>, body: string | undefined][] = [
  ["fetch with a method alone", {}, undefined],
  ["axios.post(url, {})", { "content-type": "application/json" }, "{}"],
  ["a pretty-printed {}", { "content-type": "application/json" }, "{\n  }\n"],
  ["axios.post(url) with its default type", { "content-type": "application/json", "content-length": "0" }, undefined],
  ["fetch(url, {body: ''})", { "content-type": "text/plain;charset=UTF-8" }, ""],
  [
    "$.post(url)",
    { "content-type": "application/x-www-form-urlencoded; charset=UTF-8", "content-length": "0" },
    undefined,
  ],
  ["curl -d '', Wget --post-data=''", { "content-type": "application/x-www-form-urlencoded" }, ""],
  ["RestTemplate with XML headers", { "content-type": "application/xml", "content-length": "0" }, undefined],
  ["Go's http.Post(url, type, nil)", { "content-type": "application/octet-stream", "content-length": "0" }, undefined],
  ["an empty FormData", { "content-type": "multipart/form-data; boundary=x", "content-length": "0" }, undefined],
  ["a type that is none", { "content-type": "no type" }, ""],
  ["a compressed nothing", { "content-encoding": "gzip", "content-length": "0" }, ""],
  ["chunks without any", { host: "127.0.0.1:4000", "transfer-encoding": "chunked", "content-type": "text/plain" }, ""],
  ["a byte order mark alone", { "content-type": "application/json" }, "\u{FEFF}"],
];

function send(bed: TestBed, path: string, headers: Record<string, string>, body?: string, method = "POST") {
  const request = new Request(ISSUER + path, {
    method,
    headers,
    ...(body !== undefined && { body: new TextEncoder().encode(body) }),
  });
  return bed.handler.fetch(request, { remoteAddress: "192.0.2.1" }).then(reply);
}

describe("a body that is empty, whatever its type is said to be", () => {
  it.each(emptyBodies)("refreshes by cookie: %s", async (_client, headers, body) => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const answer = await send(bed, "/auth/refresh", { ...headers, ...proven(jar) }, body);
    expect([answer.status, answer.headers.getSetCookie().length]).toEqual([200, 3]);
  });

  it.each(emptyBodies)("refreshes by a bearer token: %s", async (_client, headers, body) => {
    const bed = await createTestBed();
    const { refresh_token: token } = await bed.login();
    const answer = await send(bed, "/auth/refresh", { ...headers, authorization: `Bearer ${token}` }, body);
    expect([answer.status, answer.body.refresh_token]).toEqual([200, expect.stringMatching(/^lkr_/)]);
  });

  it.each(emptyBodies)("logs out, and the session is over: %s", async (_client, headers, body) => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const { access_token: token } = await bed.login();
    for (const credentials of [proven(jar), { authorization: `Bearer ${token}` }]) {
      expect((await send(bed, "/auth/logout", { ...headers, ...credentials }, body)).status).toBe(204);
    }
    expect(await bed.store.listLiveSessions(bed.clock.now(), 10)).toEqual([]);
  });

  it.each(emptyBodies)("is nothing to the routes that take none: %s", async (_client, headers, body) => {
    const bed = await createTestBed();
    const first = await bed.login();
    const { access_token: token } = await bed.login();
    const credentials = { ...headers, authorization: `Bearer ${token}` };
    const ended = await send(bed, `/auth/sessions/${first.session_id}`, credentials, body, "DELETE");
    expect([ended.status, (await send(bed, "/auth/logout-all", credentials, body)).status]).toEqual([204, 204]);
  });

  it("proves nothing by itself: without a credential a refresh is 400 and says what it requires", async () => {
    const bed = await createTestBed();
    for (const [client, headers, body] of emptyBodies) {
      const answer = await send(bed, "/auth/refresh", headers, body);
      expect([client, answer.status, answer.body.error]).toEqual([client, 400, "invalid_request"]);
      expect(answer.body.error_description).toContain("A refresh token is required");
    }
  });
});

/** What interceptors put into `Authorization` of every request, whatever it is for. */
const interceptors: readonly (readonly [what: string, header: (live: string) => string])[] = [
  ["a live access token", (live) => `Bearer ${live}`],
  ["a forged access token", (live) => `Bearer ${live.slice(0, -4)}AAAA`],
  ["null", () => "Bearer null"],
  ["undefined", () => "Bearer undefined"],
  ["nothing after the scheme", () => "Bearer "],
  ["the scheme alone", () => "Bearer"],
  ["[object Object]", () => "Bearer [object Object]"],
  ["a token in quotes", (live) => `Bearer "${live}"`],
  ["a lower-case scheme", (live) => `bearer ${live}`],
  ["a user name and a password", () => `Basic ${Buffer.from("ada:secret").toString("base64")}`],
  ["another scheme", () => "Token abc"],
  ["a DPoP token", (live) => `DPoP ${live}`],
  ["no scheme at all", (live) => live],
];

describe("what an interceptor puts into Authorization, at a refresh", () => {
  it.each(interceptors)("changes nothing beside a refresh token in the body: %s", async (_what, header) => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const json = { refresh_token: pair.refresh_token };
    const answer = await bed.call("POST", "/auth/refresh", {
      json,
      headers: { authorization: header(pair.access_token) },
    });
    expect([answer.status, answer.body.session_id]).toEqual([200, pair.session_id]);
  });

  it.each(interceptors)(
    "changes nothing beside a refresh cookie, which keeps needing its proof: %s",
    async (_what, header) => {
      const bed = await createTestBed();
      const { jar } = await signedIn(bed);
      const { access_token: live } = await bed.login("grace");
      const authorization = header(live);
      const without = await send(bed, "/auth/refresh", { ...jar.header(), authorization });
      expect([without.status, without.body.error]).toEqual([403, "csrf_token_missing"]);
      const foreign = { ...proven(jar), authorization, origin: "https://evil.example" };
      expect((await send(bed, "/auth/refresh", foreign)).body.error).toBe("cross_site_request");
      const answer = await send(bed, "/auth/refresh", { ...proven(jar), authorization });
      expect([answer.status, answer.headers.getSetCookie().length, answer.text.includes("lkr_")]).toEqual([
        200,
        3,
        false,
      ]);
    },
  );

  it("an access token that has expired changes nothing either, beside body or cookie", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const pair = await bed.login();
    bed.clock.advanceSeconds(3600);
    const authorization = `Bearer ${pair.access_token}`;
    const json = { refresh_token: pair.refresh_token };
    expect((await bed.call("POST", "/auth/refresh", { json, headers: { authorization } })).status).toBe(200);
    expect((await send(bed, "/auth/refresh", { ...proven(jar), authorization })).status).toBe(200);
  });

  it("counts for no limit where it is ignored, though it is no token: a thousand of them, and a bad one is still 401", async () => {
    const bed = await createTestBed({ sessionRefreshesPerMinute: 0 });
    const pair = await bed.login();
    const json = { refresh_token: pair.refresh_token };
    for (let sent = 0; sent < 1000; sent++) {
      await bed.call("POST", "/auth/refresh", { json, headers: { authorization: "Bearer null" } });
    }
    expect((await bed.call("POST", "/auth/refresh", { bearer: "null" })).status).toBe(401);
  });

  it("alone it is refused as ever", async () => {
    const bed = await createTestBed();
    const { access_token: live } = await bed.login();
    const alone = async (authorization: string) => {
      const { status, body } = await send(bed, "/auth/refresh", { authorization });
      return [status, body.error];
    };
    expect(await alone(`Bearer ${live}`)).toEqual([401, "wrong_token_type"]);
    expect(await alone("Bearer null")).toEqual([401, "invalid_refresh_token"]);
    expect(await alone("Bearer ")).toEqual([401, "invalid_refresh_token"]);
    expect(await alone("Basic YTpi")).toEqual([400, "invalid_request"]);
  });

  it("a refresh token in header and body is 400, whatever each is worth, and changes nothing", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const events = bed.events.length;
    for (const header of [
      `Bearer ${pair.refresh_token}`,
      "Bearer lkr_x",
      `DPoP ${pair.refresh_token}`,
      "bearer lkr_x",
    ]) {
      for (const path of ["/auth/refresh", "/auth/logout"]) {
        const json = { refresh_token: pair.refresh_token };
        const { status, body } = await bed.call("POST", path, { json, headers: { authorization: header } });
        expect([header, path, status, body.error]).toEqual([header, path, 400, "invalid_request"]);
      }
    }
    expect(bed.events.length).toBe(events);
    expect((await bed.call("POST", "/auth/refresh", { json: { refresh_token: pair.refresh_token } })).status).toBe(200);
  });

  it("a refresh token in it wins over the cookie, and needs no CSRF token", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const pair = await bed.login("grace");
    const answer = await bed.call("POST", "/auth/refresh", { bearer: pair.refresh_token, headers: jar.header() });
    expect([answer.status, answer.body.session_id]).toEqual([200, pair.session_id]);
  });
});

describe("whose session a logout ends", () => {
  const live = async (bed: TestBed) =>
    (await bed.store.listLiveSessions(bed.clock.now(), 10)).map(({ id }) => id).sort();
  const sessionOf = (bed: TestBed, jar: CookieJar) => bed.issuer.sessions.idOf(jar.get("refresh"));

  it.each(interceptors)("the body's, whatever Authorization says beside it: %s", async (_what, header) => {
    const bed = await createTestBed();
    const [body, other] = [await bed.login(), await bed.login("grace")];
    for (const json of [{ refresh_token: body.refresh_token }, { access_token: body.access_token }]) {
      const headers = { authorization: header(other.access_token) };
      expect((await bed.call("POST", "/auth/logout", { json, headers })).status).toBe(204);
      expect(await live(bed)).toEqual([other.session_id]);
    }
  });

  it("the header's where it is ours, live or expired, and not the cookie's", async () => {
    for (const seconds of [0, 3600]) {
      const bed = await createTestBed();
      const { jar } = await signedIn(bed);
      const [first, second] = [await bed.login("grace"), await bed.login("grace")];
      bed.clock.advanceSeconds(seconds);
      for (const token of [first.access_token, second.refresh_token]) {
        const headers = { authorization: `Bearer ${token}`, ...jar.header() };
        expect((await send(bed, "/auth/logout", headers)).status).toBe(204);
      }
      expect(await live(bed)).toEqual([sessionOf(bed, jar)]);
    }
  });

  const notOurs = interceptors.filter(
    ([what]) => !["a live access token", "a lower-case scheme", "a DPoP token"].includes(what),
  );
  const foreign: typeof notOurs = [
    ...notOurs,
    ["a refresh token that nobody issued", () => `Bearer lkr_${"A".repeat(76)}`],
    ["another system's JWT", () => "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"],
  ];
  it.each(foreign)(
    "the cookie's where the header's is not ours, with the cookie's proof: %s",
    async (_what, header) => {
      const bed = await createTestBed();
      const { jar } = await signedIn(bed);
      const other = await bed.login("grace");
      const authorization = header(other.access_token);
      const both = [sessionOf(bed, jar), other.session_id].sort();
      const without = await send(bed, "/auth/logout", { ...jar.header(), authorization });
      expect([without.status, without.body.error, await live(bed)]).toEqual([403, "csrf_token_missing", both]);
      const evil = { ...proven(jar), authorization, origin: "https://evil.example" };
      expect((await send(bed, "/auth/logout", evil)).body.error).toBe("cross_site_request");
      const answer = await send(bed, "/auth/logout", { ...proven(jar), authorization });
      expect([answer.status, await live(bed)]).toEqual([204, [other.session_id]]);
    },
  );

  it("nobody's where no credential is known, and the answer is the same", async () => {
    const bed = await createTestBed();
    const answers: Reply[] = [await bed.call("POST", "/auth/logout")];
    for (const [, header] of interceptors) {
      answers.push(await bed.call("POST", "/auth/logout", { headers: { authorization: header("eyJ.eyJ.x") } }));
    }
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
  });
});

describe("a user name as people type it", () => {
  const signsIn = async (bed: TestBed, username: string) => {
    const json = { username, password: PASSWORD };
    return (await bed.call("POST", "/auth/login", { json })).status;
  };

  it("signs in with spaces around it, and as few attempts are counted for each spelling as for one", async () => {
    const bed = await createTestBed();
    await bed.login();
    for (const username of ["ada ", " ada", "\tada\n", "\u00a0ada\u3000", "ADA "]) {
      expect([username, await signsIn(bed, username)]).toEqual([username, 200]);
    }
    for (let attempt = 0; attempt < 10; attempt++) {
      const json = { username: `${" ".repeat(attempt)}ada`, password: "a wrong password" };
      expect((await bed.call("POST", "/auth/login", { json, ip: "192.0.2.9" })).status).toBe(401);
    }
    const json = { username: "ada", password: PASSWORD };
    expect((await bed.call("POST", "/auth/login", { json, ip: "192.0.2.9" })).status).toBe(429);
  });

  it("is registered, shown and taken without the spaces", async () => {
    const bed = await createTestBed({ registration: "open" });
    const register = (username: string) =>
      bed.call("POST", "/auth/register", { json: { username, password: PASSWORD } });
    expect((await register(" Grace ")).body.username).toBe("Grace");
    expect((await register("grace")).body.error).toBe("username_taken");
    expect(await signsIn(bed, "grace")).toBe(200);
  });

  it("may be an email address of 254 characters, at every route that accepts user names", async () => {
    const bed = await createTestBed({ registration: "open" }, { passwordGrant: true });
    const address = `${"x".repeat(64)}@${"y".repeat(185)}.org`;
    const registered = await bed.call("POST", "/auth/register", { json: { username: address, password: PASSWORD } });
    expect([registered.status, registered.body.username]).toEqual([201, address]);
    expect(await signsIn(bed, address.toUpperCase())).toBe(200);
    const form = { grant_type: "password", username: `${address} `, password: PASSWORD };
    expect((await bed.call("POST", "/token", { form })).status).toBe(200);
    const longer = { username: `x${address}`, password: PASSWORD };
    expect((await bed.call("POST", "/auth/register", { json: longer })).body.error).toBe("invalid_username");
  });
});
