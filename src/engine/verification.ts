import { type AccessTokenClaims, type AnyAccessTokenClaims, ofPerson } from "../access-token/claims.ts";
import type { PresentedWith } from "../access-token/dpop-proof.ts";
import { LatchkeyError } from "../errors.ts";
import type { Revocations } from "../revocations/known-revocations.ts";
import type { ReplacedAccessTokens } from "../revocations/replaced-access-tokens.ts";
import type { AccessTokens } from "../signing/sign-access-token.ts";

/** The dependencies of {@link createVerification}. */
export interface VerificationParts {
  readonly accessTokens: AccessTokens;
  readonly revocations: Pick<Revocations, "covers">;
  readonly replaced: ReplacedAccessTokens;
}

/** Verifies access tokens, and that they are still in force. No database is read. */
export interface Verification {
  verify(accessToken: string, presented?: PresentedWith): Promise<AccessTokenClaims>;
  verifyAny(accessToken: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims>;
  verifyRemembered(accessToken: string): AnyAccessTokenClaims | undefined;
  /** The same as `verifyAny` with no proof of the key that the access token is bound to. */
  readAny(accessToken: string): Promise<AnyAccessTokenClaims>;
  /** The session that the token's holder may end, even if the access token has expired or been replaced. */
  sessionToEnd(accessToken: string): Promise<string>;
}

/** Checks the signature and claims of access tokens, and what has ended since they were signed. */
export function createVerification({ accessTokens, revocations, replaced }: VerificationParts): Verification {
  async function inForce(claims: AnyAccessTokenClaims): Promise<AnyAccessTokenClaims> {
    const isRevoked = revocations.covers(claims);
    if (claims.sid === undefined) {
      if (isRevoked) throw new LatchkeyError("invalid_access_token", { description: "The client has been disabled." });
      return claims;
    }
    if (isRevoked) throw new LatchkeyError("session_revoked");
    // Its holder learns no more than from the token's age. Their next refresh shows whether they have replaced it
    // themselves.
    if (await replaced.includes(claims)) throw new LatchkeyError("access_token_expired");
    return claims;
  }

  async function verifyAny(accessToken: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims> {
    return inForce(await accessTokens.verify(accessToken, presented));
  }

  return {
    verify: async (accessToken, presented) => ofPerson(await verifyAny(accessToken, presented)),
    verifyAny,
    verifyRemembered(accessToken) {
      const claims = accessTokens.readCached(accessToken);
      // A token that is bound to a key, revoked or replaced must be checked or refused by `verifyAny`.
      if (claims === undefined || claims.cnf !== undefined || revocations.covers(claims)) return undefined;
      return claims.sid === undefined || replaced.includes(claims) === false ? claims : undefined;
    },
    readAny: async (accessToken) => inForce(await accessTokens.read(accessToken)),
    async sessionToEnd(accessToken) {
      const claims = ofPerson(await accessTokens.read(accessToken, { acceptExpired: true }));
      if (revocations.covers(claims)) throw new LatchkeyError("session_revoked");
      return claims.sid;
    },
  };
}
