import { describe, expect, it } from "vitest";
import type { User } from "../../src/records/user.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { passwordChange } from "../support/records.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";

const NEW_PASSWORD = "seven green bottles on a wall";

/** A test bed where something happens to a person after each proof of their password, before what the proof is for is committed. */
async function bedWhere(happens: (store: Store, user: User) => Promise<unknown>) {
  const store = await createSqliteStore(":memory:");
  const meanwhile = async () => {
    const user = await store.findUserByUsername("ada");
    if (isArmed && user !== null) await happens(store, user);
  };
  let isArmed = false;
  const racing: Store = {
    ...store,
    async createSessions(batch) {
      await meanwhile();
      return store.createSessions(batch);
    },
    async changeSessions(ids, decide) {
      await meanwhile();
      return store.changeSessions(ids, decide);
    },
    async changePassword(change) {
      await meanwhile();
      return store.changePassword(change);
    },
  };
  const bed = await createTestBed({ store: racing });
  const pair = await bed.login();
  isArmed = true;
  return { ...bed, store, pair };
}

const disabledAndEnabled = async (store: Store, { id }: User) => {
  const at = Date.now();
  await store.disableUser(id, at);
  await store.enableUser(id, at);
};
const changed = (store: Store, user: User) => store.changePassword(passwordChange(user));

describe("a password that was proved before the person's credentials changed", () => {
  it.each([
    ["were disabled and enabled again", disabledAndEnabled],
    ["had their password changed", changed],
  ])("signs nobody in who then %s", async (_, happens) => {
    const { call, events, store, pair } = await bedWhere(happens);
    const reply = await call("POST", "/auth/login", { json: { username: "ada", password: PASSWORD } });
    expect([reply.status, reply.body.error]).toEqual([401, "invalid_credentials"]);
    expect(events.at(-1)?.type).toBe("login.failed");
    expect((await store.findSession(pair.session_id))?.revokedAt).not.toBeNull();
  });

  it("changes no password of somebody who was then disabled and enabled again", async () => {
    const { issuer, store } = await bedWhere(disabledAndEnabled);
    const before = (await store.findUserByUsername("ada"))!;
    const change = { userId: before.id, currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    await expect(issuer.users.changePassword(change)).rejects.toMatchObject({ code: "wrong_password" });
    expect((await store.findUser(before.id))?.passwordHash).toBe(before.passwordHash);
  });

  it("freshens no session whose user has another version of their credentials by then", async () => {
    const { call, pair, store } = await bedWhere((inStore, { id, passwordHash, credentialsVersion }) =>
      inStore.replacePasswordHash({
        userId: id,
        expectedHash: passwordHash,
        expectedVersion: credentialsVersion,
        newHash: `${passwordHash} `,
      }),
    );
    const before = await store.findSession(pair.session_id);
    const reply = await call("POST", "/auth/reauthenticate", {
      json: { password: PASSWORD },
      bearer: pair.access_token,
    });
    expect(reply.status).toBe(401);
    expect(await store.findSession(pair.session_id)).toStrictEqual(before);
  });
});
