import { describe, expect, it, onTestFinished } from "vitest";
import { createHandler, createIssuer } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { newPath } from "../support/places.ts";
import { crowdedStore } from "../support/sqlite-crowd.ts";
import { ISSUER, PASSWORD, SECRET } from "../support/test-bed.ts";

/** An issuer and its handler on a real store that counts what it is asked. */
async function countingWorld(store: Store) {
  const asked: string[] = [];
  const counting: Store = {
    ...store,
    count: (now) => {
      asked.push("count");
      return store.count(now);
    },
    check: () => {
      asked.push("check");
      return store.check();
    },
  };
  const issuer = await createIssuer({ issuer: ISSUER, secret: SECRET, store: counting });
  onTestFinished(() => issuer.close());
  return { issuer, asked, handler: createHandler(issuer) };
}

describe("what many ask for at once", () => {
  it("is checked once a second by /readyz, for all who ask", async () => {
    const { handler, asked } = await countingWorld(await createSqliteStore(newPath()));
    const ready = async () => (await handler.fetch(new Request(`${ISSUER}/readyz`))).status;
    expect(new Set(await Promise.all(Array.from({ length: 50 }, ready)))).toEqual(new Set([200]));
    for (let index = 0; index < 50; index++) expect(await ready()).toBe(200);
    expect(asked.length).toBeLessThan(50);
    const before = asked.length;
    await expect.poll(async () => [await ready(), asked.length > before]).toEqual([200, true]);
  });

  it("is counted once where counting takes long, and each time where it does not", async () => {
    const large = await countingWorld((await crowdedStore({ size: 60_000 })).store);
    const counted = await Promise.all([large.issuer.metrics(), large.issuer.metrics()]);
    expect((await large.issuer.metrics()).store).toEqual(counted[0].store);
    expect(counted[1].store.users).toBe(60_001);
    expect(large.asked).toEqual(["count"]);

    const small = await countingWorld(await createSqliteStore(newPath()));
    for (const users of [1, 2]) {
      await small.issuer.users.create({ username: `user-${users}`, password: PASSWORD, roles: [] });
      expect((await small.issuer.metrics()).store.users).toBe(users);
    }
  });
});
