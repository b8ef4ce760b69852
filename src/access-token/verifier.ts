import { base64url, type CryptoKey, compactVerify, type KeyObject } from "jose";
import type { Clock } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import { isJsonObject, parseExactJson } from "../json.ts";
import { type AnyAccessTokenClaims, type ExpectedClaims, readClaims, refused, timeliness } from "./claims.ts";
import { splitCompactJws } from "./compact-jws.ts";
import { type DpopRequest, type PresentedWith, refused as refusedProof } from "./dpop-proof.ts";
import { createVerifiedTokens } from "./remembered.ts";
import { looksLikeRefreshToken } from "./token-kinds.ts";
import type { DpopProofs } from "./used-dpop-proofs.ts";

/** The longest access token that is issued or read, in characters. */
export const ACCESS_TOKEN_MAX_LENGTH = 8192;

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
  /** Like {@link find}, but for a `kid` that may be new it reads the source again, as rarely as the source requires. */
  findOrReload(kid: string): Promise<VerifyingKey | undefined>;
}

/** The options of {@link createAccessTokenVerifier}. */
export interface AccessTokenVerifierOptions extends ExpectedClaims {
  readonly keys: VerifyingKeys;
  readonly clock: Clock;
  readonly proofs: DpopProofs;
  /** How far clocks may differ, 0 to 60. */
  readonly leewaySeconds: number;
  /** How many verified access tokens are remembered. */
  readonly verifiedCacheSize: number;
}

/** Verifies access tokens (RFC 9068 section 4, RFC 8725). */
export interface AccessTokenVerifier {
  /**
   * The claims of a valid access token, of a session or a client's own.
   * @throws LatchkeyError `access_token_expired`, `wrong_token_type` for a refresh token, `invalid_access_token` for
   *   everything else, with the reason only for the operator; `invalid_dpop_proof` and `use_dpop_nonce` for its proof.
   */
  verify(token: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims>;
  /**
   * The claims of an access token that is only inspected and grants no access. So it needs no proof, and with
   * `acceptExpired` it may be past its `exp`.
   */
  read(token: string, options?: { readonly acceptExpired?: boolean }): Promise<AnyAccessTokenClaims>;
  /**
   * What {@link read} returns if this same text has been verified before and is still valid, else `undefined`; call
   * `read` then.
   */
  readCached(token: string): AnyAccessTokenClaims | undefined;
}

/** Verifies, with web-standard APIs alone. Performs no I/O except the one reload that an unknown `kid` may cause. */
export function createAccessTokenVerifier(options: AccessTokenVerifierOptions): AccessTokenVerifier {
  const { keys, clock, proofs, leewaySeconds } = options;
  const verified = createVerifiedTokens(options.verifiedCacheSize);
  let header: AccessTokenHeader | undefined;

  function readCached(token: string): AnyAccessTokenClaims | undefined {
    const known = verified.find(token);
    if (known === undefined) return undefined;
    // A key that was removed from the ring invalidates its access tokens.
    if (keys.find(known.kid) !== undefined) {
      const standing = timeliness(known.claims, clock.now(), leewaySeconds);
      if (standing === "good") return known.claims;
      if (standing === "early") return undefined;
    }
    verified.forget(token);
    return undefined;
  }

  async function verifyAnew(token: string, acceptExpired: boolean): Promise<AnyAccessTokenClaims> {
    if (looksLikeRefreshToken(token)) {
      throw new LatchkeyError("wrong_token_type", {
        description: "This is a refresh token. The endpoint requires an access token.",
      });
    }
    if (token.length > ACCESS_TOKEN_MAX_LENGTH) throw refused("length");
    const parts = splitCompactJws(token);
    if (parts === undefined) throw refused("form");
    // All of one key are spelt alike; reading each again takes 4 %.
    if (parts.header !== header?.text) header = readHeader(parts.header);
    const { kid, alg } = header;
    const key = await keys.findOrReload(kid);
    if (key === undefined) throw refused("kid");
    if (alg !== key.alg) throw refused("alg");
    const { payload } = await compactVerify(token, key.key, { algorithms: [key.alg] }).catch(() => {
      throw refused("signature");
    });
    const claims = readClaims(parseExactJson(payload), options);
    const standing = timeliness(claims, clock.now(), leewaySeconds);
    if (standing === "early") throw refused("iat or nbf in the future");
    if (standing === "good") verified.remember(token, { claims, kid: key.kid });
    else if (!acceptExpired) throw new LatchkeyError("access_token_expired");
    return claims;
  }

  /** RFC 9449 sections 7.1 and 7.2: a bound token with a proof by its key, any other without one. */
  async function refuseUnproved(token: string, { cnf }: AnyAccessTokenClaims, dpop: DpopRequest | undefined) {
    if (cnf === undefined && dpop === undefined) return;
    if (dpop === undefined)
      throw refusedScheme("This access token is bound to a key. Send it as 'Authorization: DPoP …', with a proof.");
    if (cnf === undefined)
      throw refusedScheme("This access token is not bound to a key. Send it as 'Authorization: Bearer …'.");
    const proof = await proofs.read(dpop, token);
    if (proof.jkt !== cnf.jkt) throw refusedProof("Its key is not the one that the access token is bound to.");
    proofs.use(proof);
  }

  async function read(token: string, acceptExpired: boolean): Promise<AnyAccessTokenClaims> {
    if (typeof token !== "string") throw refused("form");
    return readCached(token) ?? (await verifyAnew(token, acceptExpired));
  }

  return Object.freeze<AccessTokenVerifier>({
    readCached,
    read: (token, { acceptExpired = false } = {}) => read(token, acceptExpired),
    async verify(token, { dpop } = {}) {
      const claims = await read(token, false);
      await refuseUnproved(token, claims, dpop);
      return claims;
    },
  });
}

function refusedScheme(description: string): LatchkeyError {
  return new LatchkeyError("invalid_access_token", { description, challenge: "DPoP" });
}

/** What the header of an access token says, and how it is spelt. */
interface AccessTokenHeader {
  readonly text: string;
  readonly kid: string;
  readonly alg: JsonValue | undefined;
}

/**
 * Reads a header. It names the key and chooses nothing else: the algorithm is the key's own, and a header with any
 * member that Latchkey does not write (`crit`, `b64`, `jwk`, `jku`, `x5c`, …) is refused as a whole.
 */
function readHeader(text: string): AccessTokenHeader {
  const header = parseExactJson(base64url.decode(text));
  if (!isJsonObject(header) || !Object.keys(header).every((name) => ["alg", "typ", "kid"].includes(name))) {
    throw refused("header");
  }
  // RFC 9068 section 4 allows both; media types are compared without regard to case (RFC 7515 section 4.1.9).
  if (typeof header.typ !== "string" || !/^(application\/)?at\+jwt$/i.test(header.typ)) throw refused("typ");
  if (typeof header.kid !== "string") throw refused("kid");
  return { text, kid: header.kid, alg: header.alg };
}
