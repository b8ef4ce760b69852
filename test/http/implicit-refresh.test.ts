import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../../src/index.ts";
import { refused, signedIn, withCsrf } from "../support/signed-in.ts";
import { createTestBed, ISSUER, reply } from "../support/test-bed.ts";

describe("implicit refresh", () => {
  it("PARITY 31: an expired access cookie and a good refresh cookie: served at once, claims kept, not fresh", async () => {
    const bed = await createTestBed();
    let { jar } = await signedIn(bed);
    const guarded = createGuard(bed.issuer).protect((request, { auth }) =>
      Response.json({ auth, cookie: request.headers.get("cookie") }),
    );
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      bed.clock.advanceSeconds(1000);
      const stale = jar.copy();
      const answer = await reply(await guarded(new Request(`${ISSUER}/orders`, { method, ...withCsrf(jar) })));
      expect([method, answer.status, answer.headers.getSetCookie().length]).toEqual([method, 200, 3]);
      expect(answer.body.auth.fresh).toBeUndefined();
      expect(answer.body.auth.amr).toEqual(["pwd"]);
      jar = jar.take(answer.headers);
      expect(jar.get("refresh")).not.toBe(stale.get("refresh"));
      // What the handler sees, for rendering on the server, are the new cookies already.
      expect(answer.body.cookie).toBe(jar.header().cookie);
    }
    bed.clock.advanceSeconds(1000);
    const me = await bed.call("GET", "/auth/me", { headers: jar.drop("access").header() });
    expect([me.status, me.headers.getSetCookie().length]).toEqual([200, 3]);
  });

  /** A bed with a browser whose access cookie has expired, and a route behind a guard. */
  async function withExpiredAccess(options: GuardOptions = {}, respond: () => Response = () => new Response()) {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    bed.clock.advanceSeconds(1000);
    const guarded = createGuard(bed.issuer, options).protect(respond);
    const call = async (init: RequestInit) => reply(await guarded(new Request(`${ISSUER}/orders`, init)));
    return { bed, jar, call };
  }

  it("PARITY 31: sets no cookies on an error response", async () => {
    const { jar, call } = await withExpiredAccess({}, () => Response.json({}, { status: 422 }));
    const answer = await call({ headers: jar.header() });
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([422, []]);
  });

  it("PARITY 31: is not done where a route opts out", async () => {
    const { jar, call } = await withExpiredAccess({ implicitRefresh: false });
    refused(await call({ headers: jar.header() }), 401, "access_token_expired");
  });

  it("PARITY 31: is not done for an unsafe request without the CSRF token", async () => {
    const { jar, call } = await withExpiredAccess();
    const answer = await call({ method: "POST", headers: jar.header() });
    refused(answer, 403, "csrf_token_missing");
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it("PARITY 31: is not done for a revoked session, whose cookies are deleted", async () => {
    const { bed, jar, call } = await withExpiredAccess();
    await bed.issuer.logoutAll((await bed.store.findUserByUsername("ada"))!.id);
    const answer = await call({ headers: jar.header() });
    refused(answer, 401, "session_revoked");
    expect(jar.copy().take(answer.headers).drop("device").header().cookie).toBe("");
  });

  it("PARITY 32: six parallel requests with expired access cookies: six 200, one rotation, one successor", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    bed.clock.advanceSeconds(1000);
    const before = bed.store.statistics.sessionWrites;
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => bed.call("GET", "/auth/me", { headers: jar.header() })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(bed.store.statistics.sessionWrites - before).toBe(1);
    expect(new Set(answers.map((answer) => jar.copy().take(answer.headers).get("refresh"))).size).toBe(1);
  });

  it.each([
    [895, "/auth/logout"],
    [895, "/auth/logout-all"],
    [1000, "/auth/logout"],
    [1000, "/auth/logout-all"],
  ])(
    "PARITY 12: a logout about when the access token expires leaves the cookies deleted: %i s, %s",
    async (seconds, path) => {
      const bed = await createTestBed();
      const { jar } = await signedIn(bed);
      const refreshToken = jar.get("refresh");
      bed.clock.advanceSeconds(seconds);
      const answer = await bed.call("POST", path, withCsrf(jar));
      expect(answer.status).toBe(204);
      expect(jar.take(answer.headers).header().cookie).toMatch(/^latchkey-device=[\w-]+$/);
      refused(await bed.call("POST", "/auth/refresh", { bearer: refreshToken }), 401, "session_revoked");
    },
  );

  describe("whose pair no longer fits into cookies", () => {
    async function outgrown() {
      const audience = Array.from({ length: 20 }, (_, index) => `https://service-${index}.example.com`);
      const bed = await createTestBed({ audience });
      const { jar } = await signedIn(bed);
      const { session_id: other } = await bed.login();
      const roles = Array.from({ length: 32 }, (_, index) => `${"r".repeat(60)}${index}`);
      await bed.issuer.users.setRoles("ada", roles);
      bed.clock.advanceSeconds(1000);
      return { bed, jar, other };
    }

    it("is refused before anything is done", async () => {
      const { bed, jar, other } = await outgrown();
      const end = await bed.call("DELETE", `/auth/sessions/${other}`, withCsrf(jar));
      expect([end.status, end.body?.error, end.headers.getSetCookie()]).toEqual([422, "token_too_large", []]);
      expect((await bed.store.findSession(other))?.revokedAt).toBe(null);
    });

    it("does not keep a person from logging out", async () => {
      const { bed, jar } = await outgrown();
      const out = await bed.call("POST", "/auth/logout-all", withCsrf(jar));
      expect([out.status, jar.take(out.headers).get("access"), jar.get("refresh")]).toEqual([204, "", ""]);
    });
  });

  it("renews an access cookie that is about to expire", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    bed.clock.advanceSeconds(880);
    const renewed = await bed.call("GET", "/auth/me", { headers: jar.header() });
    expect([renewed.status, renewed.headers.getSetCookie().length]).toEqual([200, 3]);
  });

  it("serves with an access cookie that is about to expire where the refresh is refused just now", async () => {
    const bed = await createTestBed({ sessionRefreshesPerMinute: 1 });
    const { jar } = await signedIn(bed);
    bed.clock.advanceSeconds(880);
    await bed.call("GET", "/auth/me", { headers: jar.header() });
    const throttled = await bed.call("GET", "/auth/me", { headers: jar.header() });
    expect([throttled.status, throttled.headers.getSetCookie()]).toEqual([200, []]);
  });
});
