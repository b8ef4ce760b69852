import { expect, it } from "vitest";
import { NOW, newId, newSession, newUser, vouched } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

export function describeOperation(open: OpenStore): void {
  it("reads the clock that it goes by, in milliseconds since the Unix epoch", async () => {
    const store = await open();
    expect(Math.abs((await store.readClock()) - Date.now())).toBeLessThan(60_000);
  });

  it("calls who listens for revocations where it says that it notifies, and never elsewhere", async () => {
    const [one, other] = [await open(), await open()];
    const subject = newId();
    await one.createSessions([vouched(newSession({ subject }))]);
    let calls = 0;
    const called = new Promise<void>((resolve) => {
      const stop = other.onRevocation(() => {
        calls += 1;
        stop();
        resolve();
      });
      if (!other.notifiesRevocations) resolve();
    });
    // A listener that has only begun to listen misses what was appended before.
    while (calls === 0 && other.notifiesRevocations) {
      await one.createSessions([vouched(newSession({ subject }))]);
      await one.revokeSubjectSessions(subject, { at: NOW, reason: "logout_all" });
      await Promise.race([called, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
    await called;
    expect(calls > 0).toBe(other.notifiesRevocations);
  });

  it("counts users, disabled users, administrators who are not disabled, live sessions and revoked sessions", async () => {
    const store = await open();
    expect(await store.count(NOW)).toEqual({
      users: 0,
      disabledUsers: 0,
      admins: 0,
      liveSessions: 0,
      revokedSessions: 0,
    });
    for (const disabledAt of [null, null, NOW]) await store.createUser(newUser({ disabledAt, roles: [] }));
    await store.createUser(newUser({ roles: ["admin", "editor"] }));
    await store.createUser(newUser({ roles: ["admin"], disabledAt: NOW }));
    await store.createUser(newUser({ roles: ["administrator"] }));
    const sessions = [
      ...Array.from({ length: 4 }, () => newSession()),
      newSession({ expiresAt: NOW + 1 }),
      newSession({ expiresAt: NOW }),
      newSession({ revokedAt: NOW, revokedFor: "logout" }),
      newSession({ revokedAt: NOW, revokedFor: "logout", expiresAt: NOW - 1 }),
    ];
    await store.createSessions(sessions.map((session) => vouched(session)));
    expect(await store.count(NOW)).toEqual({
      users: 6,
      disabledUsers: 2,
      admins: 1,
      liveSessions: 5,
      revokedSessions: 2,
    });
  });

  it("answers a check, and changes nothing by it", async () => {
    const store = await open();
    const session = newSession();
    await store.createSessions([vouched(session)]);
    await store.check();
    expect(await store.findSession(session.id)).toStrictEqual(session);
    expect(await store.listRevocations(0, 0, 10)).toEqual([]);
  });

  it("says what it is in a line", async () => {
    const { description } = await open();
    expect(description.length).toBeGreaterThan(0);
    expect(description).not.toContain("\n");
  });

  it("rejects every act with store_unavailable once it is closed, and may be closed twice", async () => {
    const store = await open();
    await store.close();
    await store.close();
    const acts = [
      store.createSessions([vouched(newSession())]),
      store.changeSessions([newSession().id], () => null),
      store.findSession(newSession().id),
      store.createUser(newUser()),
      store.readSigningKeys(),
      store.count(NOW),
      store.check(),
    ];
    for (const act of await Promise.allSettled(acts)) {
      expect(act).toMatchObject({ status: "rejected", reason: { code: "store_unavailable" } });
    }
  });

  it("shows what one connection has done to another at once", async () => {
    const [one, two] = [await open(), await open()];
    const session = newSession();
    await one.createSessions([vouched(session)]);
    expect(await two.findSession(session.id)).toStrictEqual(session);
    await two.revokeSessions([session.id], { at: NOW, reason: "logout" });
    expect((await one.findSession(session.id))?.revokedFor).toBe("logout");
  });
}
