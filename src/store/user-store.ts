import type { Session } from "../records/session.ts";
import type { SetupLink } from "../records/setup-link.ts";
import type { User } from "../records/user.ts";

/** Keeps the people who sign in here. */
export interface UserStore {
  /** Creates a user, or returns `null` when the canonical username is taken. */
  createUser(user: User): Promise<User | null>;

  /**
   * Creates users, each only if neither its id nor its canonical username is taken. Each result is at the index of its
   * user: `known` if a user with this id and this canonical username exists, who stays unchanged.
   */
  importUsers(users: readonly User[]): Promise<readonly UserImported[]>;

  /**
   * Creates a user only if no user has the role `admin` yet; `not_first` otherwise. A link is used up in the same act,
   * and stays used up even if the user is deleted: `link_used` if it had been used.
   */
  createFirstAdmin(user: User, link?: SetupLink): Promise<User | "not_first" | "username_taken" | "link_used">;

  /** Whether any user has the role `admin`, disabled or not, without looking at all of them. */
  hasAdmin(): Promise<boolean>;

  findUser(id: string): Promise<User | null>;

  findUserByUsername(canonicalUsername: string): Promise<User | null>;

  /** At most `limit` users in order of canonical username after `afterUsername`. */
  listUsers(afterUsername: string, limit: number): Promise<readonly User[]>;

  /**
   * Replaces a password hash, revokes all of the user's sessions, and creates the one in which they continue, all in
   * the same act. Returns the ids revoked, or why nothing was changed.
   */
  changePassword(change: PasswordChange): Promise<readonly string[] | PasswordChangeRefusal>;

  /**
   * Replaces a password hash by another of the same password, if hash and `credentialsVersion` are still those that
   * were verified, and so raises the version by one: nothing is revoked, and `updatedAt` stays. `false` if either has
   * changed or the user has been deleted.
   */
  replacePasswordHash(replacement: PasswordHashReplacement): Promise<boolean>;

  /**
   * The last in binary order of the password hashes that begin with `IMPORTED_HASH_PREFIX`, or `null` if there is none.
   */
  findLastImportedHash(): Promise<string | null>;

  /**
   * Disables a user and revokes all their sessions in the same act. Returns the ids revoked, or `null` for an unknown
   * user, and changes nothing if no other enabled user has the role `admin`: `last_admin`, however many calls arrive at
   * once.
   */
  disableUser(id: string, at: number): Promise<readonly string[] | "last_admin" | null>;

  /** Lets a disabled user sign in again. `false` for an unknown user. */
  enableUser(id: string, at: number): Promise<boolean>;

  /**
   * Replaces a user's roles. `false` for an unknown user. Changes nothing if it would remove the role `admin` from the
   * last enabled user who has it: `last_admin`, however many calls arrive at once.
   */
  setRoles(id: string, roles: readonly string[], at: number): Promise<boolean | "last_admin">;
}

/** The outcome of importing a user. */
export type UserImported = "created" | "known" | "id_taken" | "username_taken";

export interface PasswordHashReplacement {
  readonly userId: string;
  readonly expectedHash: string;
  readonly expectedVersion: number;
  readonly newHash: string;
}

export interface PasswordChange {
  /**
   * The session in which the user, its `subject`, continues. Its `createdAt` is the time of the change. No session
   * limit is needed: it is the only one that they have then.
   */
  readonly session: Session;
  /** The session in which the change is made: it must be the user's and not be revoked. `null`: in none. */
  readonly fromSessionId: string | null;
  /** The version of the user's credentials that was proved: nothing is changed if the version has changed. */
  readonly credentialsVersion: number;
  readonly newHash: string;
}

/**
 * `session_revoked`: the session in which the change was made has ended. `changed_meanwhile`: the credentials are of
 * another version, the user is deleted or disabled, or the client is disabled.
 */
export type PasswordChangeRefusal = "session_revoked" | "changed_meanwhile";
