import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { fill, mountTmpfs } from "../support/places.ts";
import { NOW, newSession, newSigningKey, newUser, passwordChange, proved, vouched } from "../support/records.ts";

it("on a full disk every writing act is rejected with store_unavailable, writes nothing, and works once there is space", async (test) => {
  const directory = mountTmpfs(test, "1m");
  const path = join(directory, "latchkey.db");
  const store = await createSqliteStore(path);
  onTestFinished(() => store.close());

  const [ada, eve] = [newUser(), newUser({ disabledAt: NOW })];
  const [one, two, three] = [newSession({ subject: ada.id }), newSession(), newSession()];
  await store.createUser(ada);
  await store.createUser(eve);
  await store.createSessions([one, two, three].map((session) => vouched(session)));
  const before = await everything(store);

  const rotation = { confirmed: 1, pendingFrom: 2, pendingTo: 2, rotatedAt: NOW + 1, reuseForgivenAt: null };
  const acts = {
    createSessions: () => store.createSessions([proved(newSession({ subject: ada.id }), ada, 1)]),
    changeSessions: () =>
      store.changeSessions([one.id, two.id], (index) =>
        index === 0 ? { rotation } : { revocation: { at: NOW, reason: "refresh_token_reused" } },
      ),
    revokeSessions: () => store.revokeSessions([two.id, three.id], { at: NOW, reason: "logout" }),
    revokeSubjectSessions: () => store.revokeSubjectSessions(three.subject, { at: NOW, reason: "logout_all" }),
    createUser: () => store.createUser(newUser()),
    createFirstAdmin: () => store.createFirstAdmin(newUser({ roles: ["admin"] })),
    setRoles: () => store.setRoles(ada.id, ["ops"], NOW),
    changePassword: () => store.changePassword(passwordChange(ada)),
    disableUser: () => store.disableUser(ada.id, NOW),
    enableUser: () => store.enableUser(eve.id, NOW),
    replaceSigningKeys: () => store.replaceSigningKeys(0, [newSigningKey()]),
    check: () => store.check(),
  };

  const free = fill(directory);
  for (let round = 0; round < 3; round++) {
    for (const [name, act] of Object.entries(acts)) {
      await expect(act(), name).rejects.toMatchObject({
        code: "store_unavailable",
        detail: expect.stringMatching(/disk of .*latchkey\.db is full.*Free some space/),
        retryAfterSeconds: 5,
      });
    }
  }
  expect(await everything(store)).toStrictEqual(before);

  free();
  for (const act of Object.values(acts)) await act();
  const after = await everything(store);
  await store.close();
  const reopened = await createSqliteStore(path);
  onTestFinished(() => reopened.close());
  expect(await everything(reopened)).toStrictEqual(after);
  expect(after).not.toEqual(before);
});

it("on a full disk opening is refused with store_unavailable, and succeeds once there is space", async (test) => {
  const directory = mountTmpfs(test, "1m");
  const free = fill(directory);
  const path = join(directory, "latchkey.db");
  await expect(createSqliteStore(path)).rejects.toMatchObject({
    code: "store_unavailable",
    detail: expect.stringMatching(/full.*Free some space/),
  });
  free();
  const store = await createSqliteStore(path);
  onTestFinished(() => store.close());
  await store.check();
  const freeAgain = fill(directory);
  await expect(createSqliteStore(path)).rejects.toMatchObject({ code: "store_unavailable" });
  freeAgain();
});

/** All that can be read from a store. */
async function everything(store: Store) {
  return {
    users: await store.listUsers("", 1000),
    sessions: await store.listLiveSessions(NOW, 1000),
    revocations: await store.listRevocations(0, 0, 1000),
    keys: await store.readSigningKeys(),
    counts: await store.count(NOW),
  };
}
