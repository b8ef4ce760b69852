import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generationOf } from "../../src/access-token/claims.ts";
import { checkOwnClaims } from "../../src/access-token/own-claims.ts";
import { looksLikeAccessToken } from "../../src/access-token/token-kinds.ts";
import { createDpopProofs } from "../../src/access-token/used-dpop-proofs.ts";
import type { KeyRing } from "../../src/signing/key-ring.ts";
import type { AccessTokens } from "../../src/signing/sign-access-token.ts";
import { createAccessTokens } from "../../src/signing/sign-access-token.ts";
import { type SigningAlgorithm, signingAlgorithms } from "../../src/signing/signing-algorithms.ts";
import type { Store } from "../../src/store/store.ts";
import { AUDIENCE, grantAt, ISSUER, outcome, session, tokensOn } from "../support/access-tokens.ts";
import { createClock, environmentAt, openRing, openStore, PUBLISHED_AFTER_SECONDS } from "../support/key-rings.ts";

const clock = createClock();
let store: Store;
let ring: KeyRing;
let tokens: AccessTokens;
beforeAll(async () => {
  store = await openStore();
  ring = await openRing({ store, clock });
  tokens = tokensOn(ring, clock);
});
afterAll(() => store.close());

describe("an access token", () => {
  it("SECURITY 32: says what RFC 9068 asks for, and lasts as long as the one setting says", async () => {
    const { token, expiresInSeconds, expiresAtSeconds } = await tokens.sign(grantAt(clock, { generation: 7 }));
    const iat = Math.floor(clock.now() / 1000);
    expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", typ: "at+jwt", kid: ring.current().kid });
    expect(decodeJwt(token)).toEqual({
      iss: ISSUER,
      sub: session.subject,
      aud: AUDIENCE,
      exp: iat + 900,
      iat,
      jti: expect.stringMatching(new RegExp(`^${session.id}\\.7\\.[A-Za-z0-9_-]{12}$`)),
      sid: session.id,
      client_id: "web",
      auth_time: Math.floor(session.authTime / 1000),
      roles: ["user"],
    });
    expect([expiresInSeconds, expiresAtSeconds]).toEqual([900, iat + 900]);
  });

  it("carries scope and amr where the session has them, and a list of audiences as a list", async () => {
    const two = tokensOn(ring, clock, { audience: ["https://a.example.test", "https://b.example.test"] });
    const granted = { ...session, scope: "read write", amr: ["pwd", "otp"] };
    const { token } = await two.sign(grantAt(clock, { session: granted }));
    expect(await two.verify(token)).toMatchObject({
      aud: ["https://a.example.test", "https://b.example.test"],
      scope: "read write",
      amr: ["pwd", "otp"],
    });
  });

  it("has whole seconds for times, rounded down, on a clock between two of them", async () => {
    const between = createClock(clock.now() + 999);
    const { token } = await tokensOn(ring, between).sign(grantAt(between));
    const { iat, exp, auth_time } = decodeJwt(token);
    expect([iat, exp]).toEqual([Math.floor(between.now() / 1000), Math.floor(between.now() / 1000) + 900]);
    expect(Number.isInteger(auth_time)).toBe(true);
  });

  it("never outlives the session's absolute end", async () => {
    const ending = { ...session, expiresAt: clock.now() + 90_500 };
    const { token, expiresInSeconds } = await tokens.sign(grantAt(clock, { session: ending }));
    expect(expiresInSeconds).toBe(90);
    expect(decodeJwt(token).exp! * 1000).toBeLessThanOrEqual(ending.expiresAt);
  });

  it("has a jti of its own each time, from which session and generation can be read", async () => {
    const signed = await Promise.all(
      Array.from({ length: 200 }, () => tokens.sign(grantAt(clock, { generation: 4_294_967_295 }))),
    );
    const claims = await Promise.all(signed.map(({ token }) => tokens.verify(token)));
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(200);
    expect(new Set(claims.map(generationOf))).toEqual(new Set([4_294_967_295]));
    expect(() => generationOf({ jti: "something else" })).toThrow(TypeError);
  });

  it("PARITY 27: carries the session's own claims, and none of them replaces one of ours, whatever the store holds", async () => {
    const claims = checkOwnClaims({ tenant: "acme", limits: { seats: 5, tags: ["a", "b"] } });
    const own = await tokens.verify((await tokens.sign(grantAt(clock, { session: { ...session, claims } }))).token);
    expect(own).toMatchObject({ tenant: "acme", limits: { seats: 5, tags: ["a", "b"] } });
    const altered = { ...session, claims: { sub: "somebody else", roles: ["admin"], exp: 9e9, tenant: "acme" } };
    const verified = await tokens.verify((await tokens.sign(grantAt(clock, { session: altered }))).token);
    expect(verified).toMatchObject({ sub: session.subject, roles: ["user"], tenant: "acme" });
    expect(verified.exp - verified.iat).toBe(900);
  });

  it("stays under 8 KiB at the largest own claims, and one that would not is never issued", async () => {
    const claims = checkOwnClaims({ note: "ü".repeat(1018) });
    const { token } = await tokens.sign(grantAt(clock, { session: { ...session, claims } }));
    expect(token.length).toBeLessThan(4096);
    expect(await outcome(tokens.verify(token))).toBe("accepted");
    const roles = Array.from({ length: 500 }, (_, n) => `role-number-${n}`);
    expect(await outcome(tokens.sign(grantAt(clock, { roles })))).toBe("internal_error");
  });

  it("is told from a refresh token and from other texts by its looks", async () => {
    const { token } = await tokens.sign(grantAt(clock));
    expect(looksLikeAccessToken(token)).toBe(true);
    for (const text of ["", "lkr_AAAA", "a.b.c", token.replaceAll(".", ""), ` ${token}`, `${token}.x`]) {
      expect(looksLikeAccessToken(text)).toBe(false);
    }
  });
});

describe("PARITY 34: HS256, RS256, PS256, ES256, EdDSA", () => {
  const rings = new Map<SigningAlgorithm, KeyRing>();
  const stores: Store[] = [];
  beforeAll(async () => {
    await Promise.all(
      signingAlgorithms.map(async (signingAlg) => {
        const own = await openStore();
        stores.push(own);
        rings.set(signingAlg, await openRing({ store: own, clock, signingAlg }));
      }),
    );
  });
  afterAll(() => Promise.all(stores.map((own) => own.close())));

  it.each(signingAlgorithms)(
    "%s: signs, verifies, names alg and kid, and refuses a token of another ring",
    async (alg) => {
      const own = tokensOn(rings.get(alg)!, clock);
      const { token } = await own.sign(grantAt(clock));
      expect(decodeProtectedHeader(token)).toEqual({ alg, typ: "at+jwt", kid: rings.get(alg)!.current().kid });
      expect(await own.verify(token)).toMatchObject({ sub: session.subject });
      for (const other of signingAlgorithms.filter((name) => name !== alg)) {
        expect(await outcome(tokensOn(rings.get(other)!, clock).verify(token))).toBe("invalid_access_token");
      }
    },
  );

  it.each(signingAlgorithms.filter((alg) => alg !== "HS256"))(
    "%s: plain jose verifies our tokens with our JWKS and no help from us",
    async (alg) => {
      const keys = rings.get(alg)!;
      const { token } = await tokensOn(keys, clock).sign(grantAt(clock));
      const keySet = createLocalJWKSet(JSON.parse(JSON.stringify(keys.jwks())) as JSONWebKeySet);
      const { payload, protectedHeader } = await jwtVerify(token, keySet, {
        ...{ issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: [alg] },
        currentDate: new Date(clock.now()),
      });
      expect([payload.sub, protectedHeader.alg]).toEqual([session.subject, alg]);
    },
  );

  it("HS256: plain jose verifies our tokens with the secret of the ring", async () => {
    const keys = rings.get("HS256")!;
    const { token } = await tokensOn(keys, clock).sign(grantAt(clock));
    const secret = keys.find(keys.current().kid)!.key;
    const verified = await jwtVerify(token, secret, { algorithms: ["HS256"], currentDate: new Date(clock.now()) });
    expect(verified.payload.sub).toBe(session.subject);
  });

  it.each(signingAlgorithms)("%s: rotation by hand and by schedule with no 401 in between", async (alg) => {
    const own = createClock(clock.now());
    const shared = await openStore();
    stores.push(shared);
    const keys = await openRing({ store: shared, clock: own, signingAlg: alg });
    const verifying = tokensOn(keys, own);
    const before = await verifying.sign(grantAt(own));
    own.advance(PUBLISHED_AFTER_SECONDS);
    await keys.rotate();
    const between = await verifying.sign(grantAt(own));
    expect(await outcome(verifying.verify(before.token))).toBe("accepted");
    own.advance(30 * 86_400 - 500);
    const late = await verifying.sign(grantAt(own));
    own.advance(500);
    await keys.reload();
    const after = await verifying.sign(grantAt(own));
    const kids = [before, between, late, after].map(({ token }) => decodeProtectedHeader(token).kid);
    expect([new Set(kids).size, kids[1]]).toEqual([3, kids[2]]);
    for (const { token } of [late, after]) expect(await outcome(verifying.verify(token))).toBe("accepted");
  });
});

describe("SECURITY 33: making the verifier", () => {
  const good = {
    environment: environmentAt(clock),
    proofs: createDpopProofs({ clock }),
    issuer: ISSUER,
    audience: AUDIENCE,
    accessTtlSeconds: 900,
    leewaySeconds: 0,
  };

  it.each([
    ["issuer", undefined],
    ["issuer", ""],
    ["audience", undefined],
    ["audience", ""],
    ["audience", []],
    ["audience", ["https://api.example.test", ""]],
    ["accessTtlSeconds", 0],
    ["accessTtlSeconds", 1.5],
    ["leewaySeconds", 61],
    ["leewaySeconds", -1],
    ["leewaySeconds", Number.NaN],
    ["verifiedCacheSize", -1],
  ])("throws a TypeError that names '%s' when it is %j", (name, value) => {
    const options = { ...good, keys: ring, [name]: value };
    expect(() => createAccessTokens(options)).toThrow(new RegExp(`^Option '${name}'`));
    expect(() => createAccessTokens(options)).toThrow(TypeError);
  });

  it("CVE-2022-23540 jsonwebtoken: takes no algorithm from caller or token: each key is used with its own alone", () => {
    expect(ring.find(ring.current().kid)).toMatchObject({ alg: "ES256" });
    expect(Object.isFrozen(ring.find(ring.current().kid))).toBe(true);
  });
});
