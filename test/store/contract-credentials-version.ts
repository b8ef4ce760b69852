import { describe, expect, it } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { NOW, newId, newUser } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

/** What a store promises of `credentialsVersion`: whatever act changes how a person proves who they are raises it. */
export function describeCredentialsVersion(open: OpenStore): void {
  describe("a user's credentialsVersion", () => {
    const versionOf = async (store: Store, id: string) => (await store.findUser(id))?.credentialsVersion;

    it("rises with a new password, with a rehash, and with every change of disabledAt", async () => {
      const store = await open();
      const { id, passwordHash } = newUser();
      await store.createUser(newUser({ id, passwordHash }));
      const versions = [await versionOf(store, id)];
      const acts = [
        () =>
          store.replacePasswordHash({
            userId: id,
            expectedHash: passwordHash,
            expectedVersion: 1,
            newHash: "rehashed",
          }),
        () => store.disableUser(id, NOW + 1),
        () => store.enableUser(id, NOW + 2),
      ];
      for (const act of acts) {
        await act();
        versions.push(await versionOf(store, id));
      }
      expect(versions).toEqual([1, 2, 3, 4]);
    });

    it("stays where nothing of that kind changes", async () => {
      const store = await open();
      const { id, passwordHash } = newUser();
      await store.createUser(newUser({ id, passwordHash, roles: ["editor"] }));
      await store.setRoles(id, ["admin"], NOW + 1);
      await store.enableUser(id, NOW + 2);
      await store.replacePasswordHash({ userId: id, expectedHash: "another", expectedVersion: 1, newHash: "rehashed" });
      await store.disableUser(newId(), NOW + 3);
      expect(await versionOf(store, id)).toBe(1);
    });

    it("keeps a rehash from writing once the user was disabled meanwhile, and enabled again, though the hash is the same", async () => {
      const store = await open();
      const { id, passwordHash } = newUser();
      await store.createUser(newUser({ id, passwordHash }));
      await store.disableUser(id, NOW + 1);
      await store.enableUser(id, NOW + 2);
      const rehash = { userId: id, expectedHash: passwordHash, newHash: "rehashed" };
      for (const expectedVersion of [1, 2, 4]) {
        expect(await store.replacePasswordHash({ ...rehash, expectedVersion })).toBe(false);
      }
      expect((await store.findUser(id))?.passwordHash).toBe(passwordHash);
      expect(await store.replacePasswordHash({ ...rehash, expectedVersion: 3 })).toBe(true);
      expect(await versionOf(store, id)).toBe(4);
    });

    it("lets one of ten rehashes of one sign-in through, and rises by one with it", async () => {
      const stores = [await open(), await open()] as const;
      const { id, passwordHash } = newUser();
      await stores[0].createUser(newUser({ id, passwordHash }));
      const rehash = { userId: id, expectedHash: passwordHash, expectedVersion: 1 };
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, nth) =>
          stores[nth % 2 ? 1 : 0].replacePasswordHash({ ...rehash, newHash: `rehashed ${nth}` }),
        ),
      );
      expect(results.filter(Boolean)).toHaveLength(1);
      expect(await stores[1].findUser(id)).toMatchObject({
        passwordHash: `rehashed ${results.indexOf(true)}`,
        credentialsVersion: 2,
      });
    });

    it("racing with a disabling, lets a rehash write before it or not at all", async () => {
      const stores = [await open(), await open()] as const;
      for (let round = 0; round < 10; round++) {
        const user = newUser();
        await stores[0].createUser(user);
        const rehash = { userId: user.id, expectedHash: user.passwordHash, expectedVersion: 1, newHash: "rehashed" };
        const [isReplaced] = await Promise.all([
          stores[round % 2 ? 1 : 0].replacePasswordHash(rehash),
          stores[round % 2 ? 0 : 1].disableUser(user.id, NOW + 1),
        ]);
        expect(await stores[0].findUser(user.id)).toMatchObject({
          passwordHash: isReplaced ? "rehashed" : user.passwordHash,
          credentialsVersion: isReplaced ? 3 : 2,
        });
      }
    });

    it("rises once where a user is disabled twice", async () => {
      const store = await open();
      const user = newUser();
      await store.createUser(user);
      await store.disableUser(user.id, NOW + 1);
      await store.disableUser(user.id, NOW + 2);
      expect(await versionOf(store, user.id)).toBe(2);
    });
  });
}
