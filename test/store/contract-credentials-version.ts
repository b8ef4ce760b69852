import { describe, expect, it } from "vitest";
import type { Store } from "../../src/store/store.ts";
import type { OpenStore } from "./place.ts";
import { NOW, newId, newUser } from "./records.ts";

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
        () => store.replacePasswordHash({ userId: id, expectedHash: passwordHash, newHash: "rehashed" }),
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
      await store.replacePasswordHash({ userId: id, expectedHash: "another", newHash: "rehashed" });
      await store.disableUser(newId(), NOW + 3);
      expect(await versionOf(store, id)).toBe(1);
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
