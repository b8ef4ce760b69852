import type { AccessLifetime } from "../records/access-lifetime.ts";
import type { Client } from "../records/client.ts";
import type { Revocation, RevocationEntry, RevokedSession } from "../records/revocation.ts";
import type { Session } from "../records/session.ts";
import type { SessionChange } from "../records/session-change.ts";
import type { SetupLink } from "../records/setup-link.ts";
import type { StoredKeyRing, StoredSigningKey } from "../records/signing-key.ts";
import type { User } from "../records/user.ts";

/** How many of a subject's sessions are listed where nobody asks for more. */
export const MOST_SESSIONS_LISTED = 1000;

/**
 * What Latchkey asks of a database. Every method is one whole atomic act: it happens entirely or not at all, and when its
 * promise resolves it is durable. Where a method takes a batch, the whole batch is one act.
 *
 * Every method rejects with `store_unavailable` when the database cannot do it now and another try may succeed (locked,
 * disk full, connection lost), and with `store_unusable` when it never will (corrupt, not a database, newer than the code).
 *
 * Text with U+0000 or a lone surrogate cannot be stored: writing it rejects with a `TypeError`, and nothing is ever found by
 * it. Inside `claims`, `amr` and `roles` any text can.
 */
export interface Store {
  /** What the operator sees: the kind and the place, never a password. */
  readonly description: string;

  readonly statistics: StoreStatistics;

  // Sessions

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
   * Revokes sessions whoever's they are, `limit` at most of those that are neither revoked nor past their absolute end, in an order
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

  /**
   * The log of revocations after entry `afterSequence`, oldest first, `limit` at most. Every act that revokes a session, or
   * disables a client, appends to it in the same act. An entry is seen only once all with smaller numbers can be, so a reader
   * that goes on from the last one it saw misses none. Entries revoked before `since` may be left out.
   */
  listRevocations(afterSequence: number, since: number, limit: number): Promise<readonly RevocationEntry[]>;

  // Users

  /** Creates a user, or gives `null` when the canonical username is taken. */
  createUser(user: User): Promise<User | null>;

  /**
   * Creates users, each only if neither its id nor its canonical username is taken. A result stands at the index of its user:
   * `known` where there is a user with this id and this canonical username, who stays as they are.
   */
  importUsers(users: readonly User[]): Promise<readonly UserImported[]>;

  /**
   * Creates a user only if no user has the role `admin` yet; `not_first` otherwise. A link is used up in the same act, and
   * stays so whatever becomes of the user: `link_used` where it had been.
   */
  createFirstAdmin(user: User, link?: SetupLink): Promise<User | "not_first" | "username_taken" | "link_used">;

  /** Whether any user has the role `admin`, disabled or not, without looking at all of them. */
  hasAdmin(): Promise<boolean>;

  findUser(id: string): Promise<User | null>;

  findUserByUsername(canonicalUsername: string): Promise<User | null>;

  /** Users in order of canonical username after `afterUsername`, `limit` at most. */
  listUsers(afterUsername: string, limit: number): Promise<readonly User[]>;

  /**
   * Replaces a password hash, revokes every session that the user has, and creates the one that they continue in, all in the same
   * act. Returns the ids revoked, or why nothing was changed.
   */
  changePassword(change: PasswordChange): Promise<readonly string[] | PasswordChangeRefusal>;

  /**
   * Replaces a password hash by another of the same password, if hash and `credentialsVersion` are still those that were verified,
   * and so raises the version by one: nothing is revoked, and `updatedAt` stays. `false` when either is another or the user is gone.
   */
  replacePasswordHash(replacement: PasswordHashReplacement): Promise<boolean>;

  /** The last in binary order of the password hashes that begin with `IMPORTED_HASH_PREFIX`, or `null` where there is none. */
  findLastImportedHash(): Promise<string | null>;

  /**
   * Disables a user and revokes all their sessions in the same act. Gives the ids revoked, or `null` for an unknown user, and
   * changes nothing where no other user holds the role `admin` who is not disabled: `last_admin`, however many ask at once.
   */
  disableUser(id: string, at: number): Promise<readonly string[] | "last_admin" | null>;

  /** Lets a disabled user sign in again. `false` for an unknown user. */
  enableUser(id: string, at: number): Promise<boolean>;

  /**
   * Replaces a user's roles. `false` for an unknown user. Changes nothing where it would take the role `admin` from the last
   * user who holds it and is not disabled: `last_admin`, however many ask at once.
   */
  setRoles(id: string, roles: readonly string[], at: number): Promise<boolean | "last_admin">;

  // Clients

  /** Creates a client. */
  createClient(client: Client): Promise<void>;

  findClient(id: string): Promise<Client | null>;

  /** Clients in the order in which they were created, after the one with the id `afterId` (from the first where there is none), `limit` at most. */
  listClients(afterId: string, limit: number): Promise<readonly Client[]>;

  /**
   * Disables a client, revokes all its sessions and its own access tokens in the same act. `null` for an unknown client.
   * Done twice, it keeps the first time.
   */
  disableClient(id: string, at: number): Promise<DisabledClient | null>;

  /** Lets a disabled client in again, with a new `grantId`, so that its older access tokens stay revoked. `false` for an unknown client. */
  enableClient(id: string, grantId: string, at: number): Promise<boolean>;

  // Lives of access tokens

  /** How long access tokens live that any process has signed lately, shortest first. */
  listAccessLifetimes(): Promise<readonly AccessLifetime[]>;

  /**
   * Keeps that access tokens of this life may be signed until `lastInForceAt`, or for as long as was kept before where that is
   * later. Drops the lifetimes whose tokens have all expired: `lastInForceAt` and the life together at `outlivedBy` or earlier.
   * Returns what is kept then, shortest first.
   */
  keepAccessLifetime(lifetime: AccessLifetime, outlivedBy: number): Promise<readonly AccessLifetime[]>;

  // Signing keys

  readSigningKeys(): Promise<StoredKeyRing>;

  /** Replaces the whole ring if it is still at `expectedVersion`, and raises the version by one. `false` if it is not. */
  replaceSigningKeys(expectedVersion: number, keys: readonly StoredSigningKey[]): Promise<boolean>;

  // Several processes

  /**
   * Calls `listener` soon after any process has appended to the log of revocations, and gives the way out. It only says that
   * it is worth looking, and may do so too often, late or, where a connection is lost, not at all: readers look by themselves
   * as well. Absent where a store cannot tell.
   */
  onRevocation?(listener: () => void): () => void;

  /**
   * Calls `listener` with what an operator should know when the store can do less than it should, and gives the way out. Absent where
   * a store knows no such state.
   */
  onDegraded?(listener: (detail: string) => void): () => void;

  /** Counts attempts for all processes on the database. Absent where one process serves it, which then counts in its memory. */
  readonly attempts?: AttemptCounts;

  // Operators

  /** Keeps what an operator has done until {@link Store.takeOperatorEvents} takes it, in order. Each is a text of JSON. */
  addOperatorEvents(events: readonly string[]): Promise<void>;

  /** Takes the oldest of them out, `limit` at most: of several processes that ask, one is given each. */
  takeOperatorEvents(limit: number): Promise<readonly string[]>;

  // Operation

  /**
   * Deletes sessions whose absolute end lies at `endedBy` or earlier, and entries of the revocation log made at `revokedBy` or
   * earlier, `limit` of each at most, oldest first. Of several processes that sweep at once, one does, and the others delete nothing.
   */
  sweep(request: SweepRequest): Promise<Swept>;

  count(now: number): Promise<StoreCounts>;

  /** Resolves when the database answers and can be written. */
  check(): Promise<void>;

  /** The database's own clock, in milliseconds since the Unix epoch. Only of one that may stand on another machine. */
  readClock?(): Promise<number>;

  close(): Promise<void>;
}

/** Counts attempts by key, within windows that begin with a key's first attempt. Time is the database's, since clocks differ. */
export interface AttemptCounts {
  /**
   * Counts an attempt under every key or, where a key has none left, under none. The keys must differ. However many arrive at
   * once, from whatever process, no more than the limit are counted.
   */
  takeAttempts(limits: readonly AttemptsAllowed[]): Promise<AttemptsTaken>;
  /** Takes back attempts, unless their window is over, and all attempts under the keys `forgotten`. */
  giveBackAttempts(counted: readonly CountedAttempt[], forgotten: readonly string[]): Promise<void>;
  /** Deletes keys whose window is over, `limit` at most, and gives how many. */
  sweepAttempts(limit: number): Promise<number>;
  /** Keys whose window is not over, in order, after `afterKey` (from the first where it is empty), `limit` at most. */
  listAttempts(afterKey: string, limit: number): Promise<readonly AttemptsCounted[]>;
  /** Deletes these keys, and all that begin with one of them and a space; gives how many. */
  forgetAttempts(keys: readonly string[]): Promise<number>;
}

export interface AttemptsAllowed {
  /** Short: it is indexed. */
  readonly key: string;
  readonly attempts: number;
  readonly windowSeconds: number;
  /** Whether the key only refuses where it has none left, and counts nothing. Default: false. */
  readonly isOnlyLookedAt?: boolean;
}

export interface AttemptsCounted {
  readonly key: string;
  readonly count: number;
  readonly windowEndsAt: number;
}

export interface CountedAttempt {
  readonly key: string;
  /** When the window ends that it was counted in. */
  readonly windowEndsAt: number;
}

/** `waitSeconds`: the longest wait of the keys `refusedBy`, which have no attempts left, 1 or more; then nothing was counted. */
export type AttemptsTaken =
  | { readonly waitSeconds: 0; readonly counted: readonly CountedAttempt[]; readonly refusedBy: readonly string[] }
  | { readonly waitSeconds: number; readonly counted: readonly []; readonly refusedBy: readonly string[] };

/** What a store has done since it was opened, for metrics and tests. */
export interface StoreStatistics {
  /** Acts of writing that were committed. */
  readonly transactions: number;
  /** Rows that `changeSessions` wrote. */
  readonly sessionWrites: number;
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

/** What became of a user who was to be imported. */
export type UserImported = "created" | "known" | "id_taken" | "username_taken";

export interface PasswordHashReplacement {
  readonly userId: string;
  readonly expectedHash: string;
  readonly expectedVersion: number;
  readonly newHash: string;
}

export interface PasswordChange {
  /**
   * The session that the user, its `subject`, continues in. Its `createdAt` is the time of the change. No session limit is
   * needed: it is the only one that they have then.
   */
  readonly session: Session;
  /** The session that the change is made in: it must be the user's and not be revoked. `null`: in none. */
  readonly fromSessionId: string | null;
  /** The version of the user's credentials that was proved: nothing is changed if it is another by now. */
  readonly credentialsVersion: number;
  readonly newHash: string;
}

/**
 * `session_revoked`: the session that the change was made in is over. `changed_meanwhile`: the credentials are of another version,
 * the user is gone or disabled, or the client is disabled.
 */
export type PasswordChangeRefusal = "session_revoked" | "changed_meanwhile";

/** A client as it is once it has been disabled, and the sessions that ended with it just now. */
export interface DisabledClient {
  readonly client: Client;
  readonly revoked: readonly RevokedSession[];
}

export interface SweepRequest {
  readonly endedBy: number;
  readonly revokedBy: number;
  readonly limit: number;
}

/** How many rows were deleted. */
export interface Swept {
  readonly sessions: number;
  readonly revocations: number;
}

export interface StoreCounts {
  readonly users: number;
  readonly disabledUsers: number;
  /** Users who hold the role `admin` and are not disabled. */
  readonly admins: number;
  /** Neither revoked nor past their absolute end. */
  readonly liveSessions: number;
  readonly revokedSessions: number;
}
