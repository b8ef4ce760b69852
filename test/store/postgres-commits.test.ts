import { describe, expect, it } from "vitest";
import type { Session } from "../../src/records/session.ts";
import type { FoundSession } from "../../src/store/session-store.ts";
import type { Store } from "../../src/store/store.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import {
  NOW,
  newClient,
  newId,
  newSession,
  newSigningKey,
  newUser,
  passwordChange,
  proved,
  vouched,
} from "../support/records.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

const world = postgresWorld();

function next({ session }: FoundSession): { readonly rotation: Session["rotation"] } {
  const { confirmed, pendingFrom, pendingTo } = session.rotation;
  return {
    rotation: {
      confirmed: confirmed + 1,
      pendingFrom: pendingFrom + 1,
      pendingTo: pendingTo + 1,
      rotatedAt: NOW + 1,
      reuseForgivenAt: null,
    },
  };
}

describe("round trips", () => {
  async function counted(proxy: TcpProxy, act: () => Promise<unknown>): Promise<number> {
    const before = proxy.roundTrips();
    await act();
    return proxy.roundTrips() - before;
  }

  it("are two for a batch of refreshes, and one where nothing is to be written", async () => {
    const { store, proxy } = await world.openBehindProxy();
    const sessions = Array.from({ length: 32 }, () => newSession());
    await store.createSessions(sessions.map((session) => vouched(session)));
    const ids = sessions.map(({ id }) => id);
    expect(await counted(proxy, () => store.changeSessions(ids, (_, found) => next(found!)))).toBe(2);
    const versions = "SELECT id, xmin::text, ctid::text FROM latchkey.sessions ORDER BY id";
    const before = await world.sql(versions);
    expect(await counted(proxy, () => store.changeSessions(ids, () => null))).toBe(1);
    expect(await world.sql(versions)).toEqual(before);
  });

  it("are one for a look at a session, a user or the log, and for a revocation", async () => {
    const { store, proxy } = await world.openBehindProxy();
    const session = newSession();
    await store.createSessions([vouched(session)]);
    expect(await counted(proxy, () => store.findSession(session.id))).toBe(1);
    expect(await counted(proxy, () => store.findUser(session.subject))).toBe(1);
    expect(await counted(proxy, () => store.listRevocations(0, 0, 10))).toBe(1);
    expect(await counted(proxy, () => store.revokeSessions([session.id], { at: NOW, reason: "logout" }))).toBe(1);
  });
});

describe("a connection that is lost after the commit, before the answer", () => {
  /** Runs an act whose commit is not told of. */
  async function lost<T>(proxy: TcpProxy, act: () => Promise<T>): Promise<T> {
    proxy.cutBefore("COMMIT\0");
    const result = await act();
    expect(proxy.hasCut()).toBe(true);
    return result;
  }

  it("does not make a rotation be decided twice", async () => {
    const { store, proxy } = await world.openBehindProxy();
    const sessions = [newSession(), newSession()];
    await store.createSessions(sessions.map((session) => vouched(session)));
    const ids = sessions.map(({ id }) => id);
    // The answer of the read is let through, the one of the write is not.
    let decisions = 0;
    await store.changeSessions(ids, (_, found) => {
      decisions += 1;
      if (decisions === 2) proxy.cutBefore("COMMIT\0");
      return next(found!);
    });
    expect(proxy.hasCut()).toBe(true);
    expect(decisions).toBe(2);
    for (const id of ids) expect((await store.findSession(id))?.rotation).toMatchObject({ confirmed: 1, pendingTo: 2 });
  });

  it("does not revoke twice, and still tells what was revoked", async () => {
    const { store, proxy } = await world.openBehindProxy();
    const subject = newId();
    const sessions = Array.from({ length: 3 }, () => newSession({ subject }));
    await store.createSessions(sessions.map((session) => vouched(session)));
    const [first, second, third] = sessions.map(({ id }) => id) as [string, string, string];
    const revocation = { at: NOW + 1, reason: "logout" } as const;
    expect(await lost(proxy, () => store.revokeSessions([first], revocation))).toEqual([first]);
    const all = { at: NOW + 2, reason: "logout_all" } as const;
    const others = await lost(proxy, () => store.revokeSubjectSessions(subject, all));
    expect(others.toSorted()).toEqual([second, third].toSorted());
    expect(await store.listRevocations(0, 0, 10)).toHaveLength(3);
  });

  it("creates sessions, users, clients and the first administrator once", async () => {
    const { store, proxy } = await world.openBehindProxy();
    const ada = newUser();
    expect(await lost(proxy, () => store.createUser(ada))).toStrictEqual(ada);
    const subject = ada.id;
    const [old, session] = [newSession({ subject }), newSession({ subject, createdAt: NOW + 1 })];
    await store.createSessions([vouched(old)]);
    const creation = proved(session, ada, 1);
    expect(await lost(proxy, () => store.createSessions([creation]))).toEqual([{ created: true, evicted: [old.id] }]);
    expect(await store.listSessions(subject, NOW)).toStrictEqual([session]);
    const root = newUser({ roles: ["admin"] });
    expect(await lost(proxy, () => store.createFirstAdmin(root))).toStrictEqual(root);
    const client = newClient();
    await lost(proxy, () => store.createClient(client));
    expect(await store.listClients("", 10)).toStrictEqual([client]);
  });

  it("changes a password, disables and replaces the keys once", async () => {
    const { store, proxy } = await world.openBehindProxy();
    const ada = newUser();
    await store.createUser(ada);
    const [current, other] = [newSession({ subject: ada.id }), newSession({ subject: ada.id })];
    await store.createSessions([vouched(current), vouched(other)]);
    const change = passwordChange(ada, { fromSessionId: current.id }, { createdAt: NOW + 1 });
    expect(await lost(proxy, () => store.changePassword(change))).toEqual([current.id, other.id]);
    expect(await store.listSessions(ada.id, NOW)).toStrictEqual([change.session]);
    expect(await store.listRevocations(0, 0, 10)).toHaveLength(2);
    expect(await lost(proxy, () => store.disableUser(ada.id, NOW + 2))).toEqual([change.session.id]);
    expect(await lost(proxy, () => store.enableUser(ada.id, NOW + 3))).toBe(true);
    expect(await store.findUser(ada.id)).toMatchObject({ passwordHash: "new", disabledAt: null, updatedAt: NOW + 3 });
    const keys = [newSigningKey()];
    expect(await lost(proxy, () => store.replaceSigningKeys(0, keys))).toBe(true);
    expect(await store.readSigningKeys()).toStrictEqual({ version: 1, keys });
  });
});

function bytea(id: string): string {
  return `'\\x${Buffer.from(id, "base64url").toString("hex")}'`;
}

describe("a race", () => {
  /** Holds a session's row, so that acts on it queue up in the order in which they are begun. */
  async function queued(store: Store, id: string, acts: readonly (() => Promise<unknown>)[]): Promise<void> {
    const holder = await world.hold(`SELECT FROM latchkey.sessions WHERE id = ${bytea(id)} FOR UPDATE`);
    const begun: Promise<unknown>[] = [];
    for (const act of acts) {
      begun.push(act());
      await holder.heldUp(begun.length);
    }
    await holder.letGo();
    await Promise.all(begun);
    await store.check();
  }

  it("between a password change and a refresh is decided again, and finds the session revoked", async () => {
    const [one, two] = [await world.open(), await world.open()];
    const ada = newUser();
    await one.createUser(ada);
    const session = newSession({ subject: ada.id });
    await one.createSessions([vouched(session)]);
    const seen: unknown[] = [];
    await queued(one, session.id, [
      () => one.changePassword(passwordChange(ada, { fromSessionId: session.id })),
      () =>
        two.changeSessions([session.id], (_, found) => {
          seen.push(found?.session.revokedFor);
          return found?.session.revokedAt === null ? next(found) : null;
        }),
    ]);
    expect(seen).toEqual([null, "password_changed"]);
    expect((await one.findSession(session.id))?.rotation).toEqual(session.rotation);
  });

  it("of password changes with sign-ins, refreshes, revocations and disablings ends in no deadlock", async () => {
    const stores = [await world.open(), await world.open()];
    const [client, users] = [newClient(), Array.from({ length: 4 }, () => newUser())];
    await stores[0]!.createClient(client);
    for (const user of users) await stores[0]!.createUser(user);
    const sessions = users.flatMap(({ id: subject }) =>
      Array.from({ length: 12 }, (_, nth) => newSession({ subject, clientId: nth % 2 ? client.id : "first-party" })),
    );
    await stores[0]!.createSessions(sessions.map((session) => vouched(session)));
    const ids = sessions.map(({ id }) => id);
    const clientId = client.id;
    await Promise.all(
      users.flatMap((user, nth) => {
        const [here, there] = nth % 2 ? [stores[0]!, stores[1]!] : [stores[1]!, stores[0]!];
        const own = sessions.filter(({ subject }) => subject === user.id);
        const change = (fromSessionId: string, newHash: string) =>
          passwordChange(user, { fromSessionId, newHash }, { clientId });
        return [
          here.changePassword(change(own[0]!.id, "one")),
          there.changePassword(change(own[1]!.id, "two")),
          here.changeSessions(ids.toReversed(), (_, found) =>
            found!.session.revokedAt === null ? next(found!) : null,
          ),
          there.createSessions([proved(newSession({ subject: user.id, clientId }), user, 2)]),
          there.revokeSubjectSessions(user.id, { at: NOW, reason: "logout_all" }, own[2]!.id),
          nth === 2 ? here.disableClient(clientId, NOW) : there.disableUser(user.id, NOW),
        ];
      }),
    );
    for (const store of stores) await store.close();
    const [{ deadlocks }] = await world.server.sql(
      `SELECT deadlocks::int FROM pg_stat_database WHERE datname = '${world.database}'`,
    );
    expect(deadlocks).toBe(0);
  });

  it("between new roles and a refresh is decided again with the new roles", async () => {
    const [one, two] = [await world.open(), await world.open()];
    const ada = newUser({ roles: ["editor"] });
    await one.createUser(ada);
    const session = newSession({ subject: ada.id });
    await one.createSessions([vouched(session)]);
    const roles: unknown[] = [];
    await queued(one, session.id, [
      () => one.setRoles(ada.id, [], NOW),
      () =>
        two.changeSessions([session.id], (_, found) => {
          roles.push(found?.user?.roles);
          return next(found!);
        }),
    ]);
    expect(roles).toEqual([["editor"], []]);
    expect((await one.findSession(session.id))?.rotation.confirmed).toBe(1);
  });

  it("between disabling a user and a refresh never leaves a session that goes on", async () => {
    const [one, two] = [await world.open(), await world.open()];
    const ada = newUser();
    await one.createUser(ada);
    const session = newSession({ subject: ada.id });
    await one.createSessions([vouched(session)]);
    const disabled: unknown[] = [];
    await queued(one, session.id, [
      () => one.disableUser(ada.id, NOW),
      () =>
        two.changeSessions([session.id], (_, found) => {
          disabled.push(found?.session.revokedFor);
          return found?.session.revokedAt === null ? next(found) : null;
        }),
    ]);
    expect(disabled).toEqual([null, "user_disabled"]);
    expect(await one.findSession(session.id)).toMatchObject({
      revokedFor: "user_disabled",
      rotation: session.rotation,
    });
  });

  it("of two sign-ins for the last place never leaves one session too many", async () => {
    const [one, two] = [await world.open(), await world.open()];
    for (let round = 0; round < 30; round++) {
      const subject = newId();
      const signIn = (store: Store) => store.createSessions([vouched(newSession({ subject }), 1)]);
      await Promise.all([signIn(one), signIn(two)]);
      expect(await one.listSessions(subject, NOW)).toHaveLength(1);
    }
  });

  it("of batches that name the same sessions in other orders ends in no deadlock", async () => {
    const stores = [await world.open(), await world.open()];
    const sessions = Array.from({ length: 60 }, () => newSession());
    await stores[0]!.createSessions(sessions.map((session) => vouched(session)));
    const ids = sessions.map(({ id }) => id);
    await Promise.all(
      Array.from({ length: 40 }, (_, round) =>
        stores[round % 2]!.changeSessions(round % 4 < 2 ? ids : ids.toReversed(), (_, found) => next(found!)),
      ),
    );
    for (const store of stores) await store.close();
    const [{ deadlocks }] = await world.server.sql(
      `SELECT deadlocks::int FROM pg_stat_database WHERE datname = '${world.database}'`,
    );
    expect(deadlocks).toBe(0);
  });

  it("of two appends to the log of revocations shows the later one no earlier than the one numbered before it", async () => {
    const store = await world.open();
    const [first, second] = [newSession(), newSession()];
    await store.createSessions([vouched(first), vouched(second)]);
    const slow = await world.hold(
      `UPDATE latchkey.sessions SET revoked_at = ${NOW}, revoked_for = 'logout' WHERE id = ${bytea(first.id)};
       SET CONSTRAINTS ALL IMMEDIATE`,
    );
    const quick = store.revokeSessions([second.id], { at: NOW, reason: "logout" });
    await slow.heldUp(1);
    const seen = await store.listRevocations(0, 0, 10);
    await slow.letGo();
    await quick;
    expect(seen).toEqual([]);
    expect((await store.listRevocations(0, 0, 10)).map(({ sessionId }) => sessionId)).toEqual([first.id, second.id]);
  });
});
