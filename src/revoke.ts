import type { Engine } from "./engine.ts";
import { isLatchkeyError, LatchkeyError } from "./errors.ts";
import type { RequestContext } from "./events.ts";
import { parseRefreshToken } from "./refresh-token.ts";
import type { RevocationReason } from "./session.ts";
import { looksLikeRefreshToken } from "./token-kinds.ts";

/** The ways out of a session. When one of them resolves, the end is durable and this process refuses the access tokens. */
export interface Revoke {
  /** Ends the session of a refresh or an access token. Idempotent; an unknown token changes nothing. */
  logout(token: string, context?: RequestContext): Promise<void>;
  /** Ends every session of the subject but `exceptId`. */
  logoutAll(subject: string, context?: RequestContext, exceptId?: string): Promise<void>;
  /** Ends one session. With `ofSubject`, only if it is theirs: otherwise `not_found`. */
  revokeSession(sessionId: string, request?: { readonly ofSubject?: string }, context?: RequestContext): Promise<void>;
  /** Takes over sessions that a store act of another module has just revoked. */
  revoked(
    sessionIds: readonly string[],
    subject: string,
    reason: "password_changed" | "user_disabled",
    context: RequestContext,
  ): void;
}

/** Ends sessions. */
export function createRevoke(engine: Engine): Revoke {
  const { store, rootKeys, accessTokens, revocations, emit, now } = engine;

  async function sessionOfRefreshToken(token: string): Promise<{ sessionId: string; subject: string } | undefined> {
    const presented = parseRefreshToken(token, rootKeys);
    const session = presented && (await store.findSession(presented.sessionId));
    return session && presented.isAuthentic(session.salt)
      ? { sessionId: session.id, subject: session.subject }
      : undefined;
  }

  async function sessionOfAccessToken(token: string): Promise<{ sessionId: string; subject: string } | undefined> {
    try {
      // An expired access token still proves whose session it was, and ending it is what its holder asks for.
      const { sid, sub } = await accessTokens.verify(token, { acceptExpired: true });
      return { sessionId: sid, subject: sub };
    } catch (error) {
      if (isLatchkeyError(error) && error.status === 401) return undefined;
      throw error;
    }
  }

  /** Revokes one session and says whether this call did it. */
  async function end(sessionId: string, reason: RevocationReason): Promise<boolean> {
    const at = now();
    const revoked = await store.revokeSessions([sessionId], { at, reason });
    revocations.add(revoked, at);
    return revoked.length > 0;
  }

  return {
    async logout(token, context = {}) {
      const session = looksLikeRefreshToken(token)
        ? await sessionOfRefreshToken(token)
        : await sessionOfAccessToken(token);
      if (session !== undefined && (await end(session.sessionId, "logout"))) {
        emit({ type: "session.logged_out", ...session }, context);
      }
    },

    async logoutAll(subject, context = {}, exceptId) {
      const at = now();
      const revoked = await store.revokeSubjectSessions(subject, { at, reason: "logout_all" }, exceptId);
      revocations.add(revoked, at);
      for (const sessionId of revoked)
        emit({ type: "session.revoked", sessionId, subject, reason: "logout_all" }, context);
    },

    async revokeSession(sessionId, { ofSubject } = {}, context = {}) {
      const session = await store.findSession(sessionId);
      if (session === null || (ofSubject !== undefined && session.subject !== ofSubject))
        throw new LatchkeyError("not_found");
      const reason = ofSubject === undefined ? "administrator" : "session_revoked";
      if (await end(sessionId, reason)) {
        emit({ type: "session.revoked", sessionId, subject: session.subject, reason }, context);
      }
    },

    revoked(sessionIds, subject, reason, context) {
      revocations.add(sessionIds, now());
      for (const sessionId of sessionIds) emit({ type: "session.revoked", sessionId, subject, reason }, context);
    },
  };
}
