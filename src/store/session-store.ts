import type { Revocation, RevokedSession } from "../records/revocation.ts";
import type { Session } from "../records/session.ts";
import type { SessionChange } from "../records/session-change.ts";
import type { User } from "../records/user.ts";

/** How many of a subject's sessions are listed by default. */
export const MOST_SESSIONS_LISTED = 1000;

/** Keeps sessions, one row each. A subject need not be a user of the store. */
export interface SessionStore {
  /**
   * Creates sessions, each only if its user may sign in and its client is not disabled. Each result is at the index of
   * its request.
   */
  createSessions(batch: readonly SessionCreation[]): Promise<readonly SessionCreated[]>;

  /**
   * Reads the sessions, lets `decide` choose the change of each, and writes that change. The ids must differ. `decide`
   * is synchronous and pure, since it may be called again for the same index when another process was faster: the last
   * call is the one that was committed. Every session is changed completely or not at all, and only if the user is
   * still as `decide` saw them; if the act rejects with `store_unavailable`, some may have been changed.
   */
  changeSessions(ids: readonly string[], decide: SessionDecision): Promise<void>;

  /** Revokes sessions that are not yet revoked, and returns their ids. */
  revokeSessions(ids: readonly string[], revocation: Revocation): Promise<readonly string[]>;

  /** Revokes all of a subject's sessions except `exceptId`, and returns the ids of those that were not yet revoked. */
  revokeSubjectSessions(subject: string, revocation: Revocation, exceptId?: string): Promise<readonly string[]>;

  /**
   * Revokes sessions of any person, at most `limit` of those that are neither revoked nor past their absolute end, in
   * the store's own order of ids, and returns them. Call it until it returns fewer, each time with the last one of the
   * previous call.
   */
  revokeEverySession(request: EverySession): Promise<readonly RevokedSession[]>;

  findSession(id: string): Promise<Session | null>;

  /**
   * The addresses that a subject's live sessions were opened from and last refreshed from, each once: from the newest
   * thousand that are neither revoked nor past their absolute end, and were used after `usedAfter`.
   */
  listSessionAddresses(subject: string, now: number, usedAfter: number): Promise<readonly string[]>;

  /** A subject's sessions that are not revoked and not past their absolute end, newest first, at most `limit`: {@link MOST_SESSIONS_LISTED} by default. */
  listSessions(subject: string, now: number, limit?: number): Promise<readonly Session[]>;

  /** At most `limit` of all sessions that are not revoked and not past their absolute end, newest first. */
  listLiveSessions(now: number, limit: number): Promise<readonly Session[]>;
}

export interface SessionCreation {
  readonly session: Session;
  /**
   * The version of the user's credentials that was proved: the session is created only if the version is unchanged and
   * the user is not disabled. `null` if the application itself vouches for the subject, which then need not be a user
   * here; a disabled user gets no session even then.
   */
  readonly credentialsVersion: number | null;
  /**
   * How many live sessions the subject may have, including this one; beyond that the oldest are revoked. 0 = no limit.
   */
  readonly sessionLimit: number;
  /**
   * If a session with this id already exists, even one that an earlier item of the batch created, leave it unchanged
   * and return `created: false`. Without this option the batch is refused in that case. Ids that were created with this
   * option are remembered for good: once such a session has been swept, its id is never used again, and `hasEnded` says
   * so.
   */
  readonly ifAbsent?: boolean;
}

/** `evicted` are the ids of the sessions that were replaced, revoked for `session_limit` in the same act. */
export type SessionCreated =
  | { readonly created: true; readonly evicted: readonly string[] }
  | { readonly created: false; readonly hasEnded?: true };

/** Returns the change of the session at `index` of the batch. `null`: nothing is written. */
export type SessionDecision = (index: number, found: FoundSession | null) => SessionChange | null;

/** A session and the user it belongs to, read in the same act; `user` is null if the subject is not a user here. */
export interface FoundSession {
  readonly session: Session;
  readonly user: User | null;
}

export interface EverySession extends Revocation {
  /** Where to continue; `null` for the beginning. */
  readonly afterId: string | null;
  readonly limit: number;
  /** An id appended to the log of revocations in the same act, although no session has it; `null` for none. */
  readonly alsoLogged: string | null;
}
