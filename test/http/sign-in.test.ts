import { describe, expect, it } from "vitest";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";

describe("signing in", () => {
  it("PARITY 1: login gives access and refresh token, token_type, and expires_in of 900 by default", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    expect(pair).toEqual({
      access_token: expect.stringMatching(/^eyJ/),
      token_type: "Bearer",
      expires_in: 900,
      refresh_token: expect.stringMatching(/^lkr_/),
      refresh_expires_in: 1_209_600,
      session_id: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      device_token: expect.stringMatching(/^[A-Za-z0-9_-]{64}$/),
    });
    const me = await bed.call("GET", "/auth/me", { bearer: pair.access_token });
    expect(me.body).toEqual({ id: expect.any(String), username: "ada", roles: [] });
  });

  it("PARITY 2: wrong password, unknown user and disabled user get the same 401, byte for byte", async () => {
    const bed = await createTestBed();
    for (const username of ["ada", "grace"]) await bed.issuer.users.create({ username, password: PASSWORD, roles: [] });
    await bed.issuer.users.disable("grace");
    const headers = { "x-request-id": "the-same-for-all" };
    const attempt = (username: string, password: string) =>
      bed.call("POST", "/auth/login", { json: { username, password }, headers });
    const replies = [
      await attempt("ada", "not the right password"),
      await attempt("nobody", PASSWORD),
      await attempt("grace", PASSWORD),
      await attempt("not\u0000a name", PASSWORD),
    ];
    for (const { status, text, headers } of replies) {
      expect(status).toBe(401);
      expect(text).toBe(replies[0]!.text);
      expect([...headers]).toEqual([...replies[0]!.headers]);
      expect(headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
    }
    expect(
      bed.events.filter(({ type }) => type === "login.failed").map((event) => "reason" in event && event.reason),
    ).toEqual(["wrong_password", "unknown_user", "user_disabled", "unknown_user"]);
  });

  it("PARITY 3: POST /token takes the OAuth 2.0 password form where it is switched on, and grant_type=refresh_token always", async () => {
    for (const passwordGrant of [true, false]) {
      const bed = await createTestBed({}, { passwordGrant });
      const pair = await bed.login();
      const form = { grant_type: "password", username: "ada", password: PASSWORD, scope: "", client_id: "" };
      const password = await bed.call("POST", "/token", { form });
      if (passwordGrant) {
        expect(password.status).toBe(200);
        expect(password.headers.get("cache-control")).toBe("no-store");
        expect(password.body.token_type).toBe("Bearer");
      } else {
        expect([password.status, password.body.error]).toEqual([400, "unsupported_grant_type"]);
      }
      const refreshed = await bed.call("POST", "/token", {
        form: { grant_type: "refresh_token", refresh_token: pair.refresh_token },
      });
      expect(refreshed.status).toBe(200);
    }
  });

  it("registers where registration is open, and nowhere else", async () => {
    const json = { username: "Grace", password: PASSWORD };
    const closed = await createTestBed();
    const refused = await closed.call("POST", "/auth/register", { json });
    expect([refused.status, refused.body.error]).toEqual([403, "registration_closed"]);

    const open = await createTestBed({ registration: "open" });
    const created = await open.call("POST", "/auth/register", { json });
    expect([created.status, created.body]).toEqual([201, { id: expect.any(String), username: "Grace", roles: [] }]);
    const taken = await open.call("POST", "/auth/register", { json: { ...json, username: "grace" } });
    expect([taken.status, taken.body.error]).toEqual([409, "username_taken"]);
    expect((await open.call("POST", "/auth/login", { json: { ...json, username: "GRACE" } })).status).toBe(200);
  });

  it("refuses fields of a registration that would make the user more than registered", async () => {
    const bed = await createTestBed({ registration: "open" });
    for (const extra of [
      { roles: ["admin"] },
      { role: "admin" },
      { id: "x" },
      { userId: "x" },
      { emailVerified: true },
    ]) {
      const { status, body } = await bed.call("POST", "/auth/register", {
        json: { username: "eve", password: PASSWORD, ...extra },
      });
      expect([status, body.error]).toEqual([400, "invalid_request"]);
      expect(body.error_description).toContain(`'${Object.keys(extra)[0]}'`);
    }
    expect(await bed.store.findUserByUsername("eve")).toBeNull();
  });

  it("reauthenticates: the same session, a fresh auth_time, and the same refresh token, since it rotates nothing", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const before = await bed.issuer.verify(pair.access_token);
    bed.clock.advanceSeconds(600);
    const reauthenticate = (password: string) =>
      bed.call("POST", "/auth/reauthenticate", { bearer: pair.access_token, json: { password } });
    const wrong = await reauthenticate("wrong");
    expect([wrong.status, wrong.body.error]).toEqual([403, "wrong_password"]);
    const { status, body } = await reauthenticate(PASSWORD);
    expect([status, body.refresh_token]).toEqual([200, pair.refresh_token]);
    const after = await bed.issuer.verify(body.access_token);
    expect([after.sid, after.auth_time - before.auth_time]).toEqual([before.sid, 600]);
    const next = await bed.call("POST", "/auth/refresh", { json: { refresh_token: body.refresh_token } });
    expect((await bed.issuer.verify(next.body.access_token)).auth_time).toBe(after.auth_time);
  });

  it("refuses to reauthenticate with an access token of a replaced generation, and the newer pair stays good", async () => {
    const bed = await createTestBed();
    const old = await bed.login();
    const refresh = async (bearer: string) => (await bed.call("POST", "/auth/refresh", { bearer })).body;
    const newest = await refresh((await refresh(old.refresh_token)).refresh_token);
    const reauthenticate = (bearer: string) =>
      bed.call("POST", "/auth/reauthenticate", { bearer, json: { password: PASSWORD } });
    bed.clock.advanceSeconds(60);
    const { status, body } = await reauthenticate(old.access_token);
    expect([status, body.error]).toEqual([401, "access_token_replaced"]);
    expect((await bed.issuer.verify(old.access_token)).auth_time).toBe(
      (await bed.issuer.verify(newest.access_token)).auth_time,
    );
    expect((await reauthenticate(newest.access_token)).body.refresh_token).toBe(newest.refresh_token);
  });

  it("reauthenticating while another tab refreshes logs nobody out, whichever answer the client keeps", async () => {
    for (const kept of ["reauthenticated", "refreshed"] as const) {
      const bed = await createTestBed();
      const pair = await bed.login();
      const [reauthenticated, refreshed] = await Promise.all([
        bed.call("POST", "/auth/reauthenticate", { bearer: pair.access_token, json: { password: PASSWORD } }),
        bed.call("POST", "/auth/refresh", { bearer: pair.refresh_token }),
      ]);
      let { refresh_token: bearer } = { reauthenticated, refreshed }[kept].body;
      for (let round = 0; round < 3; round++) {
        bed.clock.advanceSeconds(900);
        const { status, body } = await bed.call("POST", "/auth/refresh", { bearer });
        expect(status).toBe(200);
        bearer = body.refresh_token;
      }
    }
  });

  it("lets exactly one person become the first administrator, through a link that expires and works once", async () => {
    const bed = await createTestBed();
    const token = (await bed.issuer.users.inviteFirstAdmin())!;
    const setUp = (setup_token: string, username: string) =>
      bed.call("POST", "/auth/setup", { json: { setup_token, username, password: PASSWORD } });
    expect((await setUp(`${token.slice(0, -2)}${token.endsWith("AA") ? "BA" : "AA"}`, "eve")).body.error).toBe(
      "setup_closed",
    );

    const racers = await Promise.all([setUp(token, "ada"), setUp(token, "grace")]);
    expect(racers.map(({ status }) => status).sort()).toEqual([201, 403]);
    expect((await setUp(token, "eve")).body.error).toBe("setup_closed");
    expect(await bed.issuer.users.inviteFirstAdmin()).toBeUndefined();

    const late = await createTestBed();
    const expired = (await late.issuer.users.inviteFirstAdmin())!;
    late.clock.advanceSeconds(3600);
    const refused = await late.call("POST", "/auth/setup", {
      json: { setup_token: expired, username: "ada", password: PASSWORD },
    });
    expect([refused.status, refused.body.error]).toEqual([403, "setup_closed"]);
  });

  it("holds a person to sessionsPerUser: the oldest session gives way", async () => {
    const bed = await createTestBed({ sessionsPerUser: 2 });
    const first = await bed.login();
    bed.clock.advanceSeconds(1);
    const second = await bed.login();
    bed.clock.advanceSeconds(1);
    const third = await bed.login();
    expect((await bed.call("GET", "/auth/me", { bearer: first.access_token })).body.error).toBe("session_revoked");
    for (const { access_token: bearer } of [second, third]) {
      expect((await bed.call("GET", "/auth/me", { bearer })).status).toBe(200);
    }
  });
});
