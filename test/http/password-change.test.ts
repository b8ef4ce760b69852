import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LatchkeyError } from "../../src/index.ts";
import { boundTo, createProofKey, proofBy } from "../support/dpop-proofs.ts";
import { refused, signedIn, withCsrf } from "../support/signed-in.ts";
import { createTestBed, PASSWORD, type TestBed } from "../support/test-bed.ts";

const NEW_PASSWORD = "a new and longer password";
const CHANGE = { current_password: PASSWORD, new_password: NEW_PASSWORD };

const change = (bed: TestBed, bearer: string, json: object = CHANGE) =>
  bed.call("POST", "/auth/password", { bearer, json });
const refresh = async (bed: TestBed, bearer: string) => (await bed.call("POST", "/auth/refresh", { bearer })).body;
const whoami = async (bed: TestBed, bearer: string) => (await bed.call("GET", "/auth/me", { bearer })).body;

describe("POST /auth/password", () => {
  it("answers with the pair of a new session, and every token of before is dead, copies of the caller's own included", async () => {
    const bed = await createTestBed();
    const [other, own] = [await bed.login(), await bed.login()];
    const { status, body, headers } = await change(bed, own.access_token);
    expect([status, Object.keys(body), headers.get("cache-control")]).toEqual([200, Object.keys(own), "no-store"]);
    for (const { access_token, refresh_token } of [other, own]) {
      expect((await whoami(bed, access_token)).error).toBe("session_revoked");
      expect((await refresh(bed, refresh_token)).error).toBe("session_revoked");
    }
    expect((await whoami(bed, body.access_token)).username).toBe("ada");
    expect((await refresh(bed, body.refresh_token)).session_id).toBe(body.session_id);
    const { sub } = await bed.issuer.verify(body.access_token);
    expect((await bed.issuer.sessions.list(sub)).map(({ id }) => id)).toEqual([body.session_id]);
    const login = (password: string) => bed.call("POST", "/auth/login", { json: { username: "ada", password } });
    expect([(await login(PASSWORD)).status, (await login(NEW_PASSWORD)).status]).toEqual([401, 200]);
  });

  it("says in events which sessions have ended and in which one the person continues", async () => {
    const bed = await createTestBed();
    const [other, own] = [await bed.login(), await bed.login()];
    bed.events.length = 0;
    const { body } = await change(bed, own.access_token);
    expect(bed.events.map((event) => [event.type, "sessionId" in event && event.sessionId])).toEqual([
      ["user.password_changed", body.session_id],
      ["session.revoked", other.session_id],
      ["session.revoked", own.session_id],
    ]);
  });

  it("keeps the client, device, scope, amr and own claims, begins a new life, and makes the access token fresh", async () => {
    const bed = await createTestBed({ sessionTtlSeconds: 86_400 });
    const user = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["editor"] });
    const details = { clientId: "mobile", device: "Ada's phone", scope: "read", amr: ["pwd", "otp"], claims: { a: 1 } };
    const before = await bed.issuer.issue({ subject: user.id, ...details }, { userAgent: "curl", ip: "192.0.2.9" });
    bed.clock.advanceSeconds(600);
    const { body } = await change(bed, before.accessToken);
    const now = bed.clock.now();
    expect(await bed.store.findSession(body.session_id)).toMatchObject({
      ...details,
      jkt: null,
      createdAt: now,
      authTime: now,
      expiresAt: now + 86_400_000,
      ip: "192.0.2.1",
      userAgent: "curl",
    });
    expect(await bed.issuer.verify(body.access_token)).toMatchObject({
      client_id: "mobile",
      scope: "read",
      amr: ["pwd", "otp"],
      a: 1,
      roles: ["editor"],
      fresh: true,
      auth_time: now / 1000,
    });
  });

  it("keeps a session bound to its key: the new pair needs the same proofs", async () => {
    const bed = await createTestBed();
    const key = await createProofKey();
    await bed.login();
    const proof = (path: string) => proofBy(key, bed.clock, { path });
    const json = { username: "ada", password: PASSWORD };
    const login = { json, headers: { dpop: await proof("/auth/login") } };
    const own = (await bed.call("POST", "/auth/login", login)).body;
    const headers = await boundTo(key, bed.clock, own.access_token, "POST", "/auth/password");
    const { status, body } = await bed.call("POST", "/auth/password", { json: CHANGE, headers });
    expect([status, body.token_type]).toEqual([200, "DPoP"]);
    expect((await bed.store.findSession(body.session_id))?.jkt).toBe(key.jkt);
    expect((await whoami(bed, body.access_token)).error).toBe("invalid_access_token");
    const bound = await boundTo(key, bed.clock, body.access_token, "GET", "/auth/me");
    expect((await bed.call("GET", "/auth/me", { headers: bound })).body.username).toBe("ada");
    expect((await refresh(bed, body.refresh_token)).error).toBe("invalid_dpop_proof");
    const again = { json: { refresh_token: body.refresh_token }, headers: { dpop: await proof("/auth/refresh") } };
    expect((await bed.call("POST", "/auth/refresh", again)).status).toBe(200);
  });

  it("binds the new access token to the key of the old one where the session itself is bound to none", async () => {
    const bed = await createTestBed();
    const key = await createProofKey();
    const pair = await bed.login();
    const dpop = await proofBy(key, bed.clock, { path: "/auth/refresh" });
    const json = { refresh_token: pair.refresh_token };
    const own = (await bed.call("POST", "/auth/refresh", { json, headers: { dpop } })).body;
    const headers = await boundTo(key, bed.clock, own.access_token, "POST", "/auth/password");
    const { body } = await bed.call("POST", "/auth/password", { json: CHANGE, headers });
    expect([body.token_type, (await bed.store.findSession(body.session_id))?.jkt]).toEqual(["DPoP", null]);
    expect((await refresh(bed, body.refresh_token)).token_type).toBe("Bearer");
  });

  it("answers with cookies where cookies authenticate, and with no token in the body, also where that is asked for", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const before = jar.copy();
    const ask = (json: object) => bed.call("POST", "/auth/password", { ...withCsrf(jar), json });
    const inBody = await ask({ ...CHANGE, transport: "body" });
    expect([inBody.status, inBody.body.error, inBody.headers.getSetCookie()]).toEqual([400, "invalid_request", []]);
    const answer = await ask(CHANGE);
    expect([answer.status, Object.keys(answer.body)]).toEqual([
      200,
      ["expires_in", "refresh_expires_in", "session_id", "csrf_token"],
    ]);
    expect(answer.text).not.toMatch(/lkr_|eyJ/);
    expect(answer.headers.getSetCookie().map((line) => line.split("=")[0])).toEqual([
      "latchkey-access",
      "latchkey-refresh",
      "latchkey-csrf",
      "latchkey-device",
    ]);
    jar.take(answer.headers);
    expect((await bed.call("POST", "/auth/refresh", withCsrf(jar))).status).toBe(200);
    expect((await bed.call("GET", "/auth/me", withCsrf(before))).body.error).toBe("session_revoked");
    expect((await bed.call("POST", "/auth/refresh", withCsrf(before))).body.error).toBe("session_revoked");
  });

  it("answers with one set of cookies where the access cookie had just expired, those of the new session", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    bed.clock.advanceSeconds(906);
    const answer = await bed.call("POST", "/auth/password", { ...withCsrf(jar), json: CHANGE });
    expect([answer.status, answer.headers.getSetCookie().length]).toEqual([200, 4]);
    const { sid } = await bed.issuer.verify(jar.take(answer.headers).get("access"));
    expect(sid).toBe(answer.body.session_id);
  });

  it("answers a bearer token with cookies where they are asked for, and refuses that from another site", async () => {
    const bed = await createTestBed();
    const { access_token: bearer } = await bed.login();
    const json = { ...CHANGE, transport: "cookie" };
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    const foreign = await bed.call("POST", "/auth/password", { bearer, json, headers });
    refused(foreign, 403, "cross_site_request");
    const { status, body, headers: answered } = await bed.call("POST", "/auth/password", { bearer, json });
    expect([status, "refresh_token" in body, answered.getSetCookie().length]).toEqual([200, false, 4]);
  });

  it("says wrong_password with 403 and no challenge for a wrong current password, ends nothing, and reports the failure", async () => {
    const bed = await createTestBed();
    const own = await bed.login();
    bed.events.length = 0;
    for (const [path, json] of [
      ["/auth/password", { ...CHANGE, current_password: "wrong password here" }],
      ["/auth/reauthenticate", { password: "wrong password here" }],
    ] as const) {
      const answer = await bed.call("POST", path, { bearer: own.access_token, json });
      refused(answer, 403, "wrong_password");
      expect(answer.headers.get("www-authenticate")).toBeNull();
    }
    expect(bed.events).toMatchObject(Array(2).fill({ type: "login.failed", reason: "wrong_password" }));
    expect((await change(bed, own.access_token, { ...CHANGE, new_password: "short" })).body.error).toBe(
      "password_rejected",
    );
    expect((await whoami(bed, own.access_token)).username).toBe("ada");
    expect((await refresh(bed, own.refresh_token)).session_id).toBe(own.session_id);
  });

  it("of ten at once lets one through, and the others find their session revoked", async () => {
    const bed = await createTestBed();
    const { access_token: bearer } = await bed.login();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, nth) =>
        change(bed, bearer, { ...CHANGE, new_password: `${NEW_PASSWORD} ${nth}` }),
      ),
    );
    const codes = answers.map(({ status, body }) => (status === 200 ? "changed" : body.error));
    expect(codes.toSorted()).toEqual(["changed", ...Array(9).fill("session_revoked")]);
  });

  it("is refused in a session that has ended while the password was verified, and the password stays", async () => {
    const bed = await createTestBed();
    const own = await bed.login();
    const changing = change(bed, own.access_token);
    await bed.call("POST", "/auth/logout", { bearer: own.refresh_token });
    expect((await changing).body.error).toBe("session_revoked");
    const json = { username: "ada", password: PASSWORD };
    expect((await bed.call("POST", "/auth/login", { json })).status).toBe(200);
  });
});

describe("a refresh token of before the change", () => {
  it("is session_revoked and never reuse, whichever generation it is and however long ago it was replaced", async () => {
    const bed = await createTestBed();
    const pairs = [await bed.login()];
    for (let nth = 0; nth < 4; nth++) {
      bed.clock.advanceSeconds(60);
      pairs.push(await refresh(bed, pairs.at(-1)!.refresh_token));
    }
    await change(bed, pairs.at(-1)!.access_token);
    for (const { refresh_token } of pairs) {
      expect((await refresh(bed, refresh_token)).error).toBe("session_revoked");
    }
    expect(bed.events.filter(({ type }) => type === "refresh_token.reused")).toEqual([]);
  });

  it("that is under way at any moment of the change leads to no live session and to no reuse", async () => {
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(30), fc.array(fc.nat(15), { maxLength: 6 })), { minLength: 1, maxLength: 4 }),
        fc.nat(60),
        async (devices, secondsBefore) => {
          const bed = await createTestBed();
          const { id: subject } = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
          const own = await bed.issuer.issue({ subject });
          const others = await Promise.all(devices.slice(1).map(() => bed.issuer.issue({ subject })));
          bed.clock.advanceSeconds(secondsBefore);
          const changing = change(bed, own.accessToken);
          // The first device is the one that changes the password, and refreshes beside it, as another tab does.
          const held = await Promise.all(
            devices.map(async ([start, pauses], nth) => {
              let { refreshToken } = [own, ...others][nth]!;
              for (let turns = 0; turns < start; turns++) await turn();
              for (const pause of pauses) {
                try {
                  ({ refreshToken } = await bed.issuer.refresh(refreshToken));
                } catch (error) {
                  expect((error as LatchkeyError).code).toBe("session_revoked");
                  break;
                }
                for (let turns = 0; turns < pause; turns++) await turn();
              }
              return refreshToken;
            }),
          );
          const { status, body } = await changing;
          expect(status).toBe(200);
          for (const token of held) expect((await refresh(bed, token)).error).toBe("session_revoked");
          expect(bed.events.filter(({ type }) => type === "refresh_token.reused")).toEqual([]);
          expect((await refresh(bed, body.refresh_token)).session_id).toBe(body.session_id);
        },
      ),
      { numRuns: 12 },
    );
  });
});

describe("users.changePassword", () => {
  it("outside of any session opens a first-party one, and ends all others", async () => {
    const bed = await createTestBed();
    const before = await bed.login();
    const { sub: userId } = await bed.issuer.verify(before.access_token);
    const request = { userId, currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    const pair = await bed.issuer.users.changePassword(request);
    expect(await bed.issuer.verify(pair.accessToken)).toMatchObject({ client_id: "first-party", amr: ["pwd"] });
    expect((await bed.issuer.sessions.list(userId)).map(({ id }) => id)).toEqual([pair.sessionId]);
  });

  it("in a session of another person, in one that has ended or that is unknown, is refused and changes nothing", async () => {
    const bed = await createTestBed();
    const [ada, ben] = [await bed.login(), await bed.login("ben")];
    const ended = await bed.login();
    await bed.issuer.logout(ended.refresh_token);
    const { sub: userId } = await bed.issuer.verify(ada.access_token);
    for (const sessionId of [ben.session_id, ended.session_id, "AAAAAAAAAAAAAAAAAAAAAA"]) {
      const request = { userId, currentPassword: PASSWORD, newPassword: NEW_PASSWORD, sessionId };
      await expect(bed.issuer.users.changePassword(request)).rejects.toMatchObject({ code: "session_revoked" });
    }
    expect((await whoami(bed, ada.access_token)).username).toBe("ada");
  });

  it("in a session that has expired says so", async () => {
    const bed = await createTestBed();
    const own = await bed.login();
    const { sub: userId, sid: sessionId } = await bed.issuer.verify(own.access_token);
    bed.clock.advanceSeconds(14 * 86_400);
    const request = { userId, currentPassword: PASSWORD, newPassword: NEW_PASSWORD, sessionId };
    await expect(bed.issuer.users.changePassword(request)).rejects.toMatchObject({ code: "session_expired" });
  });
});
