import { sessionEndAfter, sessionEndShown } from "../records/session.ts";
import { deriveRefreshToken } from "../secrets/refresh-token.ts";
import type { EngineParts } from "./engine.ts";

/**
 * Signs the pair of a generation that has been committed. It makes no decision, and signs the same pair for every
 * retry.
 */
export function createSignPair({
  options,
  rootKeys,
  accessTokens,
  now,
}: Pick<EngineParts, "options" | "rootKeys" | "accessTokens" | "now">): EngineParts["sign"] {
  return async (session, generation, roles, { fresh = false, jkt, isRefresh = false } = {}) => {
    const at = now();
    // A repeated response is the same as the first, and must not reveal when the first was sent.
    const endsAt = isRefresh ? sessionEndAfter(session, at, options) : sessionEndShown(session, at, options);
    const { token, expiresInSeconds } = await accessTokens.sign({ session, generation, roles, fresh, jkt, now: at });
    return {
      accessToken: token,
      tokenType: jkt === undefined ? "Bearer" : "DPoP",
      expiresInSeconds,
      refreshToken: deriveRefreshToken(rootKeys.current, session, generation),
      refreshExpiresInSeconds: Math.max(0, Math.ceil((endsAt - at) / 1000)),
      sessionId: session.id,
      scope: session.scope,
    };
  };
}
