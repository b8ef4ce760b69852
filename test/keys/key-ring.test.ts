import { generateKeyPairSync } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { LatchkeyError } from "../../src/errors.ts";
import type { StoredSigningKey } from "../../src/records/signing-key.ts";
import { seal } from "../../src/secrets/sealing.ts";
import { keyThumbprint, type SigningAlgorithm, signingAlgorithms } from "../../src/signing/signing-algorithms.ts";
import type { Store } from "../../src/store/store.ts";
import { counting, createClock, openRing, openStore, rootKeys } from "../support/key-rings.ts";

const unusable = expect.objectContaining({ code: "store_unusable" });
const A_KID = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const stores: Store[] = [];
afterAll(() => Promise.all(stores.map((store) => store.close())));

async function newStore(): Promise<Store> {
  const store = await openStore();
  stores.push(store);
  return store;
}

async function alter(store: Store, change: (key: StoredSigningKey) => StoredSigningKey): Promise<void> {
  const { version, keys } = await store.readSigningKeys();
  expect(await store.replaceSigningKeys(version, keys.map(change))).toBe(true);
}

describe("opening a key ring", () => {
  it("makes a current and a next key in one write on the first start, and finds the same ones on the second", async () => {
    const store = counting(await newStore());
    const first = await openRing({ store });
    expect(first.list().map(({ state, alg }) => [state, alg])).toEqual(
      expect.arrayContaining([
        ["current", "ES256"],
        ["next", "ES256"],
      ]),
    );
    expect(store.counts).toEqual({ reads: 1, writes: 1 });
    const second = await openRing({ store });
    expect(second.list()).toEqual(first.list());
    expect(second.current().kid).toBe(first.current().kid);
    expect(store.counts).toEqual({ reads: 2, writes: 1 });
  });

  it("eight processes that start at once on an empty store agree on one ring", async () => {
    const store = await newStore();
    const rings = await Promise.all(Array.from({ length: 8 }, () => openRing({ store })));
    expect(new Set(rings.map((ring) => JSON.stringify(ring.list()))).size).toBe(1);
    expect((await store.readSigningKeys()).version).toBe(1);
  });

  it("gives up with store_unavailable when other processes win every time", async () => {
    const empty = await newStore();
    const store = { readSigningKeys: () => empty.readSigningKeys(), replaceSigningKeys: async () => false };
    await expect(openRing({ store })).rejects.toThrow(expect.objectContaining({ code: "store_unavailable" }));
  });

  it("refuses a rotation so quick that no verifier could have the next key, naming the option", async () => {
    const tooQuick = openRing({ keyRotationSeconds: 329, jwksMaxAgeSeconds: 300, store: await newStore() });
    await expect(tooQuick).rejects.toThrow(/^Option 'keyRotationSeconds' must be 330 or more/);
    await openRing({ keyRotationSeconds: 330, jwksMaxAgeSeconds: 300, store: await newStore() });
  });

  it("describes keys without any private part", async () => {
    const ring = await openRing({ store: await newStore() });
    for (const description of ring.list()) {
      expect(Object.keys(description).sort()).toEqual(
        ["activatedAt", "alg", "createdAt", "kid", "retiredAt", "signsFrom", "state", "verifiesUntil"].sort(),
      );
    }
    expect(Object.keys(ring.current()).sort()).toEqual(["alg", "kid", "sign"]);
  });
});

describe("a ring that was altered in the store", () => {
  it("is refused when a sealed private key has one bit changed", async () => {
    const store = await newStore();
    await openRing({ store });
    await alter(store, (key) => {
      const sealedPrivateKey = Uint8Array.from(key.sealedPrivateKey);
      sealedPrivateKey[40]! ^= 1;
      return { ...key, sealedPrivateKey };
    });
    await expect(openRing({ store })).rejects.toThrow(unusable);
  });

  it("is refused when two keys have changed places", async () => {
    const store = await newStore();
    await openRing({ store });
    const { keys } = await store.readSigningKeys();
    const other = (kid: string) => keys.find((key) => key.kid !== kid)!;
    await alter(store, (key) => ({ ...key, sealedPrivateKey: other(key.kid).sealedPrivateKey }));
    await expect(openRing({ store })).rejects.toThrow(unusable);
  });

  it("verifies with and publishes the public key that belongs to the sealed private one, whatever the row says", async () => {
    const store = await newStore();
    const published = (await openRing({ store })).jwks();
    const attackers = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" });
    await alter(store, (key) => ({ ...key, publicJwk: JSON.stringify({ ...attackers, kid: key.kid, alg: "ES256" }) }));
    const reopened = await openRing({ store });
    expect(reopened.jwks()).toEqual(published);
    const { kid, x } = published.keys[0]!;
    expect(reopened.find(kid)?.key.export({ format: "jwk" })).toMatchObject({ x });
  });

  it("is refused when a key's algorithm is changed, or is one that this version does not know", async () => {
    for (const alg of ["HS256", "EdDSA", "ML-DSA-44", "toString"]) {
      const store = await newStore();
      await openRing({ store });
      await alter(store, (key) => ({ ...key, alg }));
      await expect(openRing({ store }), alg).rejects.toThrow(unusable);
    }
  });

  it("SECURITY 49: is refused when a well-sealed key is too weak for its algorithm", async () => {
    const store = await newStore();
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const der = privateKey.export({ format: "der", type: "pkcs8" });
    await openRing({ store });
    await alter(store, (key) => ({
      ...key,
      alg: "RS256",
      sealedPrivateKey: seal(rootKeys.current, { kid: key.kid, alg: "RS256" }, der, systemEnvironment.random),
    }));
    await expect(openRing({ store })).rejects.toThrow(unusable);
  });

  it("does not disturb a process that has the ring open: a reload that fails leaves it signing and verifying", async () => {
    const store = await newStore();
    const ring = await openRing({ store });
    const before = ring.current().kid;
    await alter(store, (key) => (key.state === "next" ? { ...key, kid: A_KID } : key));
    await expect(ring.reload()).rejects.toThrow(unusable);
    expect(ring.current().kid).toBe(before);
    expect(ring.find(before)).toBeDefined();
  });
});

describe("reloading", () => {
  it("a hundred calls at once share one read, and a call during a read gets one that began after it", async () => {
    const store = counting(await newStore());
    const ring = await openRing({ store });
    const before = store.counts.reads;
    const waiting = Promise.all(Array.from({ length: 100 }, () => ring.reload()));
    await Promise.resolve();
    await Promise.all([waiting, ...Array.from({ length: 100 }, () => ring.reload())]);
    expect(store.counts.reads - before).toBe(2);
  });

  it("a read that was slow never takes the place of what a rotation meanwhile has made", async () => {
    const store = await newStore();
    let holdNextRead = false;
    const held = createGate();
    const reading = createGate();
    const slow = {
      replaceSigningKeys: store.replaceSigningKeys.bind(store),
      async readSigningKeys() {
        const hold = holdNextRead;
        holdNextRead = false;
        const read = await store.readSigningKeys();
        if (hold) {
          reading.open();
          await held.opened;
        }
        return read;
      },
    };
    const ring = await openRing({ store: slow });
    holdNextRead = true;
    const reloading = ring.reload();
    await reading.opened;
    const rotating = ring.rotate({ force: true });
    await setTimeout(20);
    held.open();
    await Promise.all([reloading, rotating]);
    expect(ring.list()).toEqual((await openRing({ store })).list());
    expect(ring.list()).toHaveLength(3);
  });
});

describe("SECURITY 45: the JWKS", () => {
  const members: { readonly [alg: string]: readonly string[] } = {
    ES256: ["alg", "crv", "kid", "kty", "use", "x", "y"],
    EdDSA: ["alg", "crv", "kid", "kty", "use", "x"],
    RS256: ["alg", "e", "kid", "kty", "n", "use"],
    PS256: ["alg", "e", "kid", "kty", "n", "use"],
  };

  it.each(Object.keys(members) as SigningAlgorithm[])(
    "%s: holds exactly the public members of the current and the next key, each kid a unique RFC 7638 thumbprint",
    async (signingAlg) => {
      const ring = await openRing({ store: await newStore(), signingAlg });
      const { keys } = ring.jwks();
      expect(keys.map(({ kid }) => kid).sort()).toEqual(
        ring
          .list()
          .map(({ kid }) => kid)
          .sort(),
      );
      expect(new Set(keys.map(({ kid }) => kid)).size).toBe(2);
      for (const key of keys) {
        expect(Object.keys(key).sort()).toEqual(members[signingAlg]);
        expect(key).toMatchObject({ alg: signingAlg, use: "sig", kid: await keyThumbprint({ ...key }) });
      }
    },
  );

  it("HS256: is empty, since the secret is never published", async () => {
    const ring = await openRing({ store: await newStore(), signingAlg: "HS256" });
    expect(ring.list()).toHaveLength(2);
    expect(ring.jwks()).toEqual({ keys: [] });
  });

  it("cannot be changed by whoever reads it", async () => {
    const ring = await openRing({ store: await newStore() });
    const before = JSON.stringify(ring.jwks());
    expect(() => Object.assign(ring.jwks().keys[0]!, { x: "forged" })).toThrow(TypeError);
    (ring.jwks().keys as unknown[]).length = 0;
    expect(JSON.stringify(ring.jwks())).toBe(before);
  });
});

describe("SECURITY 44: an unknown kid", () => {
  const clock = createClock();
  let store: ReturnType<typeof counting>;
  let ring: Awaited<ReturnType<typeof openRing>>;
  beforeAll(async () => {
    store = counting(await newStore());
    ring = await openRing({ store, clock });
  });

  it("that no thumbprint looks like (traversal, SQL, 1 MB, empty) causes no read of the store", async () => {
    const before = store.counts.reads;
    const hostile = [
      "../../../../etc/passwd",
      "' OR '1'='1",
      "x".repeat(1_000_000),
      "",
      "__proto__",
      `${A_KID}=`,
      A_KID.slice(1),
      `${A_KID}\n`,
    ];
    for (const kid of hostile) expect(await ring.findOrReload(kid)).toBeUndefined();
    expect(store.counts.reads).toBe(before);
  });

  it("that looks like one causes one read, however many ask, and one more only a second later", async () => {
    const before = store.counts.reads;
    const ask = () =>
      Promise.all(
        Array.from({ length: 500 }, (_, n) => ring.findOrReload(A_KID.slice(4) + String(n).padStart(4, "0"))),
      );
    expect((await ask()).every((found) => found === undefined)).toBe(true);
    await ask();
    clock.advance(0.999);
    await ask();
    expect(store.counts.reads).toBe(before + 1);
    clock.advance(0.001);
    await ask();
    expect(store.counts.reads).toBe(before + 2);
  });

  it("is found, by all who ask at once, when another process has just made it", async () => {
    const shared = await newStore();
    const [here, there] = [await openRing({ store: shared, clock }), await openRing({ store: shared, clock })];
    await there.rotate({ force: true });
    await there.rotate({ force: true });
    const { kid } = there.current();
    expect(here.find(kid)).toBeUndefined();
    const found = await Promise.all(Array.from({ length: 50 }, () => here.findOrReload(kid)));
    expect(found.map((key) => key?.kid)).toEqual(Array(50).fill(kid));
  });

  it("is simply unknown while the store does not answer", async () => {
    const working = await newStore();
    let broken = false;
    const flaky = {
      replaceSigningKeys: working.replaceSigningKeys.bind(working),
      readSigningKeys: () =>
        broken ? Promise.reject(new LatchkeyError("store_unavailable")) : working.readSigningKeys(),
    };
    const open = await openRing({ store: flaky, clock });
    broken = true;
    expect(await open.findOrReload(A_KID)).toBeUndefined();
    await expect(open.reload()).rejects.toThrow(expect.objectContaining({ code: "store_unavailable" }));
  });
});

it("the algorithms that the tests above go through are all there are", () => {
  expect([...signingAlgorithms].sort()).toEqual(["ES256", "EdDSA", "HS256", "PS256", "RS256"]);
});

function createGate() {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}
