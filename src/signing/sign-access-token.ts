import {
  type AccessTokenGrant,
  type AnyAccessTokenClaims,
  type ClientAccessTokenGrant,
  claimsOf,
  claimsOfClient,
} from "../access-token/claims.ts";
import type { DpopProofs } from "../access-token/used-dpop-proofs.ts";
import {
  ACCESS_TOKEN_MAX_LENGTH,
  type AccessTokenVerifier,
  createAccessTokenVerifier,
} from "../access-token/verifier.ts";
import { audienceRule, leewayRule, verifiedCacheSizeRule } from "../access-token/verifying-rules.ts";
import type { Environment } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import { createOptionSet, isText, required, wholeNumber } from "../option-rules.ts";
import { randomId } from "../random-id.ts";
import type { KeyRing, SigningKey } from "./key-ring.ts";

export type { AccessTokenClaims } from "../access-token/claims.ts";

const JTI_UNIQUE_BYTES = 9;

/** What {@link createAccessTokens} takes. */
export interface AccessTokensOptions {
  readonly keys: Pick<KeyRing, "current" | "find" | "findOrReload" | "reloadIfStale">;
  readonly environment: Environment;
  readonly proofs: DpopProofs;
  /** The `iss` of every access token, and the only one accepted, character by character. */
  readonly issuer: string;
  /** The `aud` of every access token; one that names any of them is accepted. */
  readonly audience: string | readonly string[];
  readonly accessTtlSeconds: number;
  /** Is waited for before each signature. Default: nothing is. */
  readonly beforeSigning?: (() => Promise<void> | undefined) | undefined;
  /** How far clocks may differ when times are checked, 0 to 60. */
  readonly leewaySeconds: number;
  /** How many verified access tokens are remembered; 0 remembers none. Default: 10,000. */
  readonly verifiedCacheSize?: number | undefined;
}

/** A signed access token. */
export interface SignedAccessToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  /** Its `exp`, in seconds since the Unix epoch. */
  readonly expiresAtSeconds: number;
}

/** Signs access tokens and verifies them. */
export interface AccessTokens extends AccessTokenVerifier {
  /** Signs the access token of one generation of a session, with the current key. */
  sign(grant: AccessTokenGrant): Promise<SignedAccessToken>;
  /** Signs a client's own access token, with the current key. */
  signForClient(grant: ClientAccessTokenGrant): Promise<SignedAccessToken>;
}

type CheckedOptions = Pick<
  AccessTokensOptions,
  "issuer" | "audience" | "accessTtlSeconds" | "leewaySeconds" | "verifiedCacheSize"
>;

const checkedOptions = createOptionSet<
  CheckedOptions,
  Required<Omit<CheckedOptions, "audience">> & {
    readonly audience: readonly string[];
    readonly verifiedCacheSize: number;
  }
>({
  of: "createAccessTokens",
  rules: {
    issuer: required<string>((value) => (isText(value) ? undefined : "must be a non-empty string")),
    audience: audienceRule,
    accessTtlSeconds: required<number>(wholeNumber(1)),
    leewaySeconds: leewayRule,
    verifiedCacheSize: verifiedCacheSizeRule,
  },
});

/**
 * Access tokens in the JWT profile of RFC 9068, signed with the ring's current key.
 * @throws TypeError naming an option that is missing or wrong: nothing is verified without issuer and audience.
 */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { keys, environment } = options;
  const { issuer, audience, accessTtlSeconds, leewaySeconds, verifiedCacheSize } = checkedOptions.resolveFrom(options);
  const terms = { issuer, audience, accessTtlSeconds };
  const verifier = createAccessTokenVerifier({
    keys,
    clock: environment.clock,
    proofs: options.proofs,
    issuer,
    audience,
    leewaySeconds,
    verifiedCacheSize,
  });
  const headers = new WeakMap<SigningKey, string>();

  function headerOf(key: SigningKey): string {
    const known = headers.get(key);
    if (known !== undefined) return known;
    const header = encodeJson({ alg: key.alg, typ: "at+jwt", kid: key.kid });
    headers.set(key, header);
    return header;
  }

  async function signed(claimsWith: (unique: string) => AnyAccessTokenClaims): Promise<SignedAccessToken> {
    await keys.reloadIfStale();
    await options.beforeSigning?.();
    const key = keys.current();
    const unique = randomId(environment.random, JTI_UNIQUE_BYTES);
    const claims = claimsWith(unique);
    const input = `${headerOf(key)}.${encodeJson(claims)}`;
    const token = `${input}.${Buffer.from(await key.sign(input)).toString("base64url")}`;
    if (token.length > ACCESS_TOKEN_MAX_LENGTH) throw tooLong(token.length);
    return { token, expiresInSeconds: Math.max(0, claims.exp - claims.iat), expiresAtSeconds: claims.exp };
  }

  return Object.freeze<AccessTokens>({
    ...verifier,
    sign: (grant) => signed((unique) => claimsOf(grant, terms, unique)),
    signForClient: (grant) => signed((unique) => claimsOfClient(grant, terms, unique)),
  });
}

function encodeJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function tooLong(length: number): LatchkeyError {
  return new LatchkeyError("internal_error", {
    detail:
      `The access token would have ${length} characters; at most ${ACCESS_TOKEN_MAX_LENGTH} are allowed. ` +
      "The subject has too many roles, or its scope is too long.",
  });
}
