import { base64url, calculateJwkThumbprint, compactVerify, importJWK, type JWK } from "jose";
import { LatchkeyError } from "../errors.ts";
import { isJsonObject, parseJson } from "../json.ts";
import { decodeCanonical, splitCompactJws } from "./compact-jws.ts";

/** How long before and after its `iat` a proof is valid. */
export const DPOP_PROOF_SECONDS = 60;
const PROOF_MAX_LENGTH = 8192;
const JTI_MAX_LENGTH = 128;
/** 4,096 bits as base64url. A longer modulus, or a long exponent, would let its sender make verification slow. */
const RSA_MODULUS_MAX_LENGTH = 683;
const RSA_EXPONENT_MAX_LENGTH = 6;

/** The members of each algorithm's key, all of them public (RFC 7638 section 3.2, RFC 8037 section 2). */
const keyShapes = {
  ES256: { kty: "EC", crv: "P-256", members: ["x", "y"] },
  ES384: { kty: "EC", crv: "P-384", members: ["x", "y"] },
  Ed25519: { kty: "OKP", crv: "Ed25519", members: ["x"] },
  EdDSA: { kty: "OKP", crv: "Ed25519", members: ["x"] },
  PS256: { kty: "RSA", crv: undefined, members: ["n", "e"] },
  RS256: { kty: "RSA", crv: undefined, members: ["n", "e"] },
} as const;

/** The algorithms that a proof may be signed with: only asymmetric ones (RFC 9449 section 11.6). */
export const dpopAlgorithms = Object.freeze(Object.keys(keyShapes)) as readonly (keyof typeof keyShapes)[];

/** Members of a JWK that only its owner may have (RFC 7518 section 6). */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** A proof of possession, and the request that it came with. */
export interface DpopRequest {
  /** The value of the one `DPoP` header; `null` if there is none, which is refused. */
  readonly proof: string | null | undefined;
  /** The method of the request, in its own case. */
  readonly method: string;
  /**
   * The URL of the request as its sender knows it. Query and fragment are ignored. Never take its host from the
   * request's `Host`.
   */
  readonly url: string;
}

/** How an access token was sent. */
export interface PresentedWith {
  /**
   * The proof, for a token sent as `Authorization: DPoP` (RFC 9449 section 7.1). Any other token must not be bound to a
   * key.
   */
  readonly dpop?: DpopRequest | undefined;
}

/** What a proof is checked against. */
export interface DpopExpectations {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** The access token sent with the proof, whose hash the proof must then contain. */
  readonly accessToken?: string | undefined;
  /** Whether a nonce is one of the server's. If this is set, the proof must have such a nonce. */
  readonly isNonce?: ((nonce: string) => boolean) | undefined;
}

/** What a valid proof proves. */
export interface DpopProof {
  /** The thumbprint of the key that signed it (RFC 7638, SHA-256, base64url). */
  readonly jkt: string;
  readonly jti: string;
  /** Until when it is valid, in milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/**
 * Checks everything that RFC 9449 section 4.3 requires of a proof, except whether it has been used before.
 * @throws LatchkeyError `invalid_dpop_proof`, with what is wrong; `use_dpop_nonce` if only the nonce is wrong.
 */
export async function readDpopProof(presented: DpopRequest, expected: DpopExpectations): Promise<DpopProof> {
  const { proof } = presented;
  if (typeof proof !== "string" || proof === "") throw refused("The request has no 'DPoP' header.");
  if (proof.length > PROOF_MAX_LENGTH) throw refused("It is too long.");
  const parts = splitCompactJws(proof);
  if (parts === undefined) throw refused("It is not one JWS in the compact form.");
  const { alg, jwk } = readHeader(base64url.decode(parts.header));
  const jkt = await signer(proof, alg, jwk);

  const claims = parseJson(base64url.decode(parts.payload));
  if (!isJsonObject(claims)) throw refused("Its payload is not a JSON object.");
  const { jti, htm, htu, iat, ath, nonce } = claims;
  if (typeof jti !== "string" || jti === "" || jti.length > JTI_MAX_LENGTH) {
    throw refused(`Its 'jti' is not a string of 1 to ${JTI_MAX_LENGTH} characters.`);
  }
  if (htm !== presented.method) throw refused("Its 'htm' is not the method of this request.");
  const target = normalizedUrl(presented.url);
  if (typeof htu !== "string" || target === undefined || normalizedUrl(htu) !== target) {
    throw refused("Its 'htu' is not the URL of this request.");
  }
  if (typeof iat !== "number") throw refused("Its 'iat' is not a number.");
  if (Math.abs(expected.now - iat * 1000) > DPOP_PROOF_SECONDS * 1000) {
    throw refused(`Its 'iat' is more than ${DPOP_PROOF_SECONDS} seconds from now.`);
  }
  if (expected.accessToken !== undefined && ath !== (await sha256(expected.accessToken))) {
    throw refused("Its 'ath' is not the hash of this access token.");
  }
  if (expected.isNonce !== undefined && !(typeof nonce === "string" && expected.isNonce(nonce))) {
    throw new LatchkeyError("use_dpop_nonce");
  }
  return { jkt, jti, expiresAt: (iat + DPOP_PROOF_SECONDS) * 1000 };
}

/** The refusal of a proof. `why` is shown to the caller, and must not contain what was sent. */
export function refused(why: string): LatchkeyError {
  return new LatchkeyError("invalid_dpop_proof", { description: `The DPoP proof is not valid. ${why}` });
}

/**
 * The algorithm and the key. Only the public members of the key are kept, so that any other member has no effect. Other
 * header members are ignored, except `crit`, which means that they must not be.
 */
function readHeader(bytes: Uint8Array): { readonly alg: string; readonly jwk: JWK } {
  const header = parseJson(bytes);
  if (!isJsonObject(header)) throw refused("Its header is not a JSON object.");
  // Media types are compared without regard to case (RFC 7515 section 4.1.9).
  if (typeof header.typ !== "string" || !/^(application\/)?dpop\+jwt$/i.test(header.typ)) {
    throw refused("Its 'typ' is not 'dpop+jwt'.");
  }
  if (Object.hasOwn(header, "crit")) throw refused("Its header has a 'crit'.");
  const { alg, jwk } = header;
  if (typeof alg !== "string" || !Object.hasOwn(keyShapes, alg)) {
    throw refused(`Its 'alg' is not one of ${dpopAlgorithms.join(", ")}.`);
  }
  if (!isJsonObject(jwk)) throw refused("Its 'jwk' is not a public key.");
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member)))
    throw refused("Its 'jwk' holds more than a public key.");
  const { kty, crv, members } = keyShapes[alg as keyof typeof keyShapes];
  const values = members.map((member) => [member, Object.hasOwn(jwk, member) ? jwk[member] : undefined] as const);
  if (jwk.kty !== kty || (crv !== undefined && jwk.crv !== crv) || !values.every(isKeyPart)) {
    throw refused("Its 'jwk' cannot be used with its 'alg'.");
  }
  return { alg, jwk: { kty, ...(crv !== undefined && { crv }), ...Object.fromEntries(values) } as JWK };
}

function isKeyPart([member, value]: readonly [string, unknown]): boolean {
  const longest = member === "e" ? RSA_EXPONENT_MAX_LENGTH : RSA_MODULUS_MAX_LENGTH;
  return typeof value === "string" && value.length <= longest && decodeCanonical(value) !== undefined;
}

/** The thumbprint of the key, if it has signed the proof. */
async function signer(proof: string, alg: string, jwk: JWK): Promise<string> {
  try {
    await compactVerify(proof, await importJWK(jwk, alg), { algorithms: [alg] });
    return await calculateJwkThumbprint(jwk, "sha256");
  } catch {
    throw refused("Its signature was not made with its 'jwk'.");
  }
}

/**
 * Scheme, authority and path in one spelling (RFC 3986 sections 6.2.2 and 6.2.3): case, default ports, dot segments,
 * and what is percent-encoded without need. `undefined` for anything that is not an http(s) URL, or contains
 * credentials.
 */
function normalizedUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, origin, pathname, username, password } = new URL(text);
  if (!/^https?:$/.test(protocol) || username !== "" || password !== "") return undefined;
  return origin + pathname.replace(/%[0-9a-f]{2}/gi, plainly);
}

function plainly(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : encoded.toUpperCase();
}

async function sha256(text: string): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
