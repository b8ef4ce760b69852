import { createHash, randomUUID } from "node:crypto";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import type { DpopRequest } from "../../src/access-token/dpop-proof.ts";
import { ISSUER, type TestClock } from "./test-bed.ts";

/** A key that proofs are made with. */
export interface ProofKey {
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
  readonly jkt: string;
}

export async function createProofKey(alg = "ES256", options = {}): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...options });
  const publicJwk = await exportJWK(publicKey);
  return {
    alg,
    privateKey,
    publicJwk,
    privateJwk: await exportJWK(privateKey),
    jkt: await calculateJwkThumbprint(publicJwk),
  };
}

/** What a proof is made of; `undefined` in `header` or `claims` leaves a member out. */
export interface ProofParts {
  readonly method?: string;
  /** Behind {@link ISSUER}. */
  readonly path?: string;
  readonly accessToken?: string | undefined;
  readonly nonce?: string | undefined;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A proof as RFC 9449 section 4.2 has it. */
export function proofBy(key: ProofKey, clock: Pick<TestClock, "now">, parts: ProofParts = {}): Promise<string> {
  const { method = "POST", path = "/token", accessToken, nonce, header = {}, claims = {} } = parts;
  return new SignJWT({
    jti: randomUUID(),
    htm: method,
    htu: ISSUER + path,
    iat: Math.floor(clock.now() / 1000),
    ath: accessToken === undefined ? undefined : hashOf(accessToken),
    nonce,
    ...claims,
  })
    .setProtectedHeader({ typ: "dpop+jwt", alg: key.alg, jwk: key.publicJwk, ...header } as never)
    .sign(key.privateKey);
}

/** What `ath` is made of. */
export function hashOf(accessToken: string): string {
  return createHash("sha256").update(accessToken).digest("base64url");
}

/** The headers of a request with a bound access token. */
export async function boundTo(
  key: ProofKey,
  clock: TestClock,
  accessToken: string,
  method: string,
  path: string,
  parts: ProofParts = {},
): Promise<Record<string, string>> {
  const dpop = await proofBy(key, clock, { method, path, accessToken, ...parts });
  return { authorization: `DPoP ${accessToken}`, dpop };
}

/** A request for the token endpoint, with a proof. */
export function presented(proof: string | null, path = "/token", method = "POST"): DpopRequest {
  return { proof, method, url: ISSUER + path };
}
