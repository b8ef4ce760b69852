import { generationOf } from "../access-token/claims.ts";
import type { AccessTokenClaims } from "../signing/sign-access-token.ts";
import type { SessionStore } from "../store/session-store.ts";

/** Which access tokens a later refresh has replaced, where `revokeReplacedAccessTokens` asks for it. */
export interface ReplacedAccessTokens {
  /** Remembers that the session is now at `generation`. */
  refreshed(sessionId: string, generation: number): void;
  /** Whether the access token belongs to an earlier generation than the session's newest. */
  includes(claims: AccessTokenClaims): boolean | Promise<boolean>;
}

/** For when the option is off: remembers nothing, finds nothing. */
export const nothingIsReplaced: ReplacedAccessTokens = Object.freeze({ refreshed() {}, includes: () => false });

/**
 * Keeps each session's newest generation in memory for as long as an older access token can live. The first token of a
 * session that was issued before this process started costs one read of its row; after that none does.
 */
export function createReplacedAccessTokens(
  store: Pick<SessionStore, "findSession">,
  now: () => number,
  rememberMs: () => number,
): ReplacedAccessTokens {
  // In order of the last refresh, so that forgetting stops at the first that still matters.
  const newest = new Map<string, { readonly generation: number; readonly at: number }>();
  const startedAt = now();

  function refreshed(sessionId: string, generation: number): void {
    const known = newest.get(sessionId)?.generation ?? 0;
    newest.delete(sessionId);
    newest.set(sessionId, { generation: Math.max(known, generation), at: now() });
    const horizon = now() - rememberMs();
    for (const [oldest, { at }] of newest) {
      if (at >= horizon) return;
      newest.delete(oldest);
    }
  }

  async function readNewest(sessionId: string): Promise<number> {
    const generation = (await store.findSession(sessionId))?.rotation.pendingTo ?? 0;
    refreshed(sessionId, generation);
    return generation;
  }

  return {
    refreshed,
    includes(claims) {
      const generation = generationOf(claims);
      const known = newest.get(claims.sid)?.generation;
      if (known !== undefined) return generation < known;
      // Whatever refreshed the session since this process started is remembered above.
      if (claims.iat * 1000 > startedAt) return false;
      return readNewest(claims.sid).then((stored) => generation < stored);
    },
  };
}
