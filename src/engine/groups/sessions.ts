import { LatchkeyError } from "../../errors.ts";
import { lastUseShown, type Session, sessionEnd, sessionEndShown, sessionStatus } from "../../records/session.ts";
import { parseRefreshToken } from "../../secrets/refresh-token.ts";
import type { Adoption } from "../adoption/adoption.ts";
import type { EngineParts } from "../engine.ts";
import type { RequestContext } from "../events.ts";
import type { Revoke } from "../revoke.ts";
import type { Verification } from "../verification.ts";

/** The sessions of people. A session is one sign-in on one device. */
export interface Sessions {
  /** At most `limit` of the subject's live sessions, newest first. Default: 1,000. */
  list(subject: string, limit?: number): Promise<readonly Session[]>;
  /** Ends one session. With `ofSubject`, only if it is that subject's session: otherwise it throws `not_found`. */
  revoke(sessionId: string, request?: { readonly ofSubject?: string }, context?: RequestContext): Promise<void>;
  /**
   * Ends the sessions of every user, in bounded acts, and returns how many. Their access tokens end with them,
   * including those whose session the database does not know, as after a backup was restored. Clients' own access
   * tokens stay valid. If it rejects, some sessions have ended; call it again to end the rest.
   */
  revokeEvery(context?: RequestContext): Promise<number>;
  /**
   * Adopts sessions that another system has opened, before their next refresh: from then on they are listed, and a
   * logout everywhere, a new password or disabling the user ends them too. Repeating the call leaves existing sessions
   * unchanged. Their refresh tokens are accepted if the option `foreignRefreshTokens` knows them. Throws a TypeError
   * for a value that is not such a session; those before it stay adopted.
   */
  adopt: Adoption["adoptSessions"];
  /**
   * When a session ends if it is not refreshed before, in milliseconds since the Unix epoch. This is the exact time, so
   * do not reveal it to anyone who may hold a copy of its tokens: show people {@link Sessions.timesShown}.
   */
  endsAt(session: Session): number;
  /** When a session was last used and when it ends, as of the last full hour, in milliseconds since the Unix epoch. */
  timesShown(session: Session): { readonly lastUsedAt: number; readonly expiresAt: number };
  /**
   * The id of the session that a refresh token names. Its MAC is not checked here: this proves nothing.
   * @throws LatchkeyError `invalid_refresh_token`.
   */
  idOf(refreshToken: string): string;
  /**
   * The id of the session that the holder of this access token may end: a token that has expired or been replaced still
   * proves whose it was. Throws `session_revoked` if the session has ended, and otherwise the same errors as `verify`.
   */
  idToEnd(accessToken: string): Promise<string>;
}

/** The acts on sessions that {@link createSessions} puts together. */
export interface SessionActs {
  readonly revoke: Revoke;
  readonly adoption: Pick<Adoption, "adoptSessions">;
  readonly verification: Pick<Verification, "sessionToEnd">;
}

/** Puts together the acts on sessions, other than opening and refreshing one. */
export function createSessions(
  { options, store, rootKeys, now }: EngineParts,
  { revoke, adoption, verification }: SessionActs,
): Sessions {
  return {
    async list(subject, limit) {
      const at = now();
      return (await store.listSessions(subject, at, limit)).filter(
        (session) => sessionStatus(session, at, options) === "live",
      );
    },
    revoke: revoke.revokeSession,
    revokeEvery: revoke.revokeEverySession,
    adopt: adoption.adoptSessions,
    endsAt: (session) => sessionEnd(session, options),
    timesShown: (session) => ({
      lastUsedAt: lastUseShown(session, now()),
      expiresAt: sessionEndShown(session, now(), options),
    }),
    idOf(refreshToken) {
      const presented = parseRefreshToken(refreshToken, rootKeys);
      if (presented === undefined) throw new LatchkeyError("invalid_refresh_token");
      return presented.sessionId;
    },
    idToEnd: verification.sessionToEnd,
  };
}
