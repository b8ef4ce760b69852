import { afterAll, expect, it } from "vitest";
import { deriveRootKeys } from "../../src/secrets/root-secret.ts";
import type { Store } from "../../src/store/store.ts";
import { grantAt, outcome, tokensOn } from "../support/access-tokens.ts";
import { createClock, OTHER_SECRET, openRing, openStore, SECRET } from "../support/key-rings.ts";

const stores: Store[] = [];
afterAll(() => Promise.all(stores.map((store) => store.close())));

async function newStore(): Promise<Store> {
  const store = await openStore();
  stores.push(store);
  return store;
}

it("SECURITY 118: with the previous root secret given, the same keys go on and access tokens stay good", async () => {
  const clock = createClock();
  const store = await newStore();
  const before = await openRing({ store, clock });
  const { token } = await tokensOn(before, clock).sign(grantAt(clock));
  const after = await openRing({ store, clock, rootKeys: deriveRootKeys(OTHER_SECRET, SECRET) });
  expect(after.list()).toEqual(before.list());
  expect(await outcome(tokensOn(after, clock).verify(token))).toBe("accepted");
});

it("opening under the new root secret seals every key anew, so the previous one is not needed again", async () => {
  const store = await newStore();
  const before = await openRing({ store });
  await openRing({ store, rootKeys: deriveRootKeys(OTHER_SECRET, SECRET) });
  const after = await openRing({ store, rootKeys: deriveRootKeys(OTHER_SECRET) });
  expect(after.list()).toEqual(before.list());
  await expect(openRing({ store })).rejects.toThrow(expect.objectContaining({ code: "store_unusable" }));
});

it("two processes that both seal anew end with one ring that opens under the new root secret alone", async () => {
  const store = await newStore();
  await openRing({ store });
  const changed = deriveRootKeys(OTHER_SECRET, SECRET);
  await Promise.all([openRing({ store, rootKeys: changed }), openRing({ store, rootKeys: changed })]);
  await openRing({ store, rootKeys: deriveRootKeys(OTHER_SECRET) });
});

it("a key that a process still on the old root secret makes is sealed anew at the next reload", async () => {
  const store = await newStore();
  const old = await openRing({ store });
  const changed = await openRing({ store, rootKeys: deriveRootKeys(OTHER_SECRET, SECRET) });
  await old.rotate({ force: true });
  await changed.reload();
  expect(changed.list()).toEqual(old.list());
  await openRing({ store, rootKeys: deriveRootKeys(OTHER_SECRET) });
});

it("without the previous root secret it refuses to open, naming both settings, and alters nothing", async () => {
  const store = await newStore();
  await openRing({ store });
  const before = await store.readSigningKeys();
  await expect(openRing({ store, rootKeys: deriveRootKeys(OTHER_SECRET) })).rejects.toThrow(
    expect.objectContaining({
      code: "store_unusable",
      detail: expect.stringMatching(/LATCHKEY_SECRET .*LATCHKEY_SECRET_PREVIOUS/),
    }),
  );
  expect(await store.readSigningKeys()).toEqual(before);
});
