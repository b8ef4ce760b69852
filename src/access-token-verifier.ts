import { base64url, type CryptoKey, compactVerify, type KeyObject } from "jose";
import {
  type AnyAccessTokenClaims,
  type ExpectedClaims,
  readClaims,
  refused,
  timeliness,
} from "./access-token-claims.ts";
import type { Clock } from "./environment.ts";
import { LatchkeyError } from "./errors.ts";
import { isJsonObject, parseExactJson } from "./strict-json.ts";
import { looksLikeRefreshToken } from "./token-kinds.ts";
import { createVerifiedTokens } from "./verified-tokens.ts";

/** The longest access token that is issued or looked at, in characters. */
export const ACCESS_TOKEN_MAX_LENGTH = 8192;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** A key whose signatures are accepted, with the one algorithm that it may be used with. */
export interface VerifyingKey {
  readonly kid: string;
  readonly alg: string;
  /** The public key, or the secret for HS256. */
  readonly key: CryptoKey | KeyObject;
}

/** Where keys are found: the key ring in the server, the published JWKS elsewhere. */
export interface VerifyingKeys {
  /** The key that is accepted under `kid` now. */
  find(kid: string): VerifyingKey | undefined;
  /** Like {@link find}, but for a `kid` that may be new it looks again at the source, as seldom as the source can bear. */
  findOrReload(kid: string): Promise<VerifyingKey | undefined>;
}

/** What {@link createAccessTokenVerifier} takes. */
export interface AccessTokenVerifierOptions extends ExpectedClaims {
  readonly keys: VerifyingKeys;
  readonly clock: Clock;
  /** How far clocks may differ, 0 to 60. */
  readonly leewaySeconds: number;
  /** How many verified access tokens are remembered. */
  readonly verifiedCacheSize: number;
}

/** Verifies access tokens (RFC 9068 section 4, RFC 8725). */
export interface AccessTokenVerifier {
  /**
   * The claims of a good access token, of a session or a client's own.
   * @param options.acceptExpired takes one that is past its `exp`, for acts that its holder may still do, like logging out.
   * @throws LatchkeyError `access_token_expired`, `wrong_token_type` for a refresh token, `invalid_access_token` for all
   *   else, with the reason for the operator alone.
   */
  verify(token: string, options?: { readonly acceptExpired?: boolean }): Promise<AnyAccessTokenClaims>;
  /** The claims if this very text has been verified before and is still good, else `undefined`; then ask {@link verify}. */
  verifyCached(token: string): AnyAccessTokenClaims | undefined;
}

/** Verifies, with web-standard APIs alone. Does no input or output but for the one reload that an unknown `kid` may cause. */
export function createAccessTokenVerifier(options: AccessTokenVerifierOptions): AccessTokenVerifier {
  const { keys, clock, leewaySeconds } = options;
  const verified = createVerifiedTokens(options.verifiedCacheSize);

  function verifyCached(token: string): AnyAccessTokenClaims | undefined {
    const known = verified.find(token);
    if (known === undefined) return undefined;
    // A key that has left the ring takes its access tokens with it.
    if (keys.find(known.kid) !== undefined) {
      const standing = timeliness(known.claims, clock.now(), leewaySeconds);
      if (standing === "good") return known.claims;
      if (standing === "early") return undefined;
    }
    verified.forget(token);
    return undefined;
  }

  async function verifyAnew(token: string, acceptExpired: boolean): Promise<AnyAccessTokenClaims> {
    if (typeof token !== "string") throw refused("form");
    if (looksLikeRefreshToken(token)) {
      throw new LatchkeyError("wrong_token_type", {
        description: "This is a refresh token. The route takes an access token.",
      });
    }
    const { header, payload } = readCompactJws(token);
    const key = await keyFor(header, keys);
    await compactVerify(token, key.key, { algorithms: [key.alg] }).catch(() => {
      throw refused("signature");
    });
    const claims = readClaims(parseExactJson(payload), options);
    const standing = timeliness(claims, clock.now(), leewaySeconds);
    if (standing === "early") throw refused("iat or nbf in the future");
    if (standing === "good") verified.remember(token, { claims, kid: key.kid });
    else if (!acceptExpired) throw new LatchkeyError("access_token_expired");
    return claims;
  }

  return Object.freeze<AccessTokenVerifier>({
    verifyCached,
    verify(token, { acceptExpired = false } = {}) {
      const claims = verifyCached(token);
      return claims === undefined ? verifyAnew(token, acceptExpired) : Promise.resolve(claims);
    },
  });
}

/** The JWS Compact Serialization (RFC 7515 section 7.1), each part in its one canonical spelling. */
function readCompactJws(token: string): { readonly header: Uint8Array; readonly payload: Uint8Array } {
  if (token.length > ACCESS_TOKEN_MAX_LENGTH) throw refused("length");
  const [header, payload, signature, ...more] = token.split(".").map(decodeCanonical);
  if (!header || !payload || !signature || more.length > 0) throw refused("form");
  return { header, payload };
}

/** Base64url without padding, white space or stray bits in the last character; `undefined` for any other text. */
function decodeCanonical(part: string): Uint8Array | undefined {
  if (!BASE64URL.test(part) || part.length % 4 === 1) return undefined;
  const strayBits = [0, 0, 0b1111, 0b11][part.length % 4]!;
  return (ALPHABET.indexOf(part.at(-1)!) & strayBits) === 0 ? base64url.decode(part) : undefined;
}

/**
 * Finds the key that the header names. The header chooses nothing else: the algorithm is the key's own, and a header with
 * any member that we do not write (`crit`, `b64`, `jwk`, `jku`, `x5c`, …) is refused as a whole.
 */
async function keyFor(bytes: Uint8Array, keys: VerifyingKeys): Promise<VerifyingKey> {
  const header = parseExactJson(bytes);
  if (!isJsonObject(header) || !Object.keys(header).every((name) => ["alg", "typ", "kid"].includes(name))) {
    throw refused("header");
  }
  // RFC 9068 section 4 allows both; media types are compared without regard to case (RFC 7515 section 4.1.9).
  if (typeof header.typ !== "string" || !/^(application\/)?at\+jwt$/i.test(header.typ)) throw refused("typ");
  if (typeof header.kid !== "string") throw refused("kid");
  const key = await keys.findOrReload(header.kid);
  if (key === undefined) throw refused("kid");
  if (header.alg !== key.alg) throw refused("alg");
  return key;
}
