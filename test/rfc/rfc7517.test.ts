import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyRing } from "../../src/signing/key-ring.ts";
import type { SigningAlgorithm } from "../../src/signing/signing-algorithms.ts";
import type { Store } from "../../src/store/store.ts";
import { openRing, openStore } from "../support/key-rings.ts";

// One algorithm for each type of key.
const types = { ES256: "EC", EdDSA: "OKP", RS256: "RSA", HS256: "oct" } as const;
const algorithms = Object.keys(types) as (keyof typeof types)[];
const stores: Store[] = [];
const rings = new Map<SigningAlgorithm, KeyRing>();
beforeAll(async () => {
  await Promise.all(
    algorithms.map(async (signingAlg) => {
      const store = await openStore();
      stores.push(store);
      rings.set(signingAlg, await openRing({ store, signingAlg }));
    }),
  );
});
afterAll(() => Promise.all(stores.map((store) => store.close())));

const jwksOf = (alg: SigningAlgorithm) => rings.get(alg)!.jwks();

describe("RFC 7517", () => {
  it.each(algorithms)("section 4: every key for %s has kty, use 'sig', alg and a kid of its own", (alg) => {
    const { keys } = jwksOf(alg);
    for (const key of keys) {
      expect(key).toMatchObject({
        kty: types[alg],
        use: "sig",
        alg,
        kid: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      });
    }
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(keys.length);
  });

  it.each(algorithms)("section 5: the set for %s is an object whose one member is a list of keys", (alg) => {
    expect(Object.keys(jwksOf(alg))).toEqual(["keys"]);
    expect(Array.isArray(jwksOf(alg).keys)).toBe(true);
  });

  it.each(algorithms)(
    "section 9.3: no private member (d, p, q, dp, dq, qi, oth, k) of any key for %s is shown",
    (alg) => {
      const shown = jwksOf(alg).keys.flatMap((key) => Object.keys(key));
      for (const member of ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]) expect(shown).not.toContain(member);
      for (const { kid } of rings.get(alg)!.list()) {
        const key = rings.get(alg)!.find(kid)!.key;
        expect(key.type).toBe(alg === "HS256" ? "secret" : "public");
      }
    },
  );
});
