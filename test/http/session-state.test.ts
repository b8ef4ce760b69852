import { describe, expect, it } from "vitest";
import type { HandlerOptions, IssuerOptions } from "../../src/index.ts";
import { strengthOf } from "../../src/records/authentication-factors.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import { boundTo, createProofKey, presented, proofBy } from "../support/dpop-proofs.ts";
import { refused } from "../support/signed-in.ts";
import { createTestBed, createTestClock, ISSUER, PASSWORD, type Reply, type TestBed } from "../support/test-bed.ts";

const APP = "https://app.example.com";
const START = Date.UTC(2026, 10, 21, 12, 30);

async function setUp(issuerOptions: Partial<IssuerOptions> = {}, handlerOptions: HandlerOptions = {}) {
  const clock = createTestClock(START);
  const bed = await createTestBed(issuerOptions as object, { allowedOrigins: [APP], ...handlerOptions }, clock);
  const { id } = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["editor"] });
  return { bed, clock, id };
}

async function signIn(bed: TestBed): Promise<CookieJar> {
  const json = { username: "ada", password: PASSWORD, transport: "cookie" };
  return new CookieJar().take((await bed.call("POST", "/auth/login", { json })).headers);
}

const state = (bed: TestBed, headers: Record<string, string> = {}) => bed.call("GET", "/auth/session", { headers });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const cookieNames = ({ headers }: Reply) => headers.getSetCookie().map((line) => line.split("=")[0]);
const deleted = ({ headers }: Reply) =>
  headers
    .getSetCookie()
    .filter((line) => line.includes("Max-Age=0"))
    .map((line) => line.split("=")[0]);

const EVERY_COOKIE = ["latchkey-access", "latchkey-refresh", "latchkey-csrf"];

describe("GET /auth/session, where somebody is signed in", () => {
  it("by cookie says who, how surely and for how long, with the CSRF token", async () => {
    const { bed, clock, id } = await setUp();
    const jar = await signIn(bed);
    clock.advanceSeconds(60);
    const answer = await state(bed, jar.header());
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        session: {
          id: bed.issuer.sessions.idOf(jar.get("refresh")),
          subject: id,
          username: "ada",
          roles: ["editor"],
          expires_in: 840,
          refresh_expires_in: 1_209_540,
          auth_time: START / 1000,
          amr: ["pwd"],
          acr: "urn:latchkey:1",
          factors: 1,
          bound: false,
          csrf_token: jar.get("csrf"),
        },
      },
    ]);
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it("by an access token in the header says the same, without a CSRF token, from whichever page", async () => {
    const { bed } = await setUp();
    const pair = await bed.login();
    const jar = await signIn(bed);
    for (const more of [{}, jar.header(), { origin: "https://evil.example", "sec-fetch-site": "cross-site" }]) {
      const answer = await state(bed, { ...bearer(pair.access_token), ...(more as Record<string, string>) });
      expect([answer.status, answer.body.session.id, answer.headers.getSetCookie()]).toEqual([
        200,
        pair.session_id,
        [],
      ]);
      expect(Object.keys(answer.body.session)).not.toContain("csrf_token");
    }
  });

  it("renews an expired or a missing access cookie, and says how long the renewed session has", async () => {
    const { bed, clock } = await setUp();
    const jar = await signIn(bed);
    clock.advanceSeconds(3 * 3600);
    for (const asking of [jar, jar.copy().drop("access"), jar.copy().set("access", "x")]) {
      const answer = await state(bed, asking.header());
      expect([answer.status, cookieNames(answer), deleted(answer)]).toEqual([200, EVERY_COOKIE, []]);
      expect([answer.body.session.expires_in, answer.body.session.refresh_expires_in]).toEqual([900, 1_209_600]);
      expect(answer.body.session.csrf_token).toBe(jar.copy().take(answer.headers).get("csrf"));
    }
  });

  it("shows the session's end as it stood at the last full hour, where nothing was refreshed", async () => {
    const { bed, clock } = await setUp({ accessTtlSeconds: 7200 });
    const pair = await bed.login();
    const shown = async () => (await state(bed, bearer(pair.access_token))).body.session.refresh_expires_in;
    clock.advanceSeconds(600);
    await bed.call("POST", "/auth/refresh", { json: { refresh_token: pair.refresh_token } });
    // The refresh of 12:40 does not show before 13:00.
    expect(await shown()).toBe(1_209_600 - 600);
    clock.advanceSeconds(1200);
    expect(await shown()).toBe(1_209_600 - 1200);
  });

  it("says under 'subjects' no username, and of a session that is bound to a key that it is", async () => {
    const clock = createTestClock(START);
    const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: ["reader"] }]));
    const bed = await createTestBed({ subjects } as object, {}, clock);
    const key = await createProofKey();
    const dpop = presented(await proofBy(key, clock));
    const pair = await bed.issuer.issue({ subject: "somebody", dpop, amr: ["pwd", "otp"] });
    const { status, body } = await state(bed, await boundTo(key, clock, pair.accessToken, "GET", "/auth/session"));
    expect([status, body.session.username, body.session.roles, body.session.bound]).toEqual([
      200,
      null,
      ["reader"],
      true,
    ]);
    expect([body.session.factors, body.session.acr]).toEqual([2, "urn:latchkey:2"]);
    const plain = await bed.issuer.issue({ subject: "somebody" });
    const unknown = (await state(bed, bearer(plain.accessToken))).body.session;
    expect([unknown.amr, unknown.factors, unknown.acr, unknown.bound]).toEqual([[], 1, "urn:latchkey:1", false]);
  });

  it.each([
    [null, 1],
    [["pwd"], 1],
    [["pwd", "pin"], 1],
    [["pwd", "otp"], 2],
    [["hwk", "fpt"], 2],
    [["pwd", "otp", "face"], 3],
    [["pwd", "mfa"], 2],
    [["something"], 1],
  ])("counts the kinds of factors in %j as %i", (amr, factors) => {
    expect(strengthOf(amr)).toEqual({ factors, acr: factors > 1 ? "urn:latchkey:2" : "urn:latchkey:1" });
  });
});

describe("GET /auth/session, where nobody is", () => {
  it("is null without a reason where there is no credential, or cookies that say nothing", async () => {
    const { bed } = await setUp();
    for (const headers of [
      {},
      { cookie: "theme=dark" },
      { cookie: "latchkey-csrf=x" },
      { authorization: "Basic YTpi" },
    ]) {
      const answer = await state(bed, headers as Record<string, string>);
      expect([answer.status, answer.body]).toEqual([200, { session: null, reason: null }]);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
  });

  it.each<[string, (bed: TestBed, jar: CookieJar) => Promise<void>, string]>([
    [
      "revoked",
      async (bed, jar) => bed.issuer.sessions.revoke(bed.issuer.sessions.idOf(jar.get("refresh"))),
      "session_revoked",
    ],
    ["logged out", async (bed, jar) => void (await bed.issuer.logout(jar.get("refresh"))), "session_revoked"],
    [
      "expired",
      async (bed) => {
        (bed.clock as ReturnType<typeof createTestClock>).advanceSeconds(15 * 86_400);
      },
      "session_expired",
    ],
    [
      "reused",
      async (bed, jar) => {
        const next = await bed.issuer.refresh(jar.get("refresh"));
        await bed.issuer.refresh(next.refreshToken);
        jar.drop("access");
      },
      "refresh_token_reused",
    ],
  ])("says that the session is %s, and deletes every cookie of it", async (_what, end, reason) => {
    const { bed } = await setUp();
    const jar = await signIn(bed);
    await end(bed, jar);
    const answer = await state(bed, jar.header());
    expect([answer.status, answer.body, deleted(answer)]).toEqual([200, { session: null, reason }, EVERY_COOKIE]);
  });

  it("says session_revoked by the access cookie alone, and by one whose session only the store knows to be over", async () => {
    const { bed } = await setUp();
    const jar = await signIn(bed);
    const sid = bed.issuer.sessions.idOf(jar.get("refresh"));
    const other = await signIn(bed);
    await bed.store.revokeSessions([sid], { at: bed.clock.now(), reason: "administrator" });
    await bed.issuer.sessions.revoke(bed.issuer.sessions.idOf(other.get("refresh")));
    for (const cookies of [jar, other.drop("refresh")]) {
      const answer = await state(bed, cookies.header());
      expect([answer.body, deleted(answer)]).toEqual([{ session: null, reason: "session_revoked" }, EVERY_COOKIE]);
    }
  });

  it("deletes a refresh cookie that cannot be one, and keeps one that this server merely does not know", async () => {
    const { bed } = await setUp();
    const jar = await signIn(bed);
    const malformed = await state(bed, jar.copy().set("refresh", "x").drop("access").header());
    expect([malformed.body, deleted(malformed)]).toEqual([{ session: null, reason: null }, EVERY_COOKIE]);
    const stranger = await setUp({ secret: "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN" });
    const foreign = await signIn(stranger.bed);
    const unknown = await state(bed, foreign.drop("access").header());
    expect([unknown.body, unknown.headers.getSetCookie()]).toEqual([{ session: null, reason: null }, []]);
  });

  it("is 401, and touches no cookie, where the token in the header is bad", async () => {
    const { bed, clock } = await setUp();
    const pair = await bed.login();
    const jar = await signIn(bed);
    clock.advanceSeconds(906);
    const ended = await bed.login();
    await bed.issuer.sessions.revoke(ended.session_id);
    for (const [token, error] of [
      [pair.access_token, "access_token_expired"],
      [ended.access_token, "session_revoked"],
      [pair.refresh_token, "wrong_token_type"],
      ["null", "invalid_access_token"],
      ["", "invalid_access_token"],
    ] as const) {
      const answer = await state(bed, { ...bearer(token), ...jar.header() });
      expect([answer.status, answer.body.error, answer.headers.getSetCookie()]).toEqual([401, error, []]);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer /);
      expect(answer.headers.get("vary")).toBe("Origin, Cookie");
    }
  });

  it("is 401 where the store alone knows that the header's session is over", async () => {
    const { bed } = await setUp();
    const pair = await bed.login();
    await bed.store.revokeSessions([pair.session_id], { at: bed.clock.now(), reason: "administrator" });
    expect((await state(bed, bearer(pair.access_token))).body.error).toBe("session_revoked");
  });

  it("is 400 for a token in the query string", async () => {
    const { bed } = await setUp();
    const pair = await bed.login();
    const answer = await bed.call("GET", `/auth/session?access_token=${pair.access_token}`);
    refused(answer, 400, "token_in_query");
  });
});

describe("GET /auth/session, where it cannot be known", () => {
  it("is 503 with the cookies kept, whether the access cookie is good or not", async () => {
    const store = await createSqliteStore(":memory:");
    const { bed, clock } = await setUp({ store });
    const jar = await signIn(bed);
    await store.close();
    for (const seconds of [0, 906]) {
      clock.advanceSeconds(seconds);
      const answer = await state(bed, jar.header());
      expect([answer.status, answer.body.error, answer.headers.getSetCookie()]).toEqual([503, "store_unavailable", []]);
      expect([answer.headers.get("vary"), answer.headers.has("retry-after")]).toEqual(["Origin, Cookie", true]);
    }
  });

  it("is 429 with the cookies kept, where the session has refreshed too often", async () => {
    const { bed, clock } = await setUp({ sessionRefreshesPerMinute: 1 });
    const jar = await signIn(bed);
    clock.advanceSeconds(906);
    expect((await state(bed, jar.header())).status).toBe(200);
    const answer = await state(bed, jar.header());
    expect([answer.status, answer.body.error, answer.headers.getSetCookie()]).toEqual([429, "too_many_requests", []]);
  });

  it("sets the renewed cookies on a 503 with rotationGraceSeconds: 0, since the old refresh cookie would be reuse", async () => {
    const store = await createSqliteStore(":memory:");
    const failing = { ...store, findUser: () => Promise.reject(new Error("away")) };
    const { bed, clock } = await setUp({ store: failing, rotationGraceSeconds: 0 });
    const jar = await signIn(bed);
    clock.advanceSeconds(906);
    const answer = await state(bed, jar.header());
    expect([answer.status, cookieNames(answer), deleted(answer)]).toEqual([500, EVERY_COOKIE, []]);
  });
});

describe("GET /auth/session, by where the request comes from", () => {
  const expired = async () => {
    const world = await setUp();
    const jar = await signIn(world.bed);
    world.clock.advanceSeconds(906);
    return { ...world, jar };
  };

  it.each([
    {},
    { "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "none" },
    { "sec-fetch-site": "same-origin", origin: "null" },
    { "sec-fetch-site": "same-site", origin: APP },
    { "sec-fetch-site": "cross-site", origin: APP },
    { "sec-fetch-site": "cross-site", origin: ISSUER },
    { "sec-fetch-site": "cross-site", origin: ISSUER.replace("127.0.0.1", "localhost") },
  ])("renews for %j", async (headers) => {
    const { bed, jar } = await expired();
    const answer = await state(bed, { ...jar.header(), ...(headers as Record<string, string>) });
    expect([answer.status, answer.body.session?.username, cookieNames(answer)]).toEqual([200, "ada", EVERY_COOKIE]);
  });

  it.each([
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "" },
    { "sec-fetch-site": "Same-Origin" },
    { "sec-fetch-site": "same-origin, cross-site" },
    { "sec-fetch-site": "cross-site", origin: "null" },
    { "sec-fetch-site": "same-site", origin: "https://evil.example.com" },
    { "sec-fetch-site": "cross-site", origin: `${APP}.evil.example` },
  ])("is null for %j: nothing is renewed or deleted, whatever the cookies are worth", async (headers) => {
    const { bed, jar } = await expired();
    const fresh = await signIn(bed);
    const over = await signIn(bed);
    await bed.issuer.logout(over.get("refresh"));
    const before = [bed.events.length, bed.store.statistics.sessionWrites];
    for (const cookies of [jar, fresh, over, new CookieJar().set("refresh", "x")]) {
      const answer = await state(bed, { ...cookies.header(), ...(headers as Record<string, string>) });
      expect([answer.status, answer.body]).toEqual([200, { session: null, reason: null }]);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
    expect([bed.events.length, bed.store.statistics.sessionWrites]).toEqual(before);
  });

  it("says in every answer what it varies with, and that nothing may be stored; an allowed page may read it", async () => {
    for (const allowedOrigins of [[], [APP]]) {
      const { bed } = await setUp({}, { allowedOrigins });
      const jar = await signIn(bed);
      for (const headers of [{}, jar.header(), { origin: APP }, bearer("null"), { "sec-fetch-site": "cross-site" }]) {
        const answer = await state(bed, headers as Record<string, string>);
        expect(answer.headers.get("vary")).toBe("Origin, Cookie");
        expect(answer.headers.get("cache-control")).toBe("no-store");
      }
      const { headers } = await state(bed, { origin: APP });
      expect(headers.get("access-control-allow-origin")).toBe(allowedOrigins[0] ?? null);
    }
  });
});
