import { afterAll, expect, it } from "vitest";
import type { KeyRing } from "../../src/signing/key-ring.ts";
import type { Store } from "../../src/store/store.ts";
import { grantAt, outcome, tokensOn } from "../support/access-tokens.ts";
import { createClock, openRing, openStore, PUBLISHED_AFTER_SECONDS } from "../support/key-rings.ts";

const stores: Store[] = [];
afterAll(() => Promise.all(stores.map((store) => store.close())));

async function newStore(): Promise<Store> {
  const store = await openStore();
  stores.push(store);
  return store;
}

const algs = (ring: KeyRing) => Object.fromEntries(ring.list().map(({ state, alg }) => [state, alg]));

it("PARITY 34: a ring moves to another algorithm once its next key is published, and no token is refused on the way", async () => {
  const clock = createClock();
  const store = await newStore();
  const { token: first } = await tokensOn(await openRing({ store, clock }), clock).sign(grantAt(clock));

  const ring = await openRing({ store, clock, signingAlg: "EdDSA" });
  const tokens = tokensOn(ring, clock);
  expect(algs(ring)).toEqual({ current: "ES256", next: "EdDSA" });
  clock.advance(PUBLISHED_AFTER_SECONDS - 1);
  await ring.reload();
  const { token: second } = await tokens.sign(grantAt(clock));
  expect(ring.current().alg).toBe("ES256");
  clock.advance(1);
  await ring.reload();
  const { token: third } = await tokens.sign(grantAt(clock));

  expect(algs(ring)).toEqual({ retired: "ES256", current: "EdDSA", next: "EdDSA" });
  for (const token of [first, second, third]) expect(await outcome(tokens.verify(token))).toBe("accepted");
});

it("a process that still has the old setting follows the move and does not undo it", async () => {
  const clock = createClock();
  const store = await newStore();
  const old = await openRing({ store, clock, signingAlg: "ES256" });
  await openRing({ store, clock, signingAlg: "EdDSA" });
  await old.reload();
  clock.advance(PUBLISHED_AFTER_SECONDS);
  await old.reload();
  expect(algs(old)).toEqual({ retired: "ES256", current: "EdDSA", next: "EdDSA" });
  clock.advance(PUBLISHED_AFTER_SECONDS);
  await old.reload();
  expect(old.current().alg).toBe("EdDSA");
});

it("going back before the move has happened leaves the current key signing", async () => {
  const clock = createClock();
  const store = await newStore();
  const { kid } = (await openRing({ store, clock })).current();
  await openRing({ store, clock, signingAlg: "EdDSA" });
  const back = await openRing({ store, clock, signingAlg: "ES256" });
  clock.advance(PUBLISHED_AFTER_SECONDS * 3);
  await back.reload();
  expect(back.current().kid).toBe(kid);
  expect(algs(back)).toEqual({ current: "ES256", next: "ES256" });
});

it("a process that names no algorithm leaves the ring with its own", async () => {
  const store = await newStore();
  const made = await openRing({ store, signingAlg: "EdDSA" });
  expect((await openRing({ store })).list()).toEqual(made.list());
});
