import { expect, it } from "vitest";
import type { User } from "../../src/records/user.ts";
import type { Store } from "../../src/store/store.ts";
import {
  awkwardTexts,
  NOW,
  newId,
  newSession,
  newUser,
  passwordChange,
  proved,
  unstorableTexts,
  vouched,
} from "../support/records.ts";
import type { OpenStore } from "./place.ts";

async function createUsers(store: Store, ...users: User[]): Promise<void> {
  for (const user of users) expect(await store.createUser(user)).toStrictEqual(user);
}

export function describeUsers(open: OpenStore): void {
  it("gives a user back as they were stored, by id and by canonical username, also after closing and opening again", async () => {
    const store = await open();
    const users = [newUser(), newUser({ roles: ["admin", "ops"], updatedAt: NOW + 1, disabledAt: NOW + 2 })];
    await createUsers(store, ...users);
    await store.close();
    const reopened = await open();
    for (const user of users) {
      expect(await reopened.findUser(user.id)).toStrictEqual(user);
      expect(await reopened.findUserByUsername(user.canonicalUsername)).toStrictEqual(user);
    }
    expect(await reopened.findUser(newId())).toBeNull();
    expect(await reopened.findUserByUsername("nobody")).toBeNull();
  });

  it.each(Object.entries(awkwardTexts))("keeps %s in every text field", async (_, text) => {
    const store = await open();
    const user = newUser({ username: text, canonicalUsername: text, passwordHash: text, roles: [text, "admin"] });
    await createUsers(store, user);
    expect(await store.findUserByUsername(text)).toStrictEqual(user);
  });

  it.each(Object.entries(unstorableTexts))("refuses %s with a TypeError, and finds nobody by it", async (_, text) => {
    const store = await open();
    await createUsers(store, newUser({ id: "admin", canonicalUsername: "admin" }));
    await createUsers(store, newUser({ id: "admin\ufffd", canonicalUsername: "admin\ufffd" }));
    await expect(store.createUser(newUser({ canonicalUsername: text }))).rejects.toThrow(TypeError);
    expect(await store.findUserByUsername(text)).toBeNull();
    expect(await store.findUser(text)).toBeNull();
    expect(await store.disableUser(text, NOW)).toBeNull();
    expect(await store.enableUser(text, NOW)).toBe(false);
    expect(await store.setRoles(text, [], NOW)).toBe(false);
  });

  it("creates no second user with the same canonical username, and leaves the first as they were", async () => {
    const store = await open();
    const ada = newUser({ username: "Ada", canonicalUsername: "ada" });
    await createUsers(store, ada);
    const second = newUser({ username: "ADA", canonicalUsername: "ada" });
    expect(await store.createUser(second)).toBeNull();
    expect(await store.findUserByUsername("ada")).toStrictEqual(ada);
    expect(await store.findUser(second.id)).toBeNull();
    await createUsers(store, newUser({ username: "Ada", canonicalUsername: "ada2" }));
  });

  it("holds usernames apart that differ only in case, accents or trailing space", async () => {
    const store = await open();
    const names = ["ada", "Ada", "ádá", "ada ", "a\u0301da", "ada\u200b"];
    await createUsers(store, ...names.map((canonicalUsername) => newUser({ canonicalUsername })));
    for (const name of names) expect((await store.findUserByUsername(name))?.canonicalUsername).toBe(name);
  });

  it("lists users by the code points of their canonical usernames, in pages", async () => {
    const store = await open();
    // By UTF-16 units the last two would change places.
    const names = ["", "10", "9", "Z", "a", "ab", "b", "é", "\uff5e", "😀"];
    const users = names.map((canonicalUsername) => newUser({ canonicalUsername }));
    await createUsers(store, ...users.toReversed());
    expect(await store.listUsers("", 100)).toStrictEqual(users.slice(1));
    expect(await store.listUsers("9", 3)).toStrictEqual(users.slice(3, 6));
    expect(await store.listUsers("aa", 1)).toStrictEqual(users.slice(5, 6));
    expect(await store.listUsers("😀", 5)).toEqual([]);
  });

  it("creates the first admin only while nobody has the role admin", async () => {
    const store = await open();
    const ada = newUser({ roles: ["ops"], canonicalUsername: "ada" });
    await createUsers(store, ada);
    const taken = newUser({ roles: ["admin"], canonicalUsername: "ada" });
    expect(await store.createFirstAdmin(taken)).toBe("username_taken");
    expect(await store.hasAdmin()).toBe(false);
    const root = newUser({ roles: ["ops", "admin"] });
    expect(await store.createFirstAdmin(root)).toStrictEqual(root);
    expect(await store.createFirstAdmin(newUser({ roles: ["admin"] }))).toBe("not_first");
    expect(await store.createFirstAdmin(taken)).toBe("not_first");
    expect(await store.hasAdmin()).toBe(true);
    const other = newUser({ roles: ["admin"], disabledAt: NOW });
    await createUsers(store, other);
    expect(await store.setRoles(other.id, [], NOW)).toBe(true);
    expect(await store.createFirstAdmin(newUser({ roles: ["admin"] }))).toBe("not_first");
    expect(await store.hasAdmin()).toBe(true);
  });

  it("does not take a role for admin that only contains the word", async () => {
    const store = await open();
    await createUsers(store, newUser({ roles: ["administrator", "not admin", 'x","admin'] }));
    expect(await store.hasAdmin()).toBe(false);
    const root = newUser({ roles: ["admin"] });
    expect(await store.createFirstAdmin(root)).toStrictEqual(root);
  });

  it("creates one first admin when twenty callers over two connections race", async () => {
    const stores = [await open(), await open()] as const;
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        stores[index % 2 === 0 ? 0 : 1].createFirstAdmin(newUser({ roles: ["admin"] })),
      ),
    );
    expect(results.filter((result) => typeof result === "object")).toHaveLength(1);
    expect(await stores[0].listUsers("", 100)).toHaveLength(1);
  });

  it("uses a set-up link up with the first admin, for good, and not where the name was taken", async () => {
    const store = await open();
    const link = { id: newId(), expiresAt: NOW + 3_600_000 };
    const ada = newUser({ canonicalUsername: "ada" });
    await createUsers(store, ada);
    const taken = newUser({ roles: ["admin"], canonicalUsername: "ada" });
    expect(await store.createFirstAdmin(taken, link)).toBe("username_taken");
    const root = newUser({ roles: ["admin"] });
    expect(await store.createFirstAdmin(root, link)).toStrictEqual(root);
    expect(await store.createFirstAdmin(newUser({ roles: ["admin"] }), link)).toBe("not_first");
  });

  it("keeps the last admin who is not disabled from being disabled or demoted, and from nothing else", async () => {
    const store = await open();
    const [ada, eve, bob] = [newUser({ roles: ["admin", "ops"] }), newUser({ roles: ["admin"] }), newUser()];
    await createUsers(store, ada, eve, bob, newUser({ roles: ["admin"], disabledAt: NOW }));
    expect(await store.setRoles(ada.id, ["ops"], NOW)).toBe(true);
    expect(await store.setRoles(eve.id, ["ops"], NOW)).toBe("last_admin");
    expect(await store.disableUser(eve.id, NOW)).toBe("last_admin");
    expect(await store.findUser(eve.id)).toStrictEqual(eve);
    expect(await store.setRoles(eve.id, ["admin", "ops"], NOW)).toBe(true);
    expect(await store.setRoles(bob.id, [], NOW)).toBe(true);
    expect(await store.disableUser(bob.id, NOW)).toEqual([]);
    expect(await store.setRoles(ada.id, ["admin"], NOW)).toBe(true);
    expect(await store.disableUser(eve.id, NOW)).toEqual([]);
    expect(await store.disableUser(ada.id, NOW)).toBe("last_admin");
    expect(await store.disableUser(eve.id, NOW)).toEqual([]);
  });

  it("leaves one admin when all are demoted or disabled at once over two connections", async () => {
    const stores = [await open(), await open()] as const;
    const admins = Array.from({ length: 10 }, () => newUser({ roles: ["admin"] }));
    await createUsers(stores[0], ...admins);
    const results = await Promise.all(
      admins.map(({ id }, index) => {
        const store = stores[index % 2 === 0 ? 0 : 1];
        return index % 3 === 0 ? store.disableUser(id, NOW) : store.setRoles(id, [], NOW);
      }),
    );
    expect(results.filter((result) => result === "last_admin")).toHaveLength(1);
    expect((await stores[0].count(NOW)).admins).toBe(1);
  });

  it("imports users, keeps those who are here, and says whose id or name is another's", async () => {
    const store = await open();
    const [ada, eve, bob] = [newUser(), newUser({ disabledAt: NOW }), newUser({ roles: ["ops"] })];
    await createUsers(store, ada);
    const changedAda = { ...ada, passwordHash: "another", roles: ["admin"] };
    const sameId = newUser({ id: ada.id });
    const sameName = newUser({ canonicalUsername: ada.canonicalUsername });
    const twin = newUser({ canonicalUsername: bob.canonicalUsername });
    const results = await store.importUsers([changedAda, eve, sameId, sameName, bob, twin, bob]);
    expect(results).toEqual(["known", "created", "id_taken", "username_taken", "created", "username_taken", "known"]);
    for (const user of [ada, eve, bob]) expect(await store.findUser(user.id)).toStrictEqual(user);
    expect(await store.findUser(sameName.id)).toBeNull();
    expect(await store.findUser(twin.id)).toBeNull();
    expect(await store.importUsers([])).toEqual([]);
  });

  it("imports nobody of a batch in which one text cannot be stored", async () => {
    const store = await open();
    const [ada, broken] = [newUser(), newUser({ username: "ada\u0000" })];
    await expect(store.importUsers([ada, broken])).rejects.toThrow(TypeError);
    expect(await store.findUser(ada.id)).toBeNull();
  });

  it("imports a user once when twenty callers over two connections do", async () => {
    const stores = [await open(), await open()] as const;
    const ada = newUser();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => stores[index % 2 === 0 ? 0 : 1].importUsers([ada])),
    );
    expect(results.flat().filter((result) => result === "created")).toHaveLength(1);
    expect(results.flat().filter((result) => result === "known")).toHaveLength(19);
  });

  it("replaces a hash by another of the same password only while it is the expected one, and revokes nothing", async () => {
    const store = await open();
    const ada = newUser();
    await createUsers(store, ada);
    const session = newSession({ subject: ada.id });
    await store.createSessions([vouched(session)]);
    const replacement = { userId: ada.id, expectedHash: ada.passwordHash, expectedVersion: 1, newHash: "new" };
    expect(await store.replacePasswordHash({ ...replacement, expectedHash: "another" })).toBe(false);
    expect(await store.replacePasswordHash({ ...replacement, userId: newId() })).toBe(false);
    expect(await store.replacePasswordHash({ ...replacement, expectedVersion: 2 })).toBe(false);
    expect(await store.findUser(ada.id)).toStrictEqual(ada);
    expect(await store.replacePasswordHash(replacement)).toBe(true);
    expect(await store.replacePasswordHash({ ...replacement, newHash: "newer" })).toBe(false);
    expect(await store.findUser(ada.id)).toStrictEqual({ ...ada, passwordHash: "new", credentialsVersion: 2 });
    expect(await store.findSession(session.id)).toStrictEqual(session);
  });

  it("lets either a replaced hash or a changed password win, and never brings the old password back", async () => {
    const stores = [await open(), await open()] as const;
    for (let round = 0; round < 10; round++) {
      const ada = newUser();
      await createUsers(stores[0], ada);
      const expected = { userId: ada.id, expectedHash: ada.passwordHash, expectedVersion: 1 };
      const change = passwordChange(ada, { newHash: "changed" });
      const [replaced, revoked] = await Promise.all([
        stores[0].replacePasswordHash({ ...expected, newHash: "replaced" }),
        stores[1].changePassword(change),
      ]);
      expect(replaced).toBe(revoked === "changed_meanwhile");
      expect((await stores[1].findUser(ada.id))?.passwordHash).toBe(replaced ? "replaced" : "changed");
    }
  });

  it("gives the last imported hash in binary order, and none where there is none", async () => {
    const store = await open();
    const hashes = ["imported", "importee:9", "imported;", "$argon2id$", "~", "!"];
    await createUsers(store, ...hashes.map((passwordHash) => newUser({ passwordHash })));
    expect(await store.findLastImportedHash()).toBeNull();
    const last = newUser({ passwordHash: "imported:00200:Z~é" });
    const imported = ["imported:00200:A", "imported:00030:z", "imported:00200:Z"];
    await createUsers(store, ...imported.map((passwordHash) => newUser({ passwordHash })), last);
    expect(await store.findLastImportedHash()).toBe("imported:00200:Z~é");
    const replacement = {
      userId: last.id,
      expectedHash: last.passwordHash,
      expectedVersion: 1,
      newHash: "$argon2id$new",
    };
    await store.replacePasswordHash(replacement);
    expect(await store.findLastImportedHash()).toBe("imported:00200:Z");
  });

  it("disables a user and revokes all their sessions in the same act, and keeps the time when it is done twice", async () => {
    const store = await open();
    const [ada, eve] = [newUser(), newUser()];
    await createUsers(store, ada, eve);
    const sessions = [newSession({ subject: ada.id }), newSession({ subject: ada.id })];
    const another = newSession({ subject: eve.id });
    await store.createSessions([...sessions, another].map((session) => vouched(session)));
    const ids = sessions.map(({ id }) => id);
    expect([...((await store.disableUser(ada.id, NOW + 1)) ?? [])].toSorted()).toEqual(ids.toSorted());
    expect(await store.disableUser(ada.id, NOW + 2)).toEqual([]);
    expect(await store.disableUser(newId(), NOW)).toBeNull();
    expect(await store.findUser(ada.id)).toStrictEqual({
      ...ada,
      updatedAt: NOW + 1,
      disabledAt: NOW + 1,
      credentialsVersion: 2,
    });
    for (const id of ids) {
      expect(await store.findSession(id)).toMatchObject({ revokedAt: NOW + 1, revokedFor: "user_disabled" });
    }
    expect(await store.findSession(another.id)).toStrictEqual(another);
    expect(await store.findUser(eve.id)).toStrictEqual(eve);
  });

  it("never leaves a live session to a user who is disabled while they sign in on another connection", async () => {
    const [one, two] = [await open(), await open()];
    for (let round = 0; round < 10; round++) {
      const user = newUser();
      await createUsers(one, user);
      const signIn = () => two.createSessions([proved(newSession({ subject: user.id }), user)]);
      await Promise.all([signIn(), one.disableUser(user.id, NOW), signIn()]);
      expect(await one.listSessions(user.id, NOW)).toEqual([]);
    }
  });

  it("lets a disabled user sign in again, whose sessions stay revoked", async () => {
    const store = await open();
    const ada = newUser();
    await createUsers(store, ada);
    await store.createSessions([vouched(newSession({ subject: ada.id }))]);
    await store.disableUser(ada.id, NOW + 1);
    expect(await store.enableUser(ada.id, NOW + 2)).toBe(true);
    expect(await store.findUser(ada.id)).toStrictEqual({ ...ada, updatedAt: NOW + 2, credentialsVersion: 3 });
    expect(await store.listSessions(ada.id, NOW)).toEqual([]);
    const session = newSession({ subject: ada.id });
    expect(await store.createSessions([proved(session, { credentialsVersion: 3 })])).toEqual([
      { created: true, evicted: [] },
    ]);
    expect(await store.enableUser(newId(), NOW)).toBe(false);
  });

  it("replaces a user's roles", async () => {
    const store = await open();
    const ada = newUser({ roles: ["editor"] });
    await createUsers(store, ada);
    expect(await store.setRoles(ada.id, ["ops", "👑"], NOW + 1)).toBe(true);
    expect(await store.findUser(ada.id)).toStrictEqual({ ...ada, roles: ["ops", "👑"], updatedAt: NOW + 1 });
    expect(await store.setRoles(newId(), ["ops"], NOW)).toBe(false);
  });
}
