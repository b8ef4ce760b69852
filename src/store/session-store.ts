import type { Revocation, RevokedSession } from "../records/revocation.ts";
import type { Session } from "../records/session.ts";
import type { SessionChange } from "../records/session-change.ts";
import type { User } from "../records/user.ts";

/** How many of a subject's sessions are listed where nobody asks for more. */
export const MOST_SESSIONS_LISTED = 1000;

/** Keeps sessions, one row each. A subject need not be a user of the store. */
export interface SessionStore {
  /** Creates sessions, each only if its user may sign in and its client is not disabled. A result stands at the index of its request. */
  createSessions(batch: readonly SessionCreation[]): Promise<readonly SessionCreated[]>;

  /**
   * Reads the sessions, lets `decide` say what becomes of each, and writes what it says. The ids must differ.
   * `decide` is synchronous and pure, since it may be called again for the same index when another process was faster:
   * the last call is the one that was committed. Every session is changed whole or not at all, and with the user as `decide`
   * saw them; where the act rejects as `store_unavailable`, some may have been changed.
   */
  changeSessions(ids: readonly string[], decide: SessionDecision): Promise<void>;

  /** Revokes sessions that are not yet revoked, and gives their ids. */
  revokeSessions(ids: readonly string[], revocation: Revocation): Promise<readonly string[]>;

  /** Revokes all of a subject's sessions but `exceptId`, and gives the ids of those that were not yet revoked. */
  revokeSubjectSessions(subject: string, revocation: Revocation, exceptId?: string): Promise<readonly string[]>;

  /**
   * Revokes sessions of any person, at most `limit` of those that are neither revoked nor past their absolute end, in an order
   * of ids of the store's own, and gives them. To be called until it gives fewer, each time with the last of the time before.
   */
  revokeEverySession(request: EverySession): Promise<readonly RevokedSession[]>;

  findSession(id: string): Promise<Session | null>;

  /**
   * The addresses that a subject's live sessions were opened from and last refreshed from, each once: of the newest thousand that
   * are neither revoked nor past their absolute end, and were used after `usedAfter`.
   */
  listSessionAddresses(subject: string, now: number, usedAfter: number): Promise<readonly string[]>;

  /** A subject's sessions that are not revoked and not past their absolute end, newest first, at most `limit`: {@link MOST_SESSIONS_LISTED} by default. */
  listSessions(subject: string, now: number, limit?: number): Promise<readonly Session[]>;

  /** Every session that is not revoked and not past its absolute end, newest first, `limit` at most. */
  listLiveSessions(now: number, limit: number): Promise<readonly Session[]>;
}

export interface SessionCreation {
  readonly session: Session;
  /**
   * The version of the user's credentials that was proved: the session is created only if it is still that one and the user is
   * not disabled. `null` where the application itself vouches for the subject, which then need not be a user here; a user who
   * is disabled gets no session even so.
   */
  readonly credentialsVersion: number | null;
  /** How many live sessions the subject may hold, this one included; the oldest give way. 0 = no limit. */
  readonly sessionLimit: number;
  /**
   * Where there is a session of this id already, also one that an earlier item of the batch created, leave it as it is and give
   * `created: false`. Without this the batch is then refused. Ids that were created with this are remembered for good: once such
   * a session has been swept, its id is never used again, and `hasEnded` says so.
   */
  readonly ifAbsent?: boolean;
}

/** `evicted` are the ids of the sessions that gave way, revoked for `session_limit` in the same act. */
export type SessionCreated =
  | { readonly created: true; readonly evicted: readonly string[] }
  | { readonly created: false; readonly hasEnded?: true };

/** Says what becomes of the session at `index` of the batch. `null`: nothing is written. */
export type SessionDecision = (index: number, found: FoundSession | null) => SessionChange | null;

/** A session and the user it belongs to, read in the same act; `user` is null where the subject is not a user here. */
export interface FoundSession {
  readonly session: Session;
  readonly user: User | null;
}

export interface EverySession extends Revocation {
  /** Where to go on; `null` for the beginning. */
  readonly afterId: string | null;
  readonly limit: number;
  /** Is appended to the log of revocations in the same act, though no session has this id; `null` for nothing. */
  readonly alsoLogged: string | null;
}
