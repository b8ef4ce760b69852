import { describe, expect, it } from "vitest";
import type { Session } from "../../src/records/session.ts";
import type { User } from "../../src/records/user.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW, newClient, newId, newSession, newUser, passwordChange, proved, vouched } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

/** What a store promises of a password change: the person continues in a new session, and in no other. */
export function describePasswordChange(open: OpenStore): void {
  type Stores = readonly [Store, Store];
  const openTwo = async (): Promise<Stores> => [await open(), await open()];

  async function setUp(given?: Stores, changes: Partial<Session> = {}) {
    const stores = given ?? (await openTwo());
    const [store] = stores;
    const ada = newUser();
    await store.createUser(ada);
    const [current, other] = [newSession({ subject: ada.id, ...changes }), newSession({ subject: ada.id })];
    await store.createSessions([vouched(current), vouched(other)]);
    return { stores, store, ada, current, other };
  }

  /** Expects the user and their sessions to be as they were before the change. */
  async function expectUnchanged(store: Store, ada: User, ...sessions: Session[]): Promise<void> {
    expect(await store.findUser(ada.id)).toStrictEqual(ada);
    const live = (await store.listSessions(ada.id, NOW)).toSorted((one, two) => one.id.localeCompare(two.id));
    expect(live).toStrictEqual(sessions.toSorted((one, two) => one.id.localeCompare(two.id)));
  }

  it("replaces the hash, revokes every session of the user and opens the new one, in one act", async () => {
    const { store, ada, current, other } = await setUp();
    const another = newSession();
    await store.createSessions([vouched(another)]);
    const change = passwordChange(ada, { fromSessionId: current.id }, { createdAt: NOW + 5, device: "laptop" });
    const { transactions } = store.statistics;
    expect(await store.changePassword(change)).toEqual([current.id, other.id]);
    expect(store.statistics.transactions).toBe(transactions + 1);
    expect(await store.findUser(ada.id)).toStrictEqual({
      ...ada,
      passwordHash: "new",
      updatedAt: NOW + 5,
      credentialsVersion: 2,
    });
    for (const { id } of [current, other]) {
      expect(await store.findSession(id)).toMatchObject({ revokedAt: NOW + 5, revokedFor: "password_changed" });
    }
    expect(await store.listSessions(ada.id, NOW + 5)).toStrictEqual([change.session]);
    expect(await store.findSession(another.id)).toStrictEqual(another);
    const log = await store.listRevocations(0, 0, 10);
    expect(log.map(({ sessionId }) => sessionId).toSorted()).toEqual([current.id, other.id].toSorted());
  });

  it("is made in no session where none is given, and leaves what had been revoked before as it was", async () => {
    const { store, ada, current, other } = await setUp();
    await store.revokeSessions([current.id], { at: NOW + 1, reason: "logout" });
    expect(await store.changePassword(passwordChange(ada))).toEqual([other.id]);
    expect(await store.findSession(current.id)).toMatchObject({ revokedAt: NOW + 1, revokedFor: "logout" });
  });

  it("changes nothing where the credentials are of another version, or the user is unknown", async () => {
    const { store, ada, current, other } = await setUp();
    const change = passwordChange(ada, { fromSessionId: current.id });
    expect(await store.changePassword({ ...change, credentialsVersion: 2 })).toBe("changed_meanwhile");
    expect(await store.changePassword(passwordChange(newUser()))).toBe("changed_meanwhile");
    await expectUnchanged(store, ada, current, other);
  });

  it("changes nothing where the user or the client is disabled", async () => {
    const { store, ada, current, other } = await setUp();
    const client = newClient();
    await store.createClient(client);
    await store.disableClient(client.id, NOW);
    const ofClient = passwordChange(ada, {}, { clientId: client.id });
    expect(await store.changePassword(ofClient)).toBe("changed_meanwhile");
    await expectUnchanged(store, ada, current, other);
    const eve = newUser({ disabledAt: NOW });
    await store.createUser(eve);
    expect(await store.changePassword(passwordChange(eve))).toBe("changed_meanwhile");
    await expectUnchanged(store, eve);
  });

  it("changes nothing where the session that it is made in is revoked, unknown or another person's", async () => {
    const { store, ada, current, other } = await setUp();
    const another = newSession();
    await store.createSessions([vouched(another)]);
    await store.revokeSessions([current.id], { at: NOW, reason: "logout" });
    for (const fromSessionId of [current.id, newId(), another.id, ""]) {
      expect(await store.changePassword(passwordChange(ada, { fromSessionId }))).toBe("session_revoked");
    }
    await expectUnchanged(store, ada, other);
  });

  it("lets one of ten racing changes through, and leaves its session alone", async () => {
    const { stores, ada, current } = await setUp();
    const changes = Array.from({ length: 10 }, (_, index) =>
      passwordChange(ada, { fromSessionId: current.id, newHash: `new ${index}` }),
    );
    const results = await Promise.all(changes.map((change, index) => stores[index % 2 ? 1 : 0].changePassword(change)));
    const winners = changes.filter((_, index) => typeof results[index] === "object");
    expect(winners.map(({ newHash }) => newHash)).toEqual([(await stores[1].findUser(ada.id))?.passwordHash]);
    expect(await stores[1].listSessions(ada.id, NOW)).toStrictEqual(winners.map(({ session }) => session));
    expect(results.filter((result) => result === "session_revoked")).toHaveLength(9);
  });

  it("racing with a logout of the session that it is made in, either comes first, and never both succeed", async () => {
    const two = await openTwo();
    for (let round = 0; round < 10; round++) {
      const { stores, ada, current } = await setUp(two);
      const [changed, loggedOut] = await Promise.all([
        stores[round % 2 ? 1 : 0].changePassword(passwordChange(ada, { fromSessionId: current.id })),
        stores[round % 2 ? 0 : 1].revokeSessions([current.id], { at: NOW, reason: "logout" }),
      ]);
      expect(loggedOut).toEqual(changed === "session_revoked" ? [current.id] : []);
      expect((await stores[0].findUser(ada.id))?.passwordHash).toBe(
        changed === "session_revoked" ? ada.passwordHash : "new",
      );
    }
  });

  it("racing with sign-ins by the old password and with those of the application, leaves no session of before", async () => {
    const two = await openTwo();
    for (let round = 0; round < 10; round++) {
      const { stores, ada } = await setUp(two);
      const change = passwordChange(ada);
      const signIns = Array.from({ length: 6 }, () => proved(newSession({ subject: ada.id }), ada, 3));
      const [, ...created] = await Promise.all([
        stores[0].changePassword(change),
        ...signIns.map((creation, index) => stores[index % 2 ? 1 : 0].createSessions([creation])),
      ]);
      expect(await stores[1].listSessions(ada.id, NOW)).toStrictEqual([change.session]);
      const opened = signIns.filter((_, index) => created[index]?.[0]?.created);
      for (const { session } of opened) expect((await stores[0].findSession(session.id))?.revokedAt).not.toBeNull();
    }
  });

  it("racing with refreshes of every session, leaves each revoked, and none that decides afterwards finds it live", async () => {
    const two = await openTwo();
    for (let round = 0; round < 10; round++) {
      const { stores, ada, current, other } = await setUp(two);
      const refresh = async (store: Store, id: string, nth: number) => {
        const seen: unknown[] = [];
        await store.changeSessions([id], (_, found) => {
          seen.push(found?.session.revokedFor);
          if (found === null || found.session.revokedAt !== null) return null;
          return { rotation: { ...found.session.rotation, rotatedAt: NOW + nth } };
        });
        return seen;
      };
      const refreshes = Array.from({ length: 12 }, (_, nth) =>
        refresh(stores[nth % 2 ? 1 : 0], nth % 3 ? current.id : other.id, nth),
      );
      const changing = stores[round % 2 ? 1 : 0].changePassword(passwordChange(ada, { fromSessionId: current.id }));
      expect(await changing).toEqual([current.id, other.id]);
      const late = [refresh(stores[0], current.id, 99), refresh(stores[1], other.id, 99)];
      expect(await Promise.all(late)).toEqual([["password_changed"], ["password_changed"]]);
      await Promise.all(refreshes);
      for (const { id } of [current, other]) {
        expect((await stores[1].findSession(id))?.revokedFor).toBe("password_changed");
      }
    }
  });

  describe("beside a disabling", () => {
    it.each(["user", "client"] as const)("of the %s, never leaves a live session", async (what) => {
      const two = await openTwo();
      for (let round = 0; round < 10; round++) {
        const client = newClient();
        const { stores, ada, current } = await setUp(two, { clientId: client.id });
        await stores[0].createClient(client);
        const change = passwordChange(ada, { fromSessionId: current.id }, { clientId: client.id });
        await Promise.all([
          stores[round % 2 ? 1 : 0].changePassword(change),
          what === "user" ? stores[0].disableUser(ada.id, NOW) : stores[0].disableClient(client.id, NOW),
        ]);
        const live = await stores[1].listSessions(ada.id, NOW);
        expect(live.filter(({ clientId }) => what === "user" || clientId === client.id)).toEqual([]);
      }
    });
  });
}
