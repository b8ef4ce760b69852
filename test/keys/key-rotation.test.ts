import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import type { Jwks, KeyRing } from "../../src/signing/key-ring.ts";
import type { AccessTokens } from "../../src/signing/sign-access-token.ts";
import type { Store } from "../../src/store/store.ts";
import { AUDIENCE, grantAt, ISSUER, outcome, tokensOn } from "../support/access-tokens.ts";
import {
  createClock,
  KEPT_FOR_SECONDS,
  openRing,
  openStore,
  PUBLISHED_AFTER_SECONDS,
  RELOAD_SECONDS,
  STALE_AFTER_SECONDS,
  schedule,
  type TestClock,
} from "../support/key-rings.ts";

const stores: Store[] = [];
afterAll(() => Promise.all(stores.map((store) => store.close())));

async function newStore(): Promise<Store> {
  const store = await openStore();
  stores.push(store);
  return store;
}

const inJwks = (ring: KeyRing, kid: string) => ring.jwks().keys.some((key) => key.kid === kid);
const nextKid = (ring: KeyRing) => ring.list().find(({ state }) => state === "next")!.kid;

describe("PARITY 34: rotation of the signing key by schedule", () => {
  it("happens when the rotation is due; tokens of the old key verify until they expire, and then the key is gone", async () => {
    const clock = createClock();
    const ring = await openRing({ store: await newStore(), clock });
    const tokens = tokensOn(ring, clock);
    const [first, second] = [ring.current().kid, nextKid(ring)];

    clock.advance(schedule.keyRotationSeconds - 1);
    await ring.reload();
    expect(ring.current().kid).toBe(first);
    const { token: old } = await tokens.sign(grantAt(clock));
    clock.advance(1);
    await ring.reload();
    expect(ring.current().kid).toBe(second);
    const { token: young } = await tokens.sign(grantAt(clock));

    clock.advance(schedule.accessTtlSeconds - 2);
    await ring.reload();
    expect(await outcome(tokens.verify(old))).toBe("accepted");
    expect(await outcome(tokens.verify(young))).toBe("accepted");
    clock.advance(1);
    expect(await outcome(tokens.verify(old))).toBe("access_token_expired");
    expect(inJwks(ring, first)).toBe(true);

    clock.advance(KEPT_FOR_SECONDS - schedule.accessTtlSeconds + 1);
    expect(ring.find(first)).toBeUndefined();
    expect(inJwks(ring, first)).toBe(false);
    await ring.reload();
    expect(ring.list().map(({ kid }) => kid)).not.toContain(first);
  });

  it("goes on whenever a process next looks, however long nobody did", async () => {
    const clock = createClock();
    const store = await newStore();
    const [first, second] = [await openRing({ store, clock }), await openRing({ store, clock })];
    clock.advance(schedule.keyRotationSeconds * 5);
    await Promise.all([first.reload(), second.reload()]);
    expect(first.list().filter(({ state }) => state === "retired")).toHaveLength(1);
    await second.reload();
    expect(second.list()).toEqual(first.list());
  });
});

describe("PARITY 34: rotation of the signing key by hand", () => {
  it("makes the next key current, retires the old one and makes a fresh next", async () => {
    const clock = createClock();
    const ring = await openRing({ store: await newStore(), clock });
    const [first, second] = [ring.current().kid, nextKid(ring)];
    clock.advance(PUBLISHED_AFTER_SECONDS);
    expect(await ring.rotate()).toMatchObject({ kid: second, state: "current", activatedAt: clock.now() });
    expect(ring.list().find(({ kid }) => kid === first)).toMatchObject({
      state: "retired",
      retiredAt: clock.now(),
      verifiesUntil: clock.now() + KEPT_FOR_SECONDS * 1000,
    });
    expect([first, second]).not.toContain(nextKid(ring));
  });

  it("SECURITY 46: is refused to the second while verifiers may not have the next key, says how long, and can be forced", async () => {
    const clock = createClock();
    const ring = await openRing({ store: await newStore(), clock });
    const before = ring.list();
    clock.advance(12);
    await expect(ring.rotate()).rejects.toThrow(
      expect.objectContaining({
        code: "signing_key_too_new",
        description: expect.stringMatching(/created 12 s ago.*Wait 318 s, or force it/),
        retryAfterSeconds: PUBLISHED_AFTER_SECONDS - 12,
      }),
    );
    clock.advance(PUBLISHED_AFTER_SECONDS - 12.001);
    await expect(ring.rotate()).rejects.toThrow(expect.objectContaining({ code: "signing_key_too_new" }));
    expect(ring.list()).toEqual(before);
    await ring.rotate({ force: true });
    await expect(ring.rotate()).rejects.toThrow(expect.objectContaining({ code: "signing_key_too_new" }));
    clock.advance(PUBLISHED_AFTER_SECONDS);
    await ring.rotate();
    expect(ring.list().filter(({ state }) => state === "retired")).toHaveLength(2);
  });

  it.each([
    [
      "as soon as it is allowed: every verifier accepts the new key, even one that cached the JWKS of a lagging process",
      330,
      "accepted",
    ],
    ["by force a second earlier: such a verifier refuses it, which is what the wait is for", 329, "refused"],
  ])("SECURITY 46: %s", async (_, afterSeconds, expected) => {
    const clock = createClock();
    const store = await newStore();
    const [ring, lagging] = [await openRing({ store, clock }), await openRing({ store, clock })];
    const remote = createRemoteVerifier(clock, schedule.jwksMaxAgeSeconds);
    const tokens = tokensOn(ring, clock);
    await ring.rotate({ force: true });
    clock.advance(29.999);
    const before = (await tokens.sign(grantAt(clock))).token;
    expect(await remote(lagging, before)).toBe("accepted");
    clock.advance(afterSeconds - 29.999);
    await ring.rotate({ force: afterSeconds < PUBLISHED_AFTER_SECONDS });
    expect(await remote(ring, (await tokens.sign(grantAt(clock))).token)).toBe(expected);
  });

  it("twice at once in two processes rotates twice, loses no key and leaves both with one ring", async () => {
    const clock = createClock();
    const store = await newStore();
    const rings = [await openRing({ store, clock }), await openRing({ store, clock })];
    await Promise.all(rings.map((ring) => ring.rotate({ force: true })));
    await Promise.all(rings.map((ring) => ring.reload()));
    expect(rings[0]!.list()).toEqual(rings[1]!.list());
    expect(
      rings[0]!
        .list()
        .map(({ state }) => state)
        .sort(),
    ).toEqual(["current", "next", "retired", "retired"]);
  });
});

describe("two processes on one store that disagree about the newest key", () => {
  it("verify each other's access tokens, whichever of them has not reloaded", async () => {
    const clock = createClock();
    const store = await newStore();
    const [here, there] = [await openRing({ store, clock }), await openRing({ store, clock })];
    const [tokensHere, tokensThere] = [tokensOn(here, clock), tokensOn(there, clock)];
    await there.rotate({ force: true });
    await there.rotate({ force: true });
    expect(here.current().kid).not.toBe(there.current().kid);
    const fromHere = (await tokensHere.sign(grantAt(clock))).token;
    const fromThere = (await tokensThere.sign(grantAt(clock))).token;
    expect(await outcome(tokensThere.verify(fromHere))).toBe("accepted");
    expect(await outcome(tokensHere.verify(fromThere))).toBe("accepted");
  });

  it("a process that has not reloaded for too long does so before it signs, so what it signs outlives no key", async () => {
    const clock = createClock();
    const store = await newStore();
    const [here, idle] = [await openRing({ store, clock }), await openRing({ store, clock })];
    const tokens = tokensOn(idle, clock);
    await here.rotate({ force: true });

    clock.advance(STALE_AFTER_SECONDS - 1);
    const { token: last } = await tokens.sign(grantAt(clock));
    expect(idle.current().kid).not.toBe(here.current().kid);
    clock.advance(1);
    await tokens.sign(grantAt(clock));
    expect(idle.current().kid).toBe(here.current().kid);

    clock.advance(schedule.accessTtlSeconds - 1.001);
    await here.reload();
    expect(await outcome(tokensOn(here, clock).verify(last))).toBe("accepted");
  });
});

describe("SECURITY 47", () => {
  it("one rotation a minute for an hour: no process and no verifier with a cached JWKS refuses a token that is good", async () => {
    const clock = createClock();
    const store = await newStore();
    const often = { ...schedule, accessTtlSeconds: 120, keyRotationSeconds: 60, jwksMaxAgeSeconds: 30 };
    const rings = await Promise.all([0, 1, 2].map(() => openRing({ store, clock, ...often })));
    const processes = rings.map((ring) => tokensOn(ring, clock, { accessTtlSeconds: 120 }));
    const remote = createRemoteVerifier(clock, often.jwksMaxAgeSeconds);
    const used = new Set<string>();
    let live: { readonly token: string; readonly expiresAtSeconds: number }[] = [];
    let refused = 0;
    let checks = 0;

    for (let second = 0; second < 3600; second += 5) {
      clock.advance(5);
      // The third process never reloads but when it has to before it signs, so it also signs with keys that have retired.
      if (second % RELOAD_SECONDS === 0) await rings[0]!.reload();
      else await rings[1]!.reload();
      const signed = await Promise.all(
        processes.filter((_, at) => at < 2 || second % 15 === 0).map((tokens) => tokens.sign(grantAt(clock))),
      );
      for (const ring of rings) used.add(ring.current().kid);
      live = [...live, ...signed].filter(({ expiresAtSeconds }) => clock.now() < expiresAtSeconds * 1000);
      const dying = live.filter(({ expiresAtSeconds }) => clock.now() >= (expiresAtSeconds - 5) * 1000);
      const verdicts = await Promise.all([
        ...processes.flatMap((tokens) => live.map(({ token }) => outcome(tokens.verify(token)))),
        ...[...signed, ...dying].map(({ token }) => remote(rings[second % 3]!, token)),
      ]);
      checks += verdicts.length;
      refused += verdicts.filter((verdict) => verdict !== "accepted").length;
    }
    expect(refused).toBe(0);
    expect(checks).toBeGreaterThan(100_000);
    expect(used.size).toBeGreaterThan(50);
  });
});

describe("SECURITY 48: taking out a key that has leaked", () => {
  async function setUp() {
    const clock = createClock();
    const store = await newStore();
    const rings = [await openRing({ store, clock }), await openRing({ store, clock })] as const;
    const tokens = rings.map((ring) => tokensOn(ring, clock)) as unknown as readonly [AccessTokens, AccessTokens];
    const { token } = await tokens[0].sign(grantAt(clock));
    for (const one of tokens) expect(await outcome(one.verify(token))).toBe("accepted");
    return { clock, rings, tokens, token, kid: rings[0].current().kid };
  }

  it("refuses what it signed at once here, remembered or not, and elsewhere at the next reload", async () => {
    const { rings, tokens, token, kid } = await setUp();
    await rings[0].remove(kid);
    expect(tokens[0].readCached(token)).toBeUndefined();
    expect(await outcome(tokens[0].verify(token))).toBe("invalid_access_token");
    expect(inJwks(rings[0], kid)).toBe(false);
    expect(await outcome(tokens[1].verify(token))).toBe("accepted");
    await rings[1].reload();
    expect(await outcome(tokens[1].verify(token))).toBe("invalid_access_token");
  });

  it("lets the next key sign at once, though it may not be known everywhere yet", async () => {
    const { clock, rings, tokens, kid } = await setUp();
    const next = nextKid(rings[0]);
    await rings[0].remove(kid);
    expect(rings[0].current().kid).toBe(next);
    const { token } = await tokens[0].sign(grantAt(clock));
    expect(await outcome(tokens[1].verify(token))).toBe("accepted");
  });

  it("replaces a next key by a fresh one and leaves the current key alone", async () => {
    const { rings, kid } = await setUp();
    const next = nextKid(rings[0]);
    await rings[0].remove(next);
    expect(rings[0].current().kid).toBe(kid);
    expect(nextKid(rings[0])).not.toBe(next);
  });

  it("says not_found for a kid that the ring does not have, and changes nothing", async () => {
    const { rings } = await setUp();
    const before = rings[0].list();
    await expect(rings[0].remove("unknown")).rejects.toThrow(expect.objectContaining({ code: "not_found" }));
    expect(rings[0].list()).toEqual(before);
  });
});

/** A verifier in another service: plain jose, a JWKS fetched from any process and kept as long as it may be. */
function createRemoteVerifier(clock: TestClock, maxAgeSeconds: number) {
  let cached: { readonly jwks: Jwks; readonly at: number } | undefined;
  return async (ring: KeyRing, token: string): Promise<"accepted" | "refused"> => {
    if (cached === undefined || clock.now() >= cached.at + maxAgeSeconds * 1000)
      cached = { jwks: ring.jwks(), at: clock.now() };
    const options = {
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: "at+jwt",
      algorithms: ["ES256"],
      currentDate: new Date(clock.now()),
    };
    return jwtVerify(token, createLocalJWKSet(cached.jwks as JSONWebKeySet), options).then(
      () => "accepted",
      () => "refused",
    );
  };
}
