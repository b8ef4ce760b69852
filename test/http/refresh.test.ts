import { describe, expect, it } from "vitest";
import { createTestBed, type Pair, type TestBed } from "../support/test-bed.ts";

const refresh = (bed: TestBed, pair: Pick<Pair, "refresh_token">) =>
  bed.call("POST", "/auth/refresh", { json: { refresh_token: pair.refresh_token } });

describe("POST /auth/refresh", () => {
  it("PARITY 4: gives a new access token and a new refresh token, by JSON body, bearer token, or form on /token", async () => {
    const bed = await createTestBed();
    let pair = await bed.login();
    const ways = [
      (token: string) => bed.call("POST", "/auth/refresh", { json: { refresh_token: token } }),
      (token: string) => bed.call("POST", "/auth/refresh", { bearer: token }),
      (token: string) => bed.call("POST", "/token", { form: { grant_type: "refresh_token", refresh_token: token } }),
    ];
    for (const way of ways) {
      const { status, body } = await way(pair.refresh_token);
      expect(status).toBe(200);
      expect(body).toEqual({
        access_token: expect.stringMatching(/^eyJ/),
        token_type: "Bearer",
        expires_in: 900,
        refresh_token: expect.stringMatching(/^lkr_[A-Za-z0-9_-]{76}$/),
        refresh_expires_in: 14 * 86_400,
        session_id: pair.session_id,
      });
      expect(body.access_token).not.toBe(pair.access_token);
      expect(body.refresh_token).not.toBe(pair.refresh_token);
      expect((await bed.call("GET", "/auth/me", { bearer: body.access_token })).status).toBe(200);
      pair = body;
    }
  });

  it("takes the whole pair back as it came", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    expect((await bed.call("POST", "/auth/refresh", { json: pair })).status).toBe(200);
  });

  it("PARITY 5: a replaced refresh token, after its successor was used, is refresh_token_reused and ends the session", async () => {
    const bed = await createTestBed();
    const first = await bed.login();
    const second = (await refresh(bed, first)).body;
    const third = (await refresh(bed, second)).body;

    const replay = await refresh(bed, first);
    expect([replay.status, replay.body.error]).toEqual([401, "refresh_token_reused"]);
    const after = await refresh(bed, third);
    expect([after.status, after.body.error]).toEqual([401, "session_revoked"]);
    const guarded = await bed.call("GET", "/auth/me", { bearer: third.access_token });
    expect([guarded.status, guarded.body.error]).toEqual([401, "session_revoked"]);
    expect(bed.events.filter(({ type }) => type === "refresh_token.reused")).toEqual([
      expect.objectContaining({ sessionId: first.session_id, generation: 1, confirmed: 2 }),
    ]);
  });

  it("PARITY 5: with rotationGraceSeconds: 0 any replay is reuse at once", async () => {
    const bed = await createTestBed({ rotationGraceSeconds: 0 });
    const first = await bed.login();
    const second = (await refresh(bed, first)).body;
    expect((await refresh(bed, first)).body.error).toBe("refresh_token_reused");
    expect((await refresh(bed, second)).body.error).toBe("session_revoked");
  });

  it("PARITY 6: two, six, a hundred parallel refreshes with one token: all 200, all the same successor, one row write", async () => {
    const bed = await createTestBed();
    for (const parallel of [2, 6, 100]) {
      const pair = await bed.login();
      const before = bed.store.statistics.sessionWrites;
      const replies = await Promise.all(Array.from({ length: parallel }, () => refresh(bed, pair)));
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
      expect(new Set(replies.map(({ body }) => body.refresh_token)).size).toBe(1);
      expect(bed.store.statistics.sessionWrites - before).toBe(1);
    }
  });

  it("PARITY 7: a refresh whose response was lost, retried a second, an hour or three days later, is 200, again and again", async () => {
    const bed = await createTestBed();
    let pair = await bed.login();
    for (const delaySeconds of [1, 3600, 3 * 86_400]) {
      await refresh(bed, pair);
      bed.clock.advanceSeconds(delaySeconds);
      const retried = await refresh(bed, pair);
      expect(retried.status).toBe(200);
      const next = await refresh(bed, retried.body);
      expect(next.status).toBe(200);
      pair = next.body;
    }
    expect(bed.events.filter(({ type }) => type === "refresh_token.reused")).toEqual([]);
  });

  it("PARITY 8: a copied token is detected at the latest when each holder has refreshed twice, more than a grace window apart", async () => {
    for (const first of ["owner", "thief"] as const) {
      const bed = await createTestBed();
      const common = await bed.login();
      const held: Record<string, Pair> = { owner: common, thief: common };
      const order = first === "owner" ? ["owner", "thief"] : ["thief", "owner"];
      const answers: string[] = [];
      for (const holder of [...order, ...order]) {
        bed.clock.advanceSeconds(11);
        const { status, body } = await refresh(bed, held[holder]!);
        answers.push(status === 200 ? "200" : body.error);
        if (status === 200) held[holder] = body;
      }
      expect(answers).toEqual(["200", "200", "200", "refresh_token_reused"]);
      for (const holder of order) expect((await refresh(bed, held[holder]!)).body.error).toBe("session_revoked");
    }
  });

  it("PARITY 9: refresh re-reads the user: a disabled user gets 401, a changed role shows in the next access token", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    await bed.issuer.users.setRoles("ada", ["editor"]);
    const next = (await refresh(bed, pair)).body;
    expect((await bed.issuer.verify(next.access_token)).roles).toEqual(["editor"]);

    await bed.issuer.users.disable("ada");
    const refused = await refresh(bed, next);
    expect([refused.status, refused.body.error]).toEqual([401, "session_revoked"]);
    const guarded = await bed.call("GET", "/auth/me", { bearer: next.access_token });
    expect(guarded.status).toBe(401);
  });

  it("PARITY 10: refresh never moves the session's absolute end; the idle end is enforced", async () => {
    const bed = await createTestBed({ sessionTtlSeconds: 1000, idleTtlSeconds: 400 });
    let pair = await bed.login();
    for (const left of [700, 400, 100]) {
      bed.clock.advanceSeconds(300);
      const { body } = await refresh(bed, pair);
      expect(body.refresh_expires_in).toBe(Math.min(400, left));
      expect(body.expires_in).toBe(Math.min(900, left));
      pair = body;
    }
    bed.clock.advanceSeconds(100);
    expect((await refresh(bed, pair)).body.error).toBe("session_expired");

    const idle = await bed.login();
    bed.clock.advanceSeconds(400);
    const refused = await refresh(bed, idle);
    expect([refused.status, refused.body.error]).toEqual([401, "session_expired"]);
  });

  it("PARITY 13: refresh also ends the access token that it replaces, by option", async () => {
    const bed = await createTestBed({ revokeReplacedAccessTokens: true });
    const first = await bed.login();
    const second = (await refresh(bed, first)).body;
    const refused = await bed.call("GET", "/auth/me", { bearer: first.access_token });
    expect([refused.status, refused.body.error]).toEqual([401, "access_token_expired"]);
    expect((await bed.call("GET", "/auth/me", { bearer: second.access_token })).status).toBe(200);
  });

  it("PARITY 15: an access token on refresh is wrong_token_type, in every location", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const byBody = await bed.call("POST", "/auth/refresh", { json: { refresh_token: token } });
    const byHeader = await bed.call("POST", "/auth/refresh", { bearer: token });
    for (const { status, body } of [byBody, byHeader]) expect([status, body.error]).toEqual([401, "wrong_token_type"]);
    const byForm = await bed.call("POST", "/token", { form: { grant_type: "refresh_token", refresh_token: token } });
    expect([byForm.status, byForm.body.error]).toEqual([400, "invalid_grant"]);
    expect(byForm.body.error_description).toMatch(/^wrong_token_type: /);
    const byQuery = await bed.call("POST", `/auth/refresh?refresh_token=${token}`);
    expect([byQuery.status, byQuery.body.error]).toEqual([400, "token_in_query"]);
  });

  it("answers a token from a database that forgot acknowledged rotations, and says so in an event", async () => {
    const bed = await createTestBed();
    const first = await bed.login();
    const session = (await bed.store.findSession(first.session_id))!;
    const second = (await refresh(bed, first)).body;
    const third = (await refresh(bed, second)).body;
    await bed.store.changeSessions([session.id], () => ({ rotation: session.rotation }));
    const { status, body } = await refresh(bed, third);
    expect(status).toBe(200);
    expect((await refresh(bed, body)).status).toBe(200);
    expect(bed.events.filter(({ type }) => type === "session.rolled_back")).toEqual([
      expect.objectContaining({ generation: 3, known: 1 }),
    ]);
  });

  it("counts refreshes per session and refuses past the limit with Retry-After, and the token stays good", async () => {
    const bed = await createTestBed({ sessionRefreshesPerMinute: 3 });
    let pair = await bed.login();
    for (let count = 0; count < 3; count++) pair = (await refresh(bed, pair)).body;
    const refused = await refresh(bed, pair);
    expect([refused.status, refused.body.error]).toEqual([429, "too_many_requests"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    bed.clock.advanceSeconds(61);
    expect((await refresh(bed, pair)).status).toBe(200);
  });

  it("throttles an address for invalid tokens only: good tokens from there are still taken", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const forged = `${pair.refresh_token.slice(0, -4)}AAAA`;
    const statuses = [];
    for (let count = 0; count < 62; count++) statuses.push((await refresh(bed, { refresh_token: forged })).status);
    expect(new Set(statuses.slice(0, 60))).toEqual(new Set([401]));
    expect(statuses.slice(60)).toEqual([429, 429]);
    expect((await refresh(bed, pair)).status).toBe(200);
  });
});
