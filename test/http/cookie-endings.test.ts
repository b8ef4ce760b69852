import { describe, expect, it } from "vitest";
import type { CookieJar } from "../support/cookie-jar.ts";
import { signedIn, withCsrf } from "../support/signed-in.ts";
import { type CallRequest, createTestBed, type Reply, type TestBed } from "../support/test-bed.ts";

describe("cookies at the end of a session", () => {
  it("are deleted by a logout though they name no session: forged, of another secret, ended, or no more than an access cookie", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const stranger = (await signedIn(await createTestBed({ secret: "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN" })))
      .jar;
    const ended = (await signedIn(bed)).jar;
    await bed.issuer.logout(ended.get("refresh"));
    for (const cookie of [
      "latchkey-refresh=x; latchkey-access=y; latchkey-csrf=z",
      "latchkey-access=y",
      `latchkey-access=${jar.get("refresh")}`,
      `latchkey-access=${ended.get("access")}`,
      stranger.header().cookie,
      "",
    ]) {
      const answer = await bed.call("POST", "/auth/logout", { headers: { cookie } });
      const deleted = answer.headers.getSetCookie().filter((line) => line.includes("Max-Age=0"));
      expect([cookie, answer.status, deleted.length]).toEqual([cookie, 204, 3]);
    }
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).status).toBe(200);
  });

  it("end the session by whichever of them names it, with its CSRF token alone", async () => {
    for (const broken of ["refresh", "access"]) {
      const bed = await createTestBed();
      const { jar } = await signedIn(bed);
      jar.set(broken, "x");
      const refused = await bed.call("POST", "/auth/logout", { headers: jar.header() });
      expect([refused.status, refused.body.error]).toEqual([403, "csrf_token_missing"]);
      expect((await bed.call("POST", "/auth/logout", withCsrf(jar))).status).toBe(204);
      expect(bed.events.at(-1)).toMatchObject({ type: "session.logged_out" });
    }
  });

  it("end the session by an access cookie alone that has expired, with its CSRF token, and once only", async () => {
    for (const revokeReplacedAccessTokens of [false, true]) {
      const bed = await createTestBed({ revokeReplacedAccessTokens });
      const { jar } = await signedIn(bed);
      const refreshToken = jar.get("refresh");
      const successor = await bed.call("POST", "/auth/refresh", { json: { refresh_token: refreshToken } });
      bed.clock.advanceSeconds(1000);
      const request = withCsrf(jar.drop("refresh"));
      const forged = await bed.call("POST", "/auth/logout", { headers: jar.header() });
      expect([forged.status, forged.body.error]).toEqual([403, "csrf_token_missing"]);
      for (let time = 0; time < 2; time++) {
        expect((await bed.call("POST", "/auth/logout", request)).status).toBe(204);
        expect(bed.events.filter(({ type }) => type === "session.logged_out")).toHaveLength(1);
      }
      const after = await bed.call("POST", "/auth/refresh", {
        json: { refresh_token: successor.body.refresh_token },
      });
      expect(after.body.error).toBe("session_revoked");
    }
  });

  it("another site can neither end the session nor have them deleted, not even by a request that carries none", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    // SameSite keeps the cookies from being sent with such a form, not from being deleted by what answers it.
    for (const cookies of [{}, jar.header(), { cookie: "latchkey-refresh=x" }]) {
      for (const from of [{ origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site" }]) {
        const { status, body, headers } = await bed.call("POST", "/auth/logout", {
          headers: { ...cookies, ...(from as Record<string, string>) },
        });
        expect([from, status, body?.error, headers.getSetCookie()]).toEqual([from, 403, "cross_site_request", []]);
      }
    }
  });

  it("are deleted where one ends one's own session by its id, and only there", async () => {
    for (const seconds of [0, 1000]) {
      const bed = await createTestBed();
      const { jar, answer } = await signedIn(bed);
      const other = await bed.login();
      bed.clock.advanceSeconds(seconds);
      const end = (id: string, request: CallRequest) => bed.call("DELETE", `/auth/sessions/${id}`, request);
      const theOther = await end(other.session_id, withCsrf(jar));
      expect([theOther.status, theOther.headers.getSetCookie().length]).toEqual([204, seconds === 0 ? 0 : 3]);
      jar.take(theOther.headers);
      expect(jar.get("refresh")).not.toBe("");
      if (seconds > 0) jar.drop("access");
      const own = await end(answer.body.session_id, withCsrf(jar));
      expect([own.status, own.headers.getSetCookie().length]).toEqual([204, 3]);
      expect(jar.take(own.headers).drop("device").header().cookie).toBe("");
    }
    const bed = await createTestBed();
    const { session_id: id, access_token: bearer } = await bed.login();
    const own = await bed.call("DELETE", `/auth/sessions/${id}`, { bearer });
    expect([own.status, own.headers.getSetCookie()]).toEqual([204, []]);
  });
});

describe("cookies that a refresh or a route refuses", () => {
  const names = ({ headers }: Reply) => headers.getSetCookie().map((line) => line.split("=")[0]);
  const all = ["latchkey-access", "latchkey-refresh", "latchkey-csrf"];

  /** Each state of the cookies, and what an answer deletes: by a refresh, and by a route that renews. */
  const cases: readonly (readonly [
    state: string,
    change: (bed: TestBed, jar: CookieJar) => unknown,
    code: string,
    byRefresh: readonly string[],
    byRoute: readonly string[],
  ])[] = [
    [
      "revoked",
      async ({ issuer, store }) => issuer.logoutAll((await store.findUserByUsername("ada"))!.id),
      "session_revoked",
      all,
      all,
    ],
    ["expired", ({ clock }) => clock.advanceSeconds(31 * 86_400), "session_expired", all, all],
    [
      "reused",
      async ({ issuer, clock }, jar) => {
        for (let token = jar.get("refresh"), time = 0; time < 2; time++) {
          token = (await issuer.refresh(token)).refreshToken;
          clock.advanceSeconds(11);
        }
      },
      "refresh_token_reused",
      all,
      all,
    ],
    ["no token", (_, jar) => jar.set("refresh", "junk"), "invalid_refresh_token", ["latchkey-refresh"], all],
    ["an access token", (_, jar) => jar.set("refresh", "eyJ.a.b"), "invalid_refresh_token", ["latchkey-refresh"], all],
    [
      "of another MAC",
      (_, jar) => jar.set("refresh", `${jar.get("refresh").slice(0, -4)}AAAA`),
      "invalid_refresh_token",
      [],
      ["latchkey-access"],
    ],
    [
      "of another secret",
      (_, jar) => jar.set("refresh", `lkr_AQAAAAAA${jar.get("refresh").slice(12)}`),
      "invalid_refresh_token",
      [],
      ["latchkey-access"],
    ],
  ];

  it.each(cases)(
    "are deleted where they are over, and kept where only this server does not know them: %s",
    async (_, change, code, byRefresh, byRoute) => {
      for (const [route, deleted] of [
        ["POST /auth/refresh", byRefresh],
        ["GET /auth/me", byRoute],
        ["GET /auth/verify", byRoute],
        ["GET /auth/sessions", byRoute],
      ] as const) {
        const bed = await createTestBed();
        const { jar } = await signedIn(bed);
        await change(bed, jar);
        const [method, path] = route.split(" ") as [string, string];
        const answer = await bed.call(method, path, withCsrf(jar.set("access", "junk")));
        expect([route, answer.status, answer.body.error]).toEqual([route, 401, code]);
        expect([route, names(answer)]).toEqual([route, deleted]);
        expect(answer.headers.getSetCookie().every((line) => line.includes("=; Max-Age=0;"))).toBe(true);
        expect(answer.headers.get("cache-control")).toBe("no-store");
      }
    },
  );

  it("are served by their good access cookie where the refresh cookie is unknown, and kept at 429", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    bed.clock.advanceSeconds(890);
    const unknown = jar.copy().set("refresh", `${jar.get("refresh").slice(0, -4)}AAAA`);
    const junk = jar.copy().set("refresh", "junk");
    const me = async (cookies: CookieJar) => {
      const answer = await bed.call("GET", "/auth/me", { headers: cookies.header() });
      return [answer.status, names(answer)];
    };
    expect(await me(unknown)).toEqual([200, []]);
    expect(await me(junk)).toEqual([200, ["latchkey-refresh"]]);
    unknown.drop("access");
    const statuses = new Set<number>();
    for (let time = 0; time < 120; time++) {
      const [status, deleted] = await me(unknown);
      statuses.add(status as number);
      expect(deleted).toEqual([]);
    }
    expect([...statuses]).toEqual([401, 429]);
  });

  it("are replaced by the new ones on error answers too under strict rotation, and not otherwise", async () => {
    for (const rotationGraceSeconds of [0, 10]) {
      for (const route of ["DELETE /auth/sessions/nothing", "POST /auth/reauthenticate"]) {
        const [method, path] = route.split(" ") as [string, string];
        const bed = await createTestBed({ rotationGraceSeconds });
        const { jar } = await signedIn(bed);
        const answer = await bed.call(method, path, withCsrf(jar.drop("access")));
        const isStrict = rotationGraceSeconds === 0;
        expect([route, answer.status >= 400, names(answer)]).toEqual([route, true, isStrict ? all : []]);
        jar.take(answer.headers);
        expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).status).toBe(200);
      }
    }
  });
});
