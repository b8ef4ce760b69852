import { describe, expect, it } from "vitest";
import { createGuard, type Issuer } from "../../src/index.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import {
  type CallRequest,
  createTestBed,
  ISSUER,
  PASSWORD,
  type Reply,
  reply,
  type TestBed,
} from "../support/test-bed.ts";

const HTTPS_ISSUER = "https://auth.example.com";

async function signIn(bed: TestBed, username = "ada"): Promise<{ jar: CookieJar; answer: Reply }> {
  if ((await bed.store.findUserByUsername(username)) === null) {
    await bed.issuer.users.create({ username, password: PASSWORD, roles: [] });
  }
  const answer = await bed.call("POST", "/auth/login", { json: { username, password: PASSWORD, transport: "cookie" } });
  expect(answer.status).toBe(200);
  return { jar: new CookieJar().take(answer.headers), answer };
}

const withCsrf = (jar: CookieJar): CallRequest => ({ headers: { ...jar.header(), "x-csrf-token": jar.get("csrf") } });

describe("signing in with cookies", () => {
  it("SECURITY 81: sets __Host- and Secure cookies for an https issuer, without Domain, and a body without tokens", async () => {
    const bed = await createTestBed({ issuer: HTTPS_ISSUER });
    const { answer } = await signIn(bed);
    expect(answer.body).toEqual({
      expires_in: 900,
      refresh_expires_in: 1_209_600,
      session_id: expect.any(String),
      csrf_token: expect.any(String),
    });
    const shape = (name: string, maxAge: number, more: string) =>
      expect.stringMatching(
        new RegExp(`^__Host-latchkey-${name}=[\\w.-]+; Max-Age=${maxAge}; Path=/; ${more}SameSite=Lax$`),
      );
    expect(answer.headers.getSetCookie()).toEqual([
      shape("access", 900, "HttpOnly; Secure; "),
      shape("refresh", 1_209_600, "HttpOnly; Secure; "),
      shape("csrf", 1_209_600, "Secure; "),
      shape("device", 34_560_000, "HttpOnly; Secure; "),
    ]);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  it("loses __Host- and Secure on a plain http loopback issuer, and takes name and SameSite from the options", async () => {
    const plain = await signIn(await createTestBed());
    expect(plain.answer.headers.getSetCookie()[0]).toMatch(
      /^latchkey-access=[^;]+; Max-Age=900; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    const named = await signIn(
      await createTestBed({ issuer: HTTPS_ISSUER, cookies: { name: "staff", sameSite: "strict" } }),
    );
    expect(named.answer.headers.getSetCookie()[0]).toMatch(/^__Host-staff-access=.*SameSite=Strict$/);
  });

  it("PARITY 29: setting and clearing are symmetrical: what is set is cleared, with the same path and attributes", async () => {
    const bed = await createTestBed({ issuer: HTTPS_ISSUER });
    const { jar, answer } = await signIn(bed);
    const out = await bed.call("POST", "/auth/logout", withCsrf(jar));
    expect(out.status).toBe(204);
    const attributes = (lines: string[]) =>
      lines.map((line) => line.replace(/=[^;]*/, "").replace(/Max-Age=\d+/, "Max-Age"));
    const ofSession = answer.headers.getSetCookie().filter((line) => !line.includes("-device="));
    expect(attributes(out.headers.getSetCookie())).toEqual(attributes(ofSession));
    // What is left authenticates nobody: it recognises the browser when somebody signs in again.
    expect(jar.take(out.headers).header().cookie).toMatch(/^__Host-latchkey-device=[\w-]+$/);
  });

  it("PARITY 30: SameSite=None without Secure refuses to start", async () => {
    await expect(createTestBed({ cookies: { sameSite: "none" } })).rejects.toThrow(/'cookies'.*sameSite 'none'.*http/);
    const bed = await createTestBed({ issuer: HTTPS_ISSUER, cookies: { sameSite: "none" } });
    expect((await signIn(bed)).answer.headers.getSetCookie()[0]).toContain("Secure; SameSite=None");
  });

  it("registers and reauthenticates with cookies as well", async () => {
    const bed = await createTestBed({ registration: "open" });
    const json = { username: "grace", password: PASSWORD, transport: "cookie" };
    const registered = await bed.call("POST", "/auth/register", { json });
    expect([registered.status, registered.body.username]).toEqual([201, "grace"]);
    expect(registered.text).not.toContain("lkr_");
    const jar = new CookieJar().take(registered.headers);
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).body.username).toBe("grace");
    const again = await bed.call("POST", "/auth/reauthenticate", {
      ...withCsrf(jar),
      json: { password: PASSWORD, transport: "cookie" },
    });
    expect([again.status, again.headers.getSetCookie().length]).toEqual([200, 3]);
  });

  it("SECURITY 82: whoever reauthenticates with cookies gets cookies and no token in a body, also where that is asked for", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    const ask = (more: object) =>
      bed.call("POST", "/auth/reauthenticate", { ...withCsrf(jar), json: { password: PASSWORD, ...more } });
    const asIs = await ask({});
    jar.take(asIs.headers);
    expect([asIs.status, asIs.headers.getSetCookie().length, Object.keys(asIs.body)]).toEqual([
      200,
      3,
      ["expires_in", "refresh_expires_in", "session_id", "csrf_token"],
    ]);
    const events = bed.events.length;
    const inBody = await ask({ transport: "body" });
    expect([inBody.status, inBody.body.error, bed.events.length]).toEqual([400, "invalid_request", events]);
    for (const { text } of [asIs, inBody]) {
      for (const kind of ["access", "refresh"]) expect(text).not.toContain(jar.get(kind));
    }
  });

  it("reauthenticates with an access cookie that has just expired: one set of cookies, and the access cookie is the fresh one", async () => {
    for (const revokeReplacedAccessTokens of [false, true]) {
      const bed = await createTestBed({ revokeReplacedAccessTokens });
      const { jar } = await signIn(bed);
      bed.clock.advanceSeconds(906);
      const ask = (password: string) =>
        bed.call("POST", "/auth/reauthenticate", { ...withCsrf(jar), json: { password, transport: "cookie" } });
      const wrong = await ask("wrong");
      expect([wrong.status, wrong.body.error, wrong.headers.getSetCookie()]).toEqual([403, "wrong_password", []]);
      const answer = await ask(PASSWORD);
      expect([answer.status, answer.headers.getSetCookie().map((line) => line.split("=")[0])]).toEqual([
        200,
        ["latchkey-access", "latchkey-refresh", "latchkey-csrf"],
      ]);
      const now = Math.floor(bed.clock.now() / 1000);
      expect(await bed.issuer.verify(jar.take(answer.headers).get("access"))).toMatchObject({
        fresh: true,
        auth_time: now,
      });
      const fresh = createGuard(bed.issuer, { freshForSeconds: 60 });
      const admitted = await fresh.admit(new Request(`${ISSUER}/orders`, { headers: jar.header() }));
      expect([admitted.auth.fresh, admitted.setCookies]).toEqual([true, []]);
      // The refresh cookie is the newest, too: it goes on from there.
      bed.clock.advanceSeconds(3600);
      expect((await bed.call("POST", "/auth/refresh", withCsrf(jar))).status).toBe(200);
    }
  });

  it("SECURITY 87: refuses a sign-in with cookies that another site sends, before anything is looked up", async () => {
    const bed = await createTestBed({}, { allowedOrigins: ["https://app.example.com"] });
    await signIn(bed);
    const json = { username: "ada", password: PASSWORD, transport: "cookie" };
    const from = (headers: Record<string, string>) => bed.call("POST", "/auth/login", { json, headers });
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      expect((await from(headers as Record<string, string>)).body.error).toBe("cross_site_request");
    }
    for (const headers of [
      { origin: ISSUER },
      { origin: ISSUER.replace("127.0.0.1", "localhost") },
      { origin: "https://app.example.com", "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "same-origin" },
    ]) {
      expect((await from(headers as Record<string, string>)).status).toBe(200);
    }
  });

  it("PARITY 33, SECURITY 93: cookies stay under 4,096 bytes; a sign-in that would pass it is refused, with no session", async () => {
    const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }]));
    const bed = await createTestBed({ subjects, signingAlg: "RS256" });
    const pair = await bed.issuer.issue({ subject: "somebody", claims: { text: "x".repeat(2000) } });
    expect(
      Buffer.byteLength(
        `__Host-latchkey-access=${pair.accessToken}; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Strict`,
      ),
    ).toBeLessThan(4096);

    const audience = Array.from({ length: 20 }, (_, index) => `https://service-${index}.example.com`);
    const crowded = await createTestBed({ audience });
    const roles = Array.from({ length: 32 }, (_, index) => `${"r".repeat(60)}${index}`);
    await crowded.issuer.users.create({ username: "ada", password: PASSWORD, roles });
    const login = (transport: string) =>
      crowded.call("POST", "/auth/login", { json: { username: "ada", password: PASSWORD, transport } });
    expect((await login("body")).status).toBe(200);
    const refused = await login("cookie");
    expect([refused.status, refused.body.error]).toEqual([422, "token_too_large"]);
    expect(refused.headers.getSetCookie()).toEqual([]);
    const live = await crowded.store.listLiveSessions(crowded.clock.now(), 10);
    expect(live).toHaveLength(1);
  });
});

describe("requests that cookies authenticate", () => {
  it("PARITY 28: POST needs the session's CSRF token, 403 without it or with another session's; GET needs none", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    const other = await signIn(bed, "grace");
    const logoutAll = (headers: Record<string, string>) =>
      bed.call("POST", "/auth/logout-all", { headers: { ...jar.header(), ...headers } });
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).status).toBe(200);
    expect((await logoutAll({})).body.error).toBe("csrf_token_missing");
    for (const token of ["", "x", other.jar.get("csrf"), `${jar.get("csrf")}x`]) {
      const { status, body } = await logoutAll({ "x-csrf-token": token });
      expect([status, body.error]).toEqual([403, "csrf_token_invalid"]);
    }
    const csrf = { "x-csrf-token": jar.get("csrf") };
    for (const origin of [
      "null",
      "https://evil.example",
      `${ISSUER}.evil.example`,
      ISSUER.replace("http:", "https:"),
      ISSUER.toUpperCase(),
    ]) {
      expect((await logoutAll({ ...csrf, origin })).body.error).toBe("cross_site_request");
    }
    expect((await logoutAll({ ...csrf, origin: ISSUER, "sec-fetch-site": "same-origin" })).status).toBe(204);
  });

  it("PARITY 28: takes the CSRF token from a form field where the caller hands it in", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    const guard = createGuard(bed.issuer);
    const post = () => new Request(`${ISSUER}/orders`, { method: "POST", headers: jar.header() });
    await expect(guard.admit(post())).rejects.toMatchObject({ code: "csrf_token_missing" });
    await expect(guard.admit(post(), { csrfToken: jar.get("csrf") })).resolves.toMatchObject({
      auth: { sid: expect.any(String) },
    });
  });

  it("refreshes by cookie, with cookies, and only with the CSRF token", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    expect((await bed.call("POST", "/auth/refresh", { headers: jar.header() })).body.error).toBe("csrf_token_missing");
    const answer = await bed.call("POST", "/auth/refresh", withCsrf(jar));
    expect([answer.status, Object.keys(answer.body).sort()]).toEqual([
      200,
      ["csrf_token", "expires_in", "refresh_expires_in", "session_id"],
    ]);
    expect(answer.text).not.toContain("lkr_");
    const before = jar.get("refresh");
    expect(jar.take(answer.headers).get("refresh")).not.toBe(before);
    expect((await bed.call("POST", "/auth/refresh", withCsrf(jar))).status).toBe(200);
  });

  it("a bearer token wins over the cookies that the browser sends along, and needs no CSRF token", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    const grace = await bed.login("grace");
    const me = await bed.call("GET", "/auth/me", { bearer: grace.access_token, headers: jar.header() });
    expect(me.body.username).toBe("grace");
    expect(
      (await bed.call("POST", "/auth/logout-all", { bearer: grace.access_token, headers: jar.header() })).status,
    ).toBe(204);
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).body.username).toBe("ada");
  });

  it("the CSRF token outlives a change of the root secret with the previous one given", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    const { createIssuer } = await import("../../src/index.ts");
    const changed = await createIssuer({
      issuer: ISSUER,
      secret: "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN",
      previousSecret: bed.issuer.options.secret,
      store: bed.store,
      environment: bed.issuer.options.environment,
    });
    const sid = changed.sessionOf(jar.get("refresh"));
    expect(changed.isCsrfToken(sid, jar.get("csrf"))).toBe(true);
    expect(changed.csrfToken(sid)).not.toBe(jar.get("csrf"));
  });
});

describe("implicit refresh", () => {
  it("PARITY 31: an expired access cookie and a good refresh cookie: served at once, claims kept, not fresh", async () => {
    const bed = await createTestBed();
    let { jar } = await signIn(bed);
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

  it("PARITY 31: no renewal for a revoked session, on an error, where a route opts out, or without the CSRF token", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    bed.clock.advanceSeconds(1000);
    const call = async (guarded: (request: Request) => Promise<Response>, init: RequestInit) =>
      reply(await guarded(new Request(`${ISSUER}/orders`, init)));

    const failing = createGuard(bed.issuer).protect(() => Response.json({}, { status: 422 }));
    const failed = await call(failing, { headers: jar.header() });
    expect([failed.status, failed.headers.getSetCookie()]).toEqual([422, []]);

    const optedOut = createGuard(bed.issuer, { implicitRefresh: false }).protect(() => new Response());
    expect((await call(optedOut, { headers: jar.header() })).body.error).toBe("access_token_expired");

    const guarded = createGuard(bed.issuer).protect(() => new Response());
    const forged = await call(guarded, { method: "POST", headers: jar.header() });
    expect([forged.status, forged.body.error, forged.headers.getSetCookie()]).toEqual([403, "csrf_token_missing", []]);

    await bed.issuer.logoutAll((await bed.store.findUserByUsername("ada"))!.id);
    const revoked = await call(guarded, { headers: jar.header() });
    expect([revoked.status, revoked.body.error]).toEqual([401, "session_revoked"]);
    expect(jar.copy().take(revoked.headers).drop("device").header().cookie).toBe("");
  });

  it("PARITY 32: six parallel requests with expired access cookies: six 200, one rotation, one successor", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    bed.clock.advanceSeconds(1000);
    const before = bed.store.statistics.sessionWrites;
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => bed.call("GET", "/auth/me", { headers: jar.header() })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(bed.store.statistics.sessionWrites - before).toBe(1);
    expect(new Set(answers.map((answer) => jar.copy().take(answer.headers).get("refresh"))).size).toBe(1);
  });

  it("PARITY 12: logout near the access token's expiry, or after it, leaves the cookies deleted", async () => {
    for (const seconds of [895, 1000]) {
      for (const path of ["/auth/logout", "/auth/logout-all"]) {
        const bed = await createTestBed();
        const { jar } = await signIn(bed);
        const refreshToken = jar.get("refresh");
        bed.clock.advanceSeconds(seconds);
        const answer = await bed.call("POST", path, withCsrf(jar));
        expect(answer.status).toBe(204);
        expect(jar.take(answer.headers).header().cookie).toMatch(/^latchkey-device=[\w-]+$/);
        expect((await bed.call("POST", "/auth/refresh", { bearer: refreshToken })).body.error).toBe("session_revoked");
      }
    }
  });

  it("a pair that does not fit into cookies any more is refused before anything is done, and one can still log out", async () => {
    const bed = await createTestBed({
      audience: Array.from({ length: 20 }, (_, index) => `https://service-${index}.example.com`),
    });
    const { jar } = await signIn(bed);
    const { session_id: other } = await bed.login();
    const roles = Array.from({ length: 32 }, (_, index) => `${"r".repeat(60)}${index}`);
    await bed.issuer.users.setRoles("ada", roles);
    bed.clock.advanceSeconds(1000);
    const end = await bed.call("DELETE", `/auth/sessions/${other}`, withCsrf(jar));
    expect([end.status, end.body?.error, end.headers.getSetCookie()]).toEqual([422, "token_too_large", []]);
    expect((await bed.store.findSession(other))?.revokedAt).toBe(null);
    const out = await bed.call("POST", "/auth/logout-all", withCsrf(jar));
    expect([out.status, jar.take(out.headers).get("access"), jar.get("refresh")]).toEqual([204, "", ""]);
  });

  it("renews an access cookie that is about to expire, and serves with it when the refresh cannot be had just now", async () => {
    const bed = await createTestBed({ sessionRefreshesPerMinute: 1 });
    const { jar } = await signIn(bed);
    bed.clock.advanceSeconds(880);
    const renewed = await bed.call("GET", "/auth/me", { headers: jar.header() });
    expect([renewed.status, renewed.headers.getSetCookie().length]).toEqual([200, 3]);
    const throttled = await bed.call("GET", "/auth/me", { headers: jar.header() });
    expect([throttled.status, throttled.headers.getSetCookie()]).toEqual([200, []]);
  });
});

describe("several kinds of subject side by side", () => {
  it("PARITY 25: a token of one kind is refused by the other, and their cookies do not meet", async () => {
    const customers = await createTestBed({ issuer: `${ISSUER}/customers`, audience: "shop" });
    const staff = await createTestBed({ issuer: `${ISSUER}/staff`, audience: "office", cookies: { name: "staff" } });
    const customer = await signIn(customers);
    const employee = await signIn(staff);
    const admits = (issuer: Issuer, headers: Record<string, string>) =>
      createGuard(issuer)
        .admit(new Request(`${ISSUER}/orders`, { headers }))
        .then(
          () => "admitted",
          (error: { code: string }) => error.code,
        );
    const bearer = (jar: CookieJar) => ({ authorization: `Bearer ${jar.get("access")}` });
    expect(await admits(staff.issuer, bearer(customer.jar))).toBe("invalid_access_token");
    expect(await admits(customers.issuer, bearer(employee.jar))).toBe("invalid_access_token");
    expect(await admits(staff.issuer, customer.jar.header())).toBe("missing_token");
    const both = { cookie: `${customer.jar.header().cookie}; ${employee.jar.header().cookie}` };
    expect([await admits(staff.issuer, both), await admits(customers.issuer, both)]).toEqual(["admitted", "admitted"]);
  });
});
