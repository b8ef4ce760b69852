import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AccessTokenClaims } from "../../src/access-token/claims.ts";
import { createVerifiedTokens } from "../../src/access-token/remembered.ts";
import type { KeyRing } from "../../src/signing/key-ring.ts";
import type { AccessTokens } from "../../src/signing/sign-access-token.ts";
import type { Store } from "../../src/store/store.ts";
import { goodClaims, goodHeader, grantAt, outcome, session, signedBy, tokensOn } from "../support/access-tokens.ts";
import { createClock, openRing, openStore, type TestClock } from "../support/key-rings.ts";

let store: Store;
let ring: KeyRing;
let clock: TestClock;
let tokens: AccessTokens;
beforeAll(async () => {
  store = await openStore();
  ring = await openRing({ store });
});
afterAll(() => store.close());
beforeEach(() => {
  clock = createClock();
  tokens = tokensOn(ring, clock);
});

const sign = async (generation = 1) => (await tokens.sign(grantAt(clock, { generation }))).token;

describe("SECURITY 43: the cache of verified access tokens", () => {
  it("knows a token only after it has been verified, and then gives the very same frozen claims", async () => {
    const token = await sign();
    expect(tokens.readCached(token)).toBeUndefined();
    const claims = await tokens.verify(token);
    expect(tokens.readCached(token)).toBe(claims);
    expect(await tokens.verify(token)).toBe(claims);
    expect(Object.isFrozen(claims)).toBe(true);
  });

  it("CVE-2026-35039 fast-jwt: tells tokens apart by their full text: no prefix, suffix or shared part leads to others", async () => {
    const [first, second] = [await sign(1), await sign(2)];
    await tokens.verify(first);
    const [header, payload, signature] = first.split(".") as [string, string, string];
    const near = [
      second,
      `${first}A`,
      `A${first}`,
      ` ${first}`,
      `${first} `,
      first.slice(0, -1),
      `${header}.${payload}.${second.split(".")[2]}`,
      `${header}.${second.split(".")[1]}.${signature}`,
      first.toLowerCase(),
      `${header}.${payload}.`,
    ];
    for (const text of near) expect(tokens.readCached(text)).toBeUndefined();
    await tokens.verify(second);
    expect(tokens.readCached(first)?.jti).toMatch(/\.1\./);
    expect(tokens.readCached(second)?.jti).toMatch(/\.2\./);
  });

  it("never keeps a token that was refused, nor one that was let through although expired", async () => {
    const token = await sign();
    const forged = `${token.slice(0, -4)}AAAA`;
    expect(await outcome(tokens.verify(forged))).toBe("invalid_access_token");
    expect(tokens.readCached(forged)).toBeUndefined();
    clock.advance(901);
    await tokens.read(token, { acceptExpired: true });
    expect(tokens.readCached(token)).toBeUndefined();
  });

  it.each([0, 5])(
    "holds exp exactly at its boundary with %i s of leeway, though it knows the token",
    async (leewaySeconds) => {
      const lenient = tokensOn(ring, clock, { leewaySeconds });
      const { token } = await lenient.sign(grantAt(clock));
      await lenient.verify(token);
      clock.advance(900 + leewaySeconds - 0.001);
      expect(lenient.readCached(token)).toBeDefined();
      clock.advance(0.001);
      expect(lenient.readCached(token)).toBeUndefined();
      expect(await outcome(lenient.verify(token))).toBe("access_token_expired");
    },
  );

  it("holds iat and nbf when the clock steps back, though it knows the token", async () => {
    const now = clock.now() / 1000;
    const notBefore = await signedBy(ring.current(), goodHeader(ring.current()), goodClaims(clock, { nbf: now }));
    const token = await sign();
    for (const text of [token, notBefore]) await tokens.verify(text);
    clock.advance(-1);
    for (const text of [token, notBefore]) {
      expect(tokens.readCached(text)).toBeUndefined();
      expect(await outcome(tokens.verify(text))).toBe("invalid_access_token");
    }
    clock.advance(1);
    expect(tokens.readCached(token)).toBeDefined();
  });

  it("is bounded in number: the oldest gives way and is verified anew when it comes again", async () => {
    const small = tokensOn(ring, clock, { verifiedCacheSize: 3 });
    const all = await Promise.all([1, 2, 3, 4].map((generation) => sign(generation)));
    for (const token of all) await small.verify(token);
    expect(all.map((token) => small.readCached(token) !== undefined)).toEqual([false, true, true, true]);
    expect(await outcome(small.verify(all[0]!))).toBe("accepted");
    expect(all.map((token) => small.readCached(token) !== undefined)).toEqual([true, false, true, true]);
  });

  it("of size 0 remembers nothing, and tokens verify all the same", async () => {
    const none = tokensOn(ring, clock, { verifiedCacheSize: 0 });
    const token = await sign();
    expect(await outcome(none.verify(token))).toBe("accepted");
    expect(none.readCached(token)).toBeUndefined();
  });

  it("tells texts apart that are looked for in one place: neither leads to the other's claims, nor is the other forgotten", () => {
    const verified = createVerifiedTokens(10);
    const [first, second] = [`first.${"x".repeat(80)}`, `second.${"x".repeat(80)}`];
    verified.remember(first, { claims: { jti: "first" } as AccessTokenClaims, kid: "kid" });
    expect(verified.find(second)).toBeUndefined();
    verified.forget(second);
    expect(verified.find(first)?.claims.jti).toBe("first");
    verified.remember(second, { claims: { jti: "second" } as AccessTokenClaims, kid: "kid" });
    expect(verified.find(second)?.claims.jti).toBe("second");
    expect(verified.find(first)).toBeUndefined();
  });

  it("never holds more than its capacity, whatever comes", () => {
    const verified = createVerifiedTokens(100);
    const claims = { jti: session.id } as AccessTokenClaims;
    for (let n = 0; n < 10_000; n++) {
      verified.remember(`token ${n % 700}`, { claims, kid: "kid" });
      expect(verified.size).toBeLessThanOrEqual(100);
    }
    verified.forget("token 199");
    expect(verified.find("token 199")).toBeUndefined();
  });

  it("lets go of a token whose key has left the ring, as a retired one does when its time is over", async () => {
    const own = await openStore();
    const keys = await openRing({ store: own, clock });
    const verifying = tokensOn(keys, clock, { accessTtlSeconds: 1_000_000 });
    const { token } = await verifying.sign(grantAt(clock));
    await verifying.verify(token);
    await keys.rotate({ force: true });
    expect(verifying.readCached(token)).toBeDefined();
    clock.advance(keys.list().find(({ state }) => state === "retired")!.verifiesUntil! / 1000 - clock.now() / 1000);
    expect(verifying.readCached(token)).toBeUndefined();
    expect(await outcome(verifying.verify(token))).toBe("invalid_access_token");
    await own.close();
  });
});
