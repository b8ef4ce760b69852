import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import { refused, signedIn, withCsrf } from "../support/signed-in.ts";
import { createTestBed, ISSUER, PASSWORD } from "../support/test-bed.ts";

const HTTPS_ISSUER = "https://auth.example.com";

describe("signing in with cookies", () => {
  it("SECURITY 81: sets __Host- and Secure cookies for an https issuer, without Domain, and a body without tokens", async () => {
    const bed = await createTestBed({ issuer: HTTPS_ISSUER });
    const { answer } = await signedIn(bed);
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

  it("sets cookies without __Host- and Secure for a plain http loopback issuer", async () => {
    const { answer } = await signedIn(await createTestBed());
    expect(answer.headers.getSetCookie()[0]).toMatch(
      /^latchkey-access=[^;]+; Max-Age=900; Path=\/; HttpOnly; SameSite=Lax$/,
    );
  });

  it("sets cookies with the name and the SameSite of the options", async () => {
    const bed = await createTestBed({ issuer: HTTPS_ISSUER, cookies: { name: "staff", sameSite: "strict" } });
    const { answer } = await signedIn(bed);
    expect(answer.headers.getSetCookie()[0]).toMatch(/^__Host-staff-access=.*SameSite=Strict$/);
  });

  it("PARITY 29: setting and clearing are symmetrical: what is set is cleared, with the same path and attributes", async () => {
    const bed = await createTestBed({ issuer: HTTPS_ISSUER });
    const { jar, answer } = await signedIn(bed);
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
  });

  it("sets cookies with SameSite=None for an https issuer whose options say so", async () => {
    const bed = await createTestBed({ issuer: HTTPS_ISSUER, cookies: { sameSite: "none" } });
    expect((await signedIn(bed)).answer.headers.getSetCookie()[0]).toContain("Secure; SameSite=None");
  });

  it("registers with cookies, and the cookies are good at once", async () => {
    const bed = await createTestBed({ registration: "open" });
    const json = { username: "grace", password: PASSWORD, transport: "cookie" };
    const registered = await bed.call("POST", "/auth/register", { json });
    expect([registered.status, registered.body.username]).toEqual([201, "grace"]);
    expect(registered.text).not.toContain("lkr_");
    const jar = new CookieJar().take(registered.headers);
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).body.username).toBe("grace");
  });

  it("reauthenticates with cookies, and sets those of the session again", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const json = { password: PASSWORD, transport: "cookie" };
    const again = await bed.call("POST", "/auth/reauthenticate", { ...withCsrf(jar), json });
    expect([again.status, again.headers.getSetCookie().length]).toEqual([200, 3]);
  });

  it("SECURITY 82: a reauthentication by cookies sets cookies and has no token in its body", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const answer = await bed.call("POST", "/auth/reauthenticate", { ...withCsrf(jar), json: { password: PASSWORD } });
    jar.take(answer.headers);
    expect([answer.status, answer.headers.getSetCookie().length, Object.keys(answer.body)]).toEqual([
      200,
      3,
      ["expires_in", "refresh_expires_in", "session_id", "csrf_token"],
    ]);
    for (const kind of ["access", "refresh"]) expect(answer.text, kind).not.toContain(jar.get(kind));
  });

  it("SECURITY 82: a reauthentication by cookies that asks for the tokens in the body is refused, and shows none", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const events = bed.events.length;
    const json = { password: PASSWORD, transport: "body" };
    const answer = await bed.call("POST", "/auth/reauthenticate", { ...withCsrf(jar), json });
    refused(answer, 400, "invalid_request");
    expect(bed.events).toHaveLength(events);
    for (const kind of ["access", "refresh"]) expect(answer.text, kind).not.toContain(jar.get(kind));
  });

  describe.each([{ revokeReplacedAccessTokens: false }, { revokeReplacedAccessTokens: true }])(
    "a reauthentication whose access cookie has just expired, with %j",
    (options) => {
      async function expired() {
        const bed = await createTestBed(options);
        const { jar } = await signedIn(bed);
        bed.clock.advanceSeconds(906);
        const ask = (password: string) =>
          bed.call("POST", "/auth/reauthenticate", { ...withCsrf(jar), json: { password, transport: "cookie" } });
        return { bed, jar, ask };
      }

      it("sets no cookie where the password is wrong", async () => {
        const answer = await (await expired()).ask("wrong");
        refused(answer, 403, "wrong_password");
        expect(answer.headers.getSetCookie()).toEqual([]);
      });

      it("sets one set of cookies", async () => {
        const answer = await (await expired()).ask(PASSWORD);
        expect([answer.status, answer.headers.getSetCookie().map((line) => line.split("=")[0])]).toEqual([
          200,
          ["latchkey-access", "latchkey-refresh", "latchkey-csrf"],
        ]);
      });

      it("sets an access cookie that is fresh, after a wrong password too", async () => {
        const { bed, jar, ask } = await expired();
        await ask("wrong");
        jar.take((await ask(PASSWORD)).headers);
        const now = Math.floor(bed.clock.now() / 1000);
        expect(await bed.issuer.verify(jar.get("access"))).toMatchObject({ fresh: true, auth_time: now });
        const fresh = createGuard(bed.issuer, { freshForSeconds: 60 });
        const admitted = await fresh.admit(new Request(`${ISSUER}/orders`, { headers: jar.header() }));
        expect([admitted.auth.fresh, admitted.setCookies]).toEqual([true, []]);
      });

      it("sets the newest refresh cookie, from which the session continues", async () => {
        const { bed, jar, ask } = await expired();
        jar.take((await ask(PASSWORD)).headers);
        bed.clock.advanceSeconds(3600);
        expect((await bed.call("POST", "/auth/refresh", withCsrf(jar))).status).toBe(200);
      });
    },
  );

  const signInFrom = async (headers: Readonly<Record<string, string>>) => {
    const bed = await createTestBed({}, { allowedOrigins: ["https://app.example.com"] });
    await bed.login();
    const json = { username: "ada", password: PASSWORD, transport: "cookie" };
    return bed.call("POST", "/auth/login", { json, headers });
  };

  it.each<Readonly<Record<string, string>>>([
    { origin: "https://evil.example" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ])("SECURITY 87: a sign-in with cookies is refused from another site: %j", async (headers) => {
    refused(await signInFrom(headers), 403, "cross_site_request");
  });

  it.each<Readonly<Record<string, string>>>([
    { origin: ISSUER },
    { origin: ISSUER.replace("127.0.0.1", "localhost") },
    { origin: "https://app.example.com", "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "same-origin" },
  ])("a sign-in with cookies is accepted from the issuer's own or an allowed origin: %j", async (headers) => {
    expect((await signInFrom(headers)).status).toBe(200);
  });

  it("PARITY 33, SECURITY 93: an access cookie with the largest claims that the options allow is under 4,096 bytes", async () => {
    const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }]));
    const bed = await createTestBed({ subjects, signingAlg: "RS256" });
    const { accessToken } = await bed.issuer.issue({ subject: "somebody", claims: { text: "x".repeat(2000) } });
    const cookie = `__Host-latchkey-access=${accessToken}; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Strict`;
    expect(Buffer.byteLength(cookie)).toBeLessThan(4096);
  });

  it("PARITY 33, SECURITY 93: a sign-in whose cookies would pass 4,096 bytes is refused, and no session remains", async () => {
    const audience = Array.from({ length: 20 }, (_, index) => `https://service-${index}.example.com`);
    const bed = await createTestBed({ audience });
    const roles = Array.from({ length: 32 }, (_, index) => `${"r".repeat(60)}${index}`);
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles });
    const login = (transport: string) =>
      bed.call("POST", "/auth/login", { json: { username: "ada", password: PASSWORD, transport } });
    expect((await login("body")).status).toBe(200);
    const answer = await login("cookie");
    refused(answer, 422, "token_too_large");
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await bed.store.listLiveSessions(bed.clock.now(), 10)).toHaveLength(1);
  });
});
