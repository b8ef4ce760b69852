import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer } from "../../src/index.ts";
import { loadRevocations } from "../../src/revocations/known-revocations.ts";
import type { Store } from "../../src/store/store.ts";
import { livesOf } from "../support/lives-of.ts";
import { newId } from "../support/records.ts";
import { createTestBed, createTestClock, ISSUER, PASSWORD, SECRET } from "../support/test-bed.ts";

/** The store, with its reads counted. */
function counted(store: Store): { readonly store: Store; readonly calls: string[] } {
  const calls: string[] = [];
  const proxy = new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        calls.push(String(name));
        return value.apply(target, args);
      };
    },
  });
  return { store: proxy, calls };
}

describe("revocation of access tokens", () => {
  it("is known from memory: verifying reads no database, before a revocation or after", async () => {
    const bed = await createTestBed();
    const watched = counted(bed.store);
    const issuer = await createIssuer({
      issuer: ISSUER,
      secret: SECRET,
      store: watched.store,
      environment: { ...systemEnvironment, clock: bed.clock },
    });
    await issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    const pair = await issuer.login({ username: "ada", password: PASSWORD });
    watched.calls.length = 0;
    for (let round = 0; round < 100; round++) await issuer.verify(pair.accessToken);
    expect(watched.calls.filter((name) => name !== "listRevocations")).toEqual([]);
    await issuer.logout(pair.refreshToken);
    watched.calls.length = 0;
    await expect(issuer.verify(pair.accessToken)).rejects.toMatchObject({ code: "session_revoked" });
    expect(watched.calls.filter((name) => name !== "listRevocations")).toEqual([]);
  });

  it("reaches a second issuer on the same store within seconds, and a third that starts later at once", async () => {
    const bed = await createTestBed();
    const open = () =>
      createIssuer({
        issuer: ISSUER,
        secret: SECRET,
        store: bed.store,
        environment: { ...systemEnvironment, clock: bed.clock },
      });
    const other = await open();
    const pair = await bed.login();
    await expect(other.verify(pair.access_token)).resolves.toMatchObject({ sid: pair.session_id });
    await bed.issuer.logout(pair.refresh_token);
    const answer = () =>
      other.verify(pair.access_token).then(
        () => "good",
        (error: { code: string }) => error.code,
      );
    await expect.poll(answer).toBe("session_revoked");
    await expect((await open()).verify(pair.access_token)).rejects.toMatchObject({ code: "session_revoked" });
  });

  it("is forgotten only when no access token of the session can be alive, whatever the clock did meanwhile", async () => {
    const bed = await createTestBed();
    const clock = createTestClock();
    const revocations = await loadRevocations(bed.store, () => clock.now(), livesOf(900_000));
    const [a, b] = [newId(), newId()];
    const covers = (sid: string) => revocations.covers({ sid, jti: `${sid}.1.x`, iat: 0 });
    revocations.add([a], clock.now());
    clock.advanceSeconds(600);
    revocations.add([b], clock.now());
    clock.advanceSeconds(301);
    await revocations.poll();
    expect([covers(a), covers(b), revocations.size]).toEqual([false, true, 1]);
  });
});

describe("revokeReplacedAccessTokens", () => {
  it("holds across a restart, at the price of one read for each session", async () => {
    const bed = await createTestBed({ revokeReplacedAccessTokens: true });
    const first = await bed.login();
    bed.clock.advanceSeconds(1);
    const second = await bed.issuer.refresh(first.refresh_token);
    bed.clock.advanceSeconds(1);
    const watched = counted(bed.store);
    const restarted = await createIssuer({
      issuer: ISSUER,
      secret: SECRET,
      store: watched.store,
      environment: { ...systemEnvironment, clock: bed.clock },
      revokeReplacedAccessTokens: true,
    });
    watched.calls.length = 0;
    await expect(restarted.verify(first.access_token)).rejects.toMatchObject({ code: "access_token_expired" });
    await expect(restarted.verify(second.accessToken)).resolves.toMatchObject({ sid: first.session_id });
    await expect(restarted.verify(first.access_token)).rejects.toMatchObject({ code: "access_token_expired" });
    expect(watched.calls.filter((name) => name === "findSession")).toHaveLength(1);
  });
});
