import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { createDpopProofs } from "../../src/access-token/used-dpop-proofs.ts";
import { createAccessTokenVerifier } from "../../src/access-token/verifier.ts";
import { createPublishedKeys } from "../../src/verify/published-keys.ts";
import type { Fetch } from "../../src/verify/verifier-options.ts";
import { createTestClock } from "../support/test-bed.ts";
import { outcome, type ServedBed, serve, serveBed } from "../support/verifiers.ts";

const JWKS = "/.well-known/jwks.json";
const fetchesOf = (bed: ServedBed) => bed.served.requests.filter(({ path }) => path === JWKS).length;

/** Keys from an endpoint that answers as it is told, on a clock in hand. */
function keysFrom(answer: () => Response | Promise<Response>) {
  const clock = createTestClock();
  const state = { fetches: 0, answer };
  const fetch: Fetch = async () => {
    state.fetches++;
    return state.answer();
  };
  const options = { jwksUri: "https://auth.example.com/jwks", algorithms: ["ES256", "RS256"] as const, fetch };
  return { keys: createPublishedKeys(options, clock), clock, state };
}

/** A public key as an issuer publishes it. */
async function publicJwk(alg = "ES256", options = {}): Promise<JWK & { readonly kid: string }> {
  const { publicKey } = await generateKeyPair(alg, { extractable: true, ...options });
  const jwk = await exportJWK(publicKey);
  return { ...jwk, alg, use: "sig", kid: await calculateJwkThumbprint(jwk) };
}

const json = (body: unknown, headers: Record<string, string> = {}) => new Response(JSON.stringify(body), { headers });
const failing = () => Promise.reject(new TypeError("fetch failed"));
const KID = "A".repeat(43);

describe("the issuer's keys", () => {
  it("are fetched once for any number of verifications, parallel ones included, and never before one", async () => {
    const bed = await serveBed();
    const verifier = bed.verifier();
    expect(fetchesOf(bed)).toBe(0);
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, nth) => bed.token(`user-${nth}`)));
    await Promise.all(tokens.map((token) => verifier.verify(token)));
    for (const token of tokens) await verifier.verify(token);
    expect(fetchesOf(bed)).toBe(1);
  });

  it("are fetched anew when max-age says so, less what Age says: early without waiting, late before anything is believed", async () => {
    const jwk = await publicJwk();
    const { keys, clock, state } = keysFrom(() =>
      json({ keys: [jwk] }, { "cache-control": "public, max-age=100", age: "20" }),
    );
    await keys.load();
    clock.advanceSeconds(63);
    await keys.findOrReload(jwk.kid);
    expect(state.fetches).toBe(1);
    clock.advanceSeconds(2);
    let release = () => {};
    state.answer = () =>
      new Promise((resolve) => (release = () => resolve(json({ keys: [jwk] }, { "cache-control": "max-age=80" }))));
    expect(await keys.findOrReload(jwk.kid)).toBeDefined();
    expect(state.fetches).toBe(2);
    release();
    // The answer that nobody waits for has to arrive before the clock goes on.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    clock.advanceSeconds(81);
    expect(keys.find(jwk.kid)).toBe(undefined);
    const other = await publicJwk();
    state.answer = () => json({ keys: [other] });
    expect(await keys.findOrReload(jwk.kid)).toBe(undefined);
    expect(await keys.findOrReload(other.kid)).toMatchObject({ kid: other.kid, alg: "ES256" });
  });

  it.each([
    ["no header at all", {}, 300],
    ["no-store", { "cache-control": "no-store" }, 10],
    ["max-age=0", { "cache-control": "max-age=0" }, 10],
    ["a year", { "cache-control": "public, max-age=31536000, immutable" }, 86_400],
    ["s-maxage alone", { "cache-control": "s-maxage=5" }, 300],
    ["garbage", { "cache-control": "max-age=soon", age: "x" }, 300],
  ])("are kept for a while within reason: %s", async (_, headers, seconds) => {
    const jwk = await publicJwk();
    const { keys, clock } = keysFrom(() => json({ keys: [jwk] }, headers));
    await keys.load();
    clock.advanceSeconds(seconds - 1);
    expect(keys.find(jwk.kid)).toBeDefined();
    clock.advanceSeconds(1);
    expect(keys.find(jwk.kid)).toBe(undefined);
  });

  it("are asked for once more where the connection breaks, as one that was kept open over a restart does", async () => {
    const jwk = await publicJwk();
    let broken = 1;
    const { keys, state } = keysFrom(() => {
      if (broken-- > 0) throw new TypeError("fetch failed");
      return json({ keys: [jwk] });
    });
    await keys.load();
    expect(keys.find(jwk.kid)).toBeDefined();
    expect(state.fetches).toBe(2);
  });

  it("are asked for no third time where it breaks again", async () => {
    const { keys, state } = keysFrom(() => {
      throw new TypeError("fetch failed");
    });
    expect(await outcome(keys.load())).toBe("verifier_unavailable");
    expect(state.fetches).toBe(2);
  });

  it("SECURITY 44: an unknown kid causes one fetch in five seconds, no matter who sends it, and a hostile one none at all", async () => {
    const jwk = await publicJwk();
    const { keys, clock, state } = keysFrom(() => json({ keys: [jwk] }));
    await keys.load();
    for (const kid of [
      "../../etc/passwd",
      "' OR 1=1 --",
      "x".repeat(1_000_000),
      "",
      "A".repeat(42),
      `${KID}\n`,
      "http://a.example/",
    ]) {
      expect(await keys.findOrReload(kid)).toBe(undefined);
    }
    expect(state.fetches).toBe(1);
    for (let second = 0; second < 60; second++) {
      clock.advanceSeconds(1);
      await Promise.all(Array.from({ length: 10 }, () => keys.findOrReload(KID)));
    }
    expect(state.fetches).toBe(1 + 12);
  });

  it("SECURITY 48: a removed key is refused when the JWKS it stood in has expired, remembered tokens included", async () => {
    const bed = await serveBed({ jwksMaxAgeSeconds: 60 });
    const [verifier, token] = [bed.verifier(), await bed.token()];
    expect(await outcome(verifier.verify(token))).toBe("good");
    const other = await publicJwk();
    bed.served.instead((path) => (path === JWKS ? json({ keys: [other] }) : undefined));
    bed.clock.advanceSeconds(47);
    expect(await outcome(verifier.verify(token))).toBe("good");
    bed.clock.advanceSeconds(13);
    expect(await outcome(verifier.verify(token))).toBe("invalid_access_token");
  });

  it("are not there while the endpoint is down at the start: 503, and good as soon as it is up", async () => {
    const bed = await serveBed();
    const [verifier, token] = [bed.verifier(), await bed.token()];
    bed.served.instead((path) => (path === JWKS ? new Response("down", { status: 502 }) : undefined));
    await expect(verifier.verify(token)).rejects.toMatchObject({
      code: "verifier_unavailable",
      status: 503,
      retryAfterSeconds: 1,
    });
    await expect(verifier.ready({ timeoutSeconds: 0.3 })).rejects.toMatchObject({ code: "verifier_unavailable" });
    const failed = fetchesOf(bed);
    for (let nth = 0; nth < 20; nth++) expect(await outcome(verifier.verify(token))).toBe("verifier_unavailable");
    expect(fetchesOf(bed) - failed).toBeLessThanOrEqual(1);
    bed.served.instead(undefined);
    bed.clock.advanceSeconds(1);
    await verifier.ready();
    expect(await outcome(verifier.verify(token))).toBe("good");
  });

  it("are believed for an hour past their life while nobody answers, without a verification waiting, and no longer", async () => {
    const jwk = await publicJwk();
    const { keys, clock, state } = keysFrom(() => json({ keys: [jwk] }, { "cache-control": "max-age=100" }));
    await keys.load();
    state.answer = failing;
    clock.advanceSeconds(90);
    for (let second = 90; second < 100 + 3600 - 10; second += 10) {
      expect(await keys.findOrReload(jwk.kid)).toBeDefined();
      await new Promise((resolve) => setImmediate(resolve));
      expect(keys.find(jwk.kid)).toBeDefined();
      clock.advanceSeconds(10);
    }
    clock.advanceSeconds(20);
    await expect(keys.findOrReload(jwk.kid)).rejects.toMatchObject({ code: "verifier_unavailable" });
    state.answer = () => json({ keys: [jwk] });
    clock.advanceSeconds(1);
    expect(await keys.findOrReload(jwk.kid)).toBeDefined();
  });

  it("say nothing of a kid that cannot be looked up now: that is not the token's fault", async () => {
    const jwk = await publicJwk();
    const { keys, clock, state } = keysFrom(() => json({ keys: [jwk] }));
    await keys.load();
    state.answer = failing;
    clock.advanceSeconds(6);
    await expect(keys.findOrReload(KID)).rejects.toMatchObject({ code: "verifier_unavailable" });
    expect(await keys.findOrReload(jwk.kid)).toBeDefined();
  });

  it("are none of these: private, symmetric, for encryption, of another algorithm, weak, under another's kid, broken", async () => {
    const jwk = await publicJwk();
    const rsa = await publicJwk("RS256", { modulusLength: 2048 });
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const secret = await exportJWK(privateKey);
    const { alg: _, ...algLess } = await publicJwk();
    const others = [
      { ...secret, alg: "ES256", kid: await calculateJwkThumbprint(secret) },
      { kty: "oct", k: "AAAA", alg: "HS256", kid: KID },
      { ...(await publicJwk()), use: "enc" },
      await publicJwk("ES384"),
      rsa,
      algLess,
      { ...(await publicJwk()), kid: jwk.kid },
      { ...(await publicJwk()), kid: "mine" },
      { kty: "EC", crv: "P-256", x: "AAAA", y: "AAAA", alg: "ES256", kid: KID },
      null,
      7,
      {},
      [],
    ];
    const { keys } = keysFrom(() => json({ keys: [...others, jwk] }));
    await keys.load();
    expect(keys.find(jwk.kid)).toMatchObject({ alg: "ES256" });
    for (const other of others) {
      const kid = (other as { kid?: string } | null)?.kid;
      if (kid !== undefined && kid !== jwk.kid) expect([other, keys.find(kid)]).toEqual([other, undefined]);
    }
    const alone = keysFrom(() => json({ keys: others }));
    await expect(alone.keys.load()).rejects.toMatchObject({ code: "verifier_unavailable" });
  });

  it.each<[string, () => Response | Promise<Response>]>([
    ["an error", () => new Response("{}", { status: 500 })],
    ["no JSON", () => new Response("<html>")],
    ["no JWKS", () => json([])],
    ["keys that are no list", () => json({ keys: {} })],
    ["no keys", () => json({ keys: [] })],
    ["bytes that are not UTF-8", () => new Response(new Uint8Array([0xff, 0xfe]))],
    ["nothing", () => new Response(null)],
    ["too much", () => new Response("x".repeat(100_000))],
    ["no answer", failing],
  ])("cannot be had from %s: verifier_unavailable", async (_, answer) => {
    await expect(keysFrom(answer).keys.load()).rejects.toMatchObject({ code: "verifier_unavailable", status: 503 });
  });

  it("are not looked for where a redirect points", async () => {
    const bed = await serveBed();
    const elsewhere = await serve(bed.handler);
    bed.served.instead(() => new Response(null, { status: 302, headers: { location: `${elsewhere.url}${JWKS}` } }));
    expect(await outcome(bed.verifier().verify(await bed.token()))).toBe("verifier_unavailable");
    expect(elsewhere.requests).toEqual([]);
  });

  it("SECURITY 35: are never taken from a token's own header", async () => {
    const bed = await serveBed();
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: KID, alg: "ES256" };
    const verifier = bed.verifier();
    await verifier.verify(await bed.token());
    const before = bed.served.requests.length;
    for (const header of [
      { jwk },
      { jku: `${bed.served.url}/evil` },
      { x5u: `${bed.served.url}/evil` },
      { x5c: ["AAAA"] },
    ]) {
      const token = await new SignJWT({ sub: "ada" })
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: KID, ...header })
        .sign(privateKey);
      expect(await outcome(verifier.verify(token))).toBe("invalid_access_token");
    }
    expect(bed.served.requests.length).toBe(before);
  });
});

describe("key rotation", () => {
  it("SECURITY 47: once a minute for an hour, with no false 401 at a verifier elsewhere", async () => {
    const bed = await serveBed({ jwksMaxAgeSeconds: 20, keyRotationSeconds: 60, accessTtlSeconds: 120 });
    const verifier = bed.verifier({ leewaySeconds: 0 });
    const live: { readonly token: string; readonly until: number }[] = [];
    const kids = new Set<string>();
    let verified = 0;
    for (let second = 0; second < 3600; second += 5) {
      bed.clock.advanceSeconds(5);
      const token = await bed.token();
      kids.add(JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()).kid);
      live.push({ token, until: bed.clock.now() + 120_000 });
      while (live[0]!.until <= bed.clock.now()) live.shift();
      for (const { token: one } of live) {
        expect([second, await outcome(verifier.verify(one))]).toEqual([second, "good"]);
        verified++;
      }
    }
    expect(kids.size).toBeGreaterThan(35);
    expect(verified).toBeGreaterThan(10_000);
  });

  it("by force reaches a verifier at the first access token of the new key", async () => {
    const bed = await serveBed();
    const verifier = bed.verifier();
    const old = await bed.token();
    expect(await outcome(verifier.verify(old))).toBe("good");
    bed.clock.advanceSeconds(6);
    // The next key stands in the JWKS already; the one after it does not.
    await bed.issuer.keys.rotate({ force: true });
    await bed.issuer.keys.rotate({ force: true });
    expect(await outcome(verifier.verify(await bed.token()))).toBe("good");
    expect(await outcome(verifier.verify(old))).toBe("good");
    expect(fetchesOf(bed)).toBe(2);
  });
});

describe("the memory of verified access tokens", () => {
  it("SECURITY 43: is bounded in number, and an entry counts for nothing once its token has expired", async () => {
    const bed = await serveBed({ accessTtlSeconds: 60 });
    const clock = bed.clock;
    const published = createPublishedKeys(
      { jwksUri: `${bed.served.url}${JWKS}`, algorithms: ["ES256"], fetch: (url, init) => fetch(url, init) },
      clock,
    );
    const terms = { issuer: bed.issuer.options.issuer, audience: bed.issuer.options.audience };
    const tokens = createAccessTokenVerifier({
      ...terms,
      keys: published,
      clock,
      proofs: createDpopProofs({ clock }),
      leewaySeconds: 0,
      verifiedCacheSize: 2,
    });
    const [first, second, third] = [await bed.token(), await bed.token(), await bed.token()];
    for (const token of [first, second, third]) await tokens.verify(token);
    expect([first, second, third].map((token) => tokens.readCached(token) !== undefined)).toEqual([false, true, true]);
    clock.advanceSeconds(60);
    expect(tokens.readCached(third)).toBe(undefined);
  });
});
