import { describe, expect, it } from "vitest";
import type { User } from "../../src/records/user.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW, newSession, newUser, passwordChange, proved } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

/** What a store promises of a proof of a person: nothing is opened or changed by it once their credentials are of another version. */
export function describeProofOfPerson(open: OpenStore): void {
  const openTwo = async () => [await open(), await open()] as const;
  const opens = async (store: Store, { id }: User, credentialsVersion: number) =>
    (await store.createSessions([proved(newSession({ subject: id }), { credentialsVersion })]))[0]?.created;
  const rehash = (store: Store, { id, passwordHash }: User, expectedVersion = 1) =>
    store.replacePasswordHash({ userId: id, expectedHash: passwordHash, expectedVersion, newHash: "rehashed" });

  describe("a proof of a person", () => {
    it.each<[string, (store: Store, user: User) => Promise<unknown>, version: number]>([
      ["a new password", (store, user) => store.changePassword(passwordChange(user)), 2],
      ["a rehash", rehash, 2],
      [
        "a disabling that was lifted",
        async (store, { id }) => {
          await store.disableUser(id, NOW + 1);
          await store.enableUser(id, NOW + 2);
        },
        3,
      ],
    ])("opens no session after %s, and one of the new version does", async (_, act, version) => {
      const store = await open();
      const user = newUser();
      await store.createUser(user);
      expect(await opens(store, user, 1)).toBe(true);
      await act(store, user);
      expect(await opens(store, user, 1)).toBe(false);
      expect(await opens(store, user, version)).toBe(true);
      expect(await opens(store, user, version + 1)).toBe(false);
    });

    it("opens no session for a disabled user, of whatever version it is", async () => {
      const store = await open();
      const user = newUser();
      await store.createUser(user);
      await store.disableUser(user.id, NOW + 1);
      for (const version of [1, 2, 3]) expect(await opens(store, user, version)).toBe(false);
    });

    it("changes no password after a disabling that was lifted, though the hash is the same", async () => {
      const store = await open();
      const user = newUser();
      await store.createUser(user);
      await store.disableUser(user.id, NOW + 1);
      await store.enableUser(user.id, NOW + 2);
      expect(await store.changePassword(passwordChange(user))).toBe("changed_meanwhile");
      expect(await store.changePassword(passwordChange({ ...user, credentialsVersion: 3 }))).toEqual([]);
    });

    it("opens a session after roles have changed, which prove nobody", async () => {
      const store = await open();
      const user = newUser();
      await store.createUser(user);
      await store.setRoles(user.id, ["editor"], NOW + 1);
      expect(await opens(store, user, 1)).toBe(true);
    });

    it("racing with a disabling that is lifted at once, opens no session that stays", async () => {
      const [one, two] = await openTwo();
      for (let round = 0; round < 10; round++) {
        const user = newUser();
        await one.createUser(user);
        const disabledAndEnabled = async () => {
          await one.disableUser(user.id, NOW + 1);
          await one.enableUser(user.id, NOW + 2);
        };
        const signIns = () => [opens(one, user, 1), opens(two, user, 1)];
        await Promise.all([...signIns(), disabledAndEnabled(), ...signIns()]);
        await Promise.all(signIns());
        expect(await two.listSessions(user.id, NOW)).toEqual([]);
      }
    });

    it("racing with a new password, opens a session before it or none, and no session of before stays", async () => {
      const [one, two] = await openTwo();
      for (let round = 0; round < 10; round++) {
        const user = newUser();
        await one.createUser(user);
        const change = passwordChange(user);
        await Promise.all([opens(two, user, 1), one.changePassword(change), opens(one, user, 1), opens(two, user, 1)]);
        await opens(two, user, 1);
        expect(await two.listSessions(user.id, NOW)).toStrictEqual([change.session]);
      }
    });

    it("racing with a rehash, opens a session that stays, or none", async () => {
      const [one, two] = await openTwo();
      for (let round = 0; round < 10; round++) {
        const user = newUser();
        await one.createUser(user);
        const results = await Promise.all([opens(two, user, 1), rehash(one, user), opens(one, user, 1)]);
        expect(results[1]).toBe(true);
        const opened = [results[0], results[2]].filter((created) => created === true);
        expect(await two.listSessions(user.id, NOW)).toHaveLength(opened.length);
        expect(await opens(two, user, 2)).toBe(true);
      }
    });

    it("racing with a rehash, changes the password or is refused, and never leaves the rehash of the old one", async () => {
      const [one, two] = await openTwo();
      for (let round = 0; round < 10; round++) {
        const user = newUser();
        await one.createUser(user);
        const [isRehashed, changed] = await Promise.all([
          rehash(round % 2 ? one : two, user),
          (round % 2 ? two : one).changePassword(passwordChange(user)),
        ]);
        expect(changed === "changed_meanwhile").toBe(isRehashed);
        expect(await one.findUser(user.id)).toMatchObject({
          passwordHash: isRehashed ? "rehashed" : "new",
          credentialsVersion: 2,
        });
      }
    });
  });
}
