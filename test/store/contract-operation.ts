import { expect, it } from "vitest";
import { NOW, newSession, newUser, vouched } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

export function describeOperation(open: OpenStore): void {
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
