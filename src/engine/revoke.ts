import { EVERY_SESSION } from "../access-token/claims.ts";
import { looksLikeRefreshToken } from "../access-token/token-kinds.ts";
import { isLatchkeyError, LatchkeyError } from "../errors.ts";
import { pause } from "../in-slices.ts";
import type { RevokedSession } from "../records/revocation.ts";
import { FIRST_PARTY_CLIENT_ID } from "../records/session.ts";
import { parseRefreshToken } from "../secrets/refresh-token.ts";
import type { Adoption } from "./adoption/adoption.ts";
import { sessionsOf } from "./announce-revoked.ts";
import type { EngineParts } from "./engine.ts";
import type { RequestContext } from "./events.ts";

/** How many sessions one act ends when every session is ended: few enough for refreshes to continue in between. */
const REVOCATION_BATCH = 100;
/** A sign-in that was under way may commit behind the first pass, unseen by it. */
const REVOCATION_PASSES = 2;

/** What ends one session. */
type SingleReason = "logout" | "session_revoked" | "administrator";

/** Who revokes. */
export interface RevokeRequest {
  /** The client that must own the token, as authenticated. Default: `first-party`. */
  readonly clientId?: string | undefined;
}

/** The ways out of a session. When one of them resolves, the end is durable and this process refuses the access tokens. */
export interface Revoke {
  /**
   * Ends the session of a refresh or an access token. Idempotent; an unknown token changes nothing. Resolves to whether
   * the token is known, even if its session has already ended.
   */
  logout(token: string, context?: RequestContext): Promise<boolean>;
  /**
   * Revokes a token on behalf of a client (RFC 7009): either kind ends the session. An unknown token changes nothing.
   * @throws LatchkeyError `unauthorized_client` for the token of another client, `unsupported_token_type` for a client's own
   *   access token.
   */
  revoke(token: string, request?: RevokeRequest, context?: RequestContext): Promise<void>;
  /** Ends every session of the subject except `exceptId`, and returns how many. */
  logoutAll(subject: string, context?: RequestContext, exceptId?: string): Promise<number>;
  /** `sessions.revoke` of the issuer. */
  revokeSession(sessionId: string, request?: { readonly ofSubject?: string }, context?: RequestContext): Promise<void>;
  /** `sessions.revokeEvery` of the issuer. */
  revokeEverySession(context?: RequestContext): Promise<number>;
}

/** What a token belongs to: a client's own access token has no session. */
interface Behind {
  readonly sessionId: string | undefined;
  readonly subject: string;
  readonly clientId: string;
}

/** Ends sessions. */
export function createRevoke(engine: EngineParts, adoption: Pick<Adoption, "present">): Revoke {
  const { store, rootKeys, accessTokens, announceRevoked, now } = engine;

  async function behindRefreshToken(token: string): Promise<Behind | undefined> {
    const presented = parseRefreshToken(token, rootKeys);
    const session = presented && (await store.findSession(presented.sessionId));
    return session && presented.isAuthentic(session.salt)
      ? { sessionId: session.id, subject: session.subject, clientId: session.clientId }
      : undefined;
  }

  async function behindAccessToken(token: string): Promise<Behind | undefined> {
    try {
      // An expired access token still proves whose session it was, and ending it is what its holder asks for. It does
      // not require a proof of the key either: anyone who finds a token may make it worthless, and can do nothing else
      // with it.
      const { sid, sub, client_id } = await accessTokens.read(token, { acceptExpired: true });
      return { sessionId: sid, subject: sub, clientId: client_id };
    } catch (error) {
      if (isLatchkeyError(error) && error.status === 401) return undefined;
      throw error;
    }
  }

  /** Adopts the session first if it was not adopted yet, so that there is a record that stays revoked. */
  async function behindForeignRefreshToken(token: string, context: RequestContext): Promise<Behind | undefined> {
    try {
      const presented = await adoption.present(token, context);
      const session = presented && (await store.findSession(presented.sessionId));
      return session ? { sessionId: session.id, subject: session.subject, clientId: session.clientId } : undefined;
    } catch (error) {
      if (isLatchkeyError(error) && error.status === 401) return undefined;
      throw error;
    }
  }

  async function behind(token: string, context: RequestContext): Promise<Behind | undefined> {
    if (looksLikeRefreshToken(token)) return behindRefreshToken(token);
    return (await behindAccessToken(token)) ?? (await behindForeignRefreshToken(token, context));
  }

  /** Ends one session. A session that has already ended stays unchanged, and nothing is announced. */
  async function end(
    { sessionId, subject }: { readonly sessionId: string; readonly subject: string },
    reason: SingleReason,
    context: RequestContext,
  ): Promise<void> {
    const at = now();
    const revoked = await store.revokeSessions([sessionId], { at, reason });
    await announceRevoked({ sessions: sessionsOf(subject, revoked), at, why: { reason } }, context);
  }

  async function endEverySession(context: RequestContext): Promise<number> {
    const reason = "administrator";
    let [count, afterId]: [number, string | null] = [0, null];
    for (;;) {
      const at = now();
      const alsoLogged = afterId === null ? EVERY_SESSION : null;
      const revoked: readonly RevokedSession[] = await store.revokeEverySession({
        afterId,
        limit: REVOCATION_BATCH,
        at,
        reason,
        alsoLogged,
      });
      await announceRevoked({ sessions: revoked, at, why: { reason }, alsoEnded: alsoLogged }, context);
      count += revoked.length;
      if (revoked.length < REVOCATION_BATCH) return count;
      await pause();
      afterId = revoked.at(-1)!.id;
    }
  }

  return {
    async logout(token, context = {}) {
      const found = await behind(token, context);
      if (found?.sessionId === undefined) return false;
      await end({ ...found, sessionId: found.sessionId }, "logout", context);
      return true;
    },

    async revoke(token, { clientId = FIRST_PARTY_CLIENT_ID } = {}, context = {}) {
      const found = await behind(token, context);
      if (found === undefined) return;
      if (found.clientId !== clientId) {
        throw new LatchkeyError("unauthorized_client", {
          description: "The token belongs to another client, and only that client may revoke it.",
        });
      }
      if (found.sessionId === undefined) throw new LatchkeyError("unsupported_token_type");
      await end({ ...found, sessionId: found.sessionId }, "logout", context);
    },

    async logoutAll(subject, context = {}, exceptId) {
      const at = now();
      const reason = "logout_all";
      const revoked = await store.revokeSubjectSessions(subject, { at, reason }, exceptId);
      await announceRevoked({ sessions: sessionsOf(subject, revoked), at, why: { reason } }, context);
      return revoked.length;
    },

    async revokeSession(sessionId, { ofSubject } = {}, context = {}) {
      const session = await store.findSession(sessionId);
      if (session === null || (ofSubject !== undefined && session.subject !== ofSubject))
        throw new LatchkeyError("not_found");
      const reason = ofSubject === undefined ? "administrator" : "session_revoked";
      await end({ sessionId, subject: session.subject }, reason, context);
    },

    async revokeEverySession(context = {}) {
      let count = 0;
      for (let round = 0; round < REVOCATION_PASSES; round++) count += await endEverySession(context);
      return count;
    },
  };
}
