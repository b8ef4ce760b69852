import { describe, expect, it } from "vitest";
import { refused } from "../support/signed-in.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";

describe("sessions", () => {
  it("PARITY 11: logout ends the session with all its tokens; again, or with an unknown token, it is still 204", async () => {
    const bed = await createTestBed();
    const byRefreshToken = await bed.login();
    const byAccessToken = await bed.login();
    const ways = [
      { pair: byRefreshToken, request: { json: { refresh_token: byRefreshToken.refresh_token } } },
      { pair: byAccessToken, request: { bearer: byAccessToken.access_token } },
    ];
    for (const { pair, request } of ways) {
      expect((await bed.call("POST", "/auth/logout", request)).status).toBe(204);
      expect((await bed.call("POST", "/auth/refresh", { bearer: pair.refresh_token })).body.error).toBe(
        "session_revoked",
      );
      expect((await bed.call("GET", "/auth/me", { bearer: pair.access_token })).body.error).toBe("session_revoked");
      expect((await bed.call("POST", "/auth/logout", request)).status).toBe(204);
    }
    for (const unknown of [
      {},
      { bearer: "nonsense" },
      { json: { refresh_token: `lkr_${"A".repeat(76)}` } },
      { json: {} },
    ]) {
      expect((await bed.call("POST", "/auth/logout", unknown)).status).toBe(204);
    }
    expect(bed.events.filter(({ type }) => type === "session.logged_out")).toHaveLength(2);
  });

  it("logs out with an access token that has expired", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    bed.clock.advanceSeconds(3600);
    expect((await bed.call("POST", "/auth/logout", { bearer: pair.access_token })).status).toBe(204);
    expect((await bed.call("POST", "/auth/refresh", { bearer: pair.refresh_token })).body.error).toBe(
      "session_revoked",
    );
  });

  it("knowing a session's id is not enough to end it: a forged refresh token changes nothing", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const forged = `${pair.refresh_token.slice(0, -4)}AAAA`;
    expect((await bed.call("POST", "/auth/logout", { json: { refresh_token: forged } })).status).toBe(204);
    expect((await bed.call("POST", "/auth/refresh", { bearer: forged })).body.error).toBe("invalid_refresh_token");
    expect((await bed.call("POST", "/auth/refresh", { bearer: pair.refresh_token })).status).toBe(200);
  });

  it("logout-all ends every session of the person and of nobody else", async () => {
    const bed = await createTestBed();
    const [first, second, other] = [await bed.login("ada"), await bed.login("ada"), await bed.login("grace")];
    expect((await bed.call("POST", "/auth/logout-all", { bearer: second.access_token })).status).toBe(204);
    for (const { access_token: bearer } of [first, second]) {
      expect((await bed.call("GET", "/auth/me", { bearer })).body.error).toBe("session_revoked");
    }
    expect((await bed.call("GET", "/auth/me", { bearer: other.access_token })).status).toBe(200);
  });

  it("PARITY 38: sessions are listed per device, one or all can be revoked, and another person's is 404", async () => {
    const bed = await createTestBed();
    await bed.login("grace");
    const grace = await bed.login("grace");
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    const json = { username: "ada", password: PASSWORD, device: "Ada's phone" };
    const phone = (
      await bed.call("POST", "/auth/login", { json, headers: { "user-agent": "Phone/1" }, ip: "198.51.100.7" })
    ).body;
    bed.clock.advanceSeconds(60);
    const laptop = await bed.login("ada");

    const { body } = await bed.call("GET", "/auth/sessions", { bearer: laptop.access_token });
    expect(body.sessions).toEqual([
      expect.objectContaining({ id: laptop.session_id, device: null, current: true }),
      {
        id: phone.session_id,
        device: "Ada's phone",
        user_agent: "Phone/1",
        ip: "198.51.100.7",
        created_at: "2026-11-21T12:00:00.000Z",
        last_used_at: "2026-11-21T12:00:00.000Z",
        expires_at: "2026-12-05T12:00:00.000Z",
        current: false,
      },
    ]);

    for (const id of [grace.session_id, "A".repeat(22), "..%2F..%2Fadmin", "x"]) {
      const { status, body } = await bed.call("DELETE", `/auth/sessions/${id}`, { bearer: laptop.access_token });
      expect([status, body.error]).toEqual([404, "not_found"]);
    }
    expect((await bed.call("GET", "/auth/me", { bearer: grace.access_token })).status).toBe(200);

    expect(
      (await bed.call("DELETE", `/auth/sessions/${phone.session_id}`, { bearer: laptop.access_token })).status,
    ).toBe(204);
    expect((await bed.call("GET", "/auth/me", { bearer: phone.access_token })).body.error).toBe("session_revoked");
    const left = await bed.call("GET", "/auth/sessions", { bearer: laptop.access_token });
    expect(left.body.sessions).toHaveLength(1);
  });

  it("PARITY 41: /auth/admin/metrics gives real figures to the role admin, 403 to others and 401 to nobody", async () => {
    const bed = await createTestBed();
    await bed.issuer.users.create({ username: "root", password: PASSWORD, roles: ["admin"] });
    const admin = await bed.login("root");
    const user = await bed.login("ada");
    await bed.call("POST", "/auth/refresh", { bearer: user.refresh_token });
    await bed.call("POST", "/auth/login", { json: { username: "ada", password: "wrong" } });

    expect((await bed.call("GET", "/auth/admin/metrics")).status).toBe(401);
    const forbidden = await bed.call("GET", "/auth/admin/metrics", { bearer: user.access_token });
    refused(forbidden, 403, "insufficient_role");
    expect(forbidden.headers.get("www-authenticate")).toContain('error="insufficient_scope"');

    const { status, body } = await bed.call("GET", "/auth/admin/metrics", { bearer: admin.access_token });
    expect(status).toBe(200);
    expect(body.store).toEqual({ users: 2, disabled_users: 0, live_sessions: 2, revoked_sessions: 0 });
    expect(body.since_start).toMatchObject({ logins_succeeded: 2, logins_failed: 1, refreshes: 1, reuse_detected: 0 });
  });

  it("PARITY 42: each way a token can end has its own error, on an injected clock", async () => {
    const bed = await createTestBed({ idleTtlSeconds: 2000, sessionTtlSeconds: 5000 });
    const refresh = (token: string) => bed.call("POST", "/auth/refresh", { bearer: token });

    const pair = await bed.login();
    bed.clock.advanceSeconds(904);
    expect((await bed.call("GET", "/auth/me", { bearer: pair.access_token })).status).toBe(200);
    bed.clock.advanceSeconds(1);
    expect((await bed.call("GET", "/auth/me", { bearer: pair.access_token })).body.error).toBe("access_token_expired");

    bed.clock.advanceSeconds(1095);
    expect((await refresh(pair.refresh_token)).body.error).toBe("session_expired");

    let absolute = await bed.login();
    for (let step = 0; step < 4; step++) {
      bed.clock.advanceSeconds(1249);
      absolute = (await refresh(absolute.refresh_token)).body;
    }
    bed.clock.advanceSeconds(4);
    expect((await refresh(absolute.refresh_token)).body.error).toBe("session_expired");

    const revoked = await bed.login();
    await bed.call("POST", "/auth/logout", { bearer: revoked.refresh_token });
    expect((await refresh(revoked.refresh_token)).body.error).toBe("session_revoked");
    expect((await bed.call("GET", "/auth/me", { bearer: revoked.access_token })).body.error).toBe("session_revoked");
  });

  it("replaying a logged-out token ends none of the person's other sessions", async () => {
    const bed = await createTestBed();
    const [gone, kept] = [await bed.login(), await bed.login()];
    await bed.call("POST", "/auth/logout", { bearer: gone.refresh_token });
    await bed.call("POST", "/auth/refresh", { bearer: gone.refresh_token });
    expect((await bed.call("POST", "/auth/refresh", { bearer: kept.refresh_token })).status).toBe(200);
  });
});
