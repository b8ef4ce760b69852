import { type AccessTokenClaims, type AnyAccessTokenClaims, ofPerson } from "../access-token/claims.ts";
import type { PresentedWith } from "../access-token/dpop-proof.ts";
import { createDpopProofs } from "../access-token/used-dpop-proofs.ts";
import { createAccessTokenVerifier } from "../access-token/verifier.ts";
import { LatchkeyError } from "../errors.ts";
import { createPublishedKeys } from "./published-keys.ts";
import { type FeedStatus, followRevocations } from "./revocation-follower.ts";
import { resolveVerifierOptions, type VerifierOptions } from "./verifier-options.ts";

export type { AccessTokenClaims, AnyAccessTokenClaims, ClientAccessTokenClaims } from "../access-token/claims.ts";
export { type DpopRequest, dpopAlgorithms, type PresentedWith } from "../access-token/dpop-proof.ts";
export { type ChallengeScheme, type ErrorCode, isLatchkeyError, LatchkeyError } from "../errors.ts";
export type { FeedStatus } from "./revocation-follower.ts";
export type { PublicKeyAlgorithm, RevocationOptions, VerifierOptions } from "./verifier-options.ts";

/** Verifies access tokens outside the issuer: in another service, with web-standard APIs only. */
export interface Verifier {
  /**
   * The claims of a person's valid access token, frozen. Nothing is fetched except, rarely, the issuer's keys.
   * @throws LatchkeyError `invalid_access_token`, `access_token_expired`, `wrong_token_type` or `session_revoked`
   *   (401); `verifier_unavailable` (503) when the issuer's keys cannot be fetched, or when it cannot be known whether
   *   the session has ended and the options say to refuse in that case. A token sent as `Authorization: DPoP` (RFC
   *   9449) is valid only with the proof that came with it, and only for one request; an error in the proof is
   *   `invalid_dpop_proof` (401).
   */
  verify(accessToken: string, presented?: PresentedWith): Promise<AccessTokenClaims>;
  /**
   * Like {@link verify}, but also accepts a client's own access token (RFC 6749 section 4.4); `sid` distinguishes the
   * two.
   */
  verifyAny(accessToken: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims>;
  /**
   * Resolves when the issuer's keys have been fetched and, if revocations are followed, all of them are known.
   * @throws LatchkeyError `verifier_unavailable` when that takes longer than `timeoutSeconds`. Default: 10.
   */
  ready(request?: { readonly timeoutSeconds?: number }): Promise<void>;
  /** The state of the revocation feed; `undefined` if none is followed. */
  feedStatus(): FeedStatus | undefined;
  /**
   * Disconnects from the revocation feed; without this call a process that follows a feed does not exit. Nothing can be
   * verified afterwards.
   */
  close(): void;
}

const READY_RETRY_MS = 250;

/**
 * Creates a verifier. With `revocations` it connects to the feed at once.
 * @throws TypeError naming every option that is missing, unknown or wrong: a verifier requires `issuer`, `audience` and
 *   `algorithms`.
 * @example
 * ```ts
 * import { createVerifier, isLatchkeyError } from "latchkey/verify";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "https://api.example.com",
 *   algorithms: ["ES256"],
 * });
 *
 * async function subjectOf(accessToken: string): Promise<string | undefined> {
 *   try {
 *     return (await verifier.verify(accessToken)).sub;
 *   } catch (error) {
 *     if (isLatchkeyError(error) && error.status === 401) return undefined;
 *     throw error;
 *   }
 * }
 * ```
 */
export function createVerifier(given: VerifierOptions): Verifier {
  const options = resolveVerifierOptions(given);
  const { clock } = options.environment;
  const keys = createPublishedKeys(options, clock);
  const tokens = createAccessTokenVerifier({ ...options, keys, clock, proofs: createDpopProofs({ clock }) });
  const follower = options.revocations && followRevocations(options, options.revocations);
  let isClosed = false;

  async function verifyAny(accessToken: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims> {
    if (isClosed) throw new TypeError("The verifier has been closed.");
    const claims = await tokens.verify(accessToken, presented);
    await follower?.refuseRevoked(claims);
    return claims;
  }

  /** Keeps requesting the keys, since a service may well start before its issuer. */
  async function loaded(isTooLate: () => boolean): Promise<void> {
    for (;;) {
      try {
        return await keys.load();
      } catch (error) {
        if (isTooLate()) throw error;
        await new Promise((resolve) => setTimeout(resolve, READY_RETRY_MS));
      }
    }
  }

  return Object.freeze<Verifier>({
    verify: async (accessToken, presented) => ofPerson(await verifyAny(accessToken, presented)),
    verifyAny,
    async ready({ timeoutSeconds = 10 } = {}) {
      let isTooLate = false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tooLate = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          isTooLate = true;
          reject(notReady(timeoutSeconds));
        }, timeoutSeconds * 1000);
      });
      try {
        await Promise.race([Promise.all([loaded(() => isTooLate), follower?.heard]), tooLate]);
      } finally {
        isTooLate = true;
        clearTimeout(timer);
      }
    },
    feedStatus: () => follower?.status(),
    close() {
      isClosed = true;
      follower?.close();
    },
  });
}

function notReady(timeoutSeconds: number): LatchkeyError {
  return new LatchkeyError("verifier_unavailable", {
    detail: `The issuer's keys, or its revocations, could not be fetched within ${timeoutSeconds} seconds.`,
    retryAfterSeconds: 1,
  });
}
