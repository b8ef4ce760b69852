import type { Accounts, Credentials } from "../../accounts/accounts.ts";
import type { ImportedUser } from "../../accounts/user-import.ts";
import { canonicalUsername, usernameProblem } from "../../accounts/usernames.ts";
import { LatchkeyError } from "../../errors.ts";
import type { User } from "../../records/user.ts";
import { createSetupToken, readSetupToken } from "../../secrets/setup-token.ts";
import type { UserImported } from "../../store/user-store.ts";
import { sessionsOf } from "../announce-revoked.ts";
import type { EngineParts } from "../engine.ts";
import type { RequestContext } from "../events.ts";
import { createPasswordChange, type PasswordChangeRequest } from "../password-change.ts";
import type { TokenPair } from "../token-pair.ts";

/** How long a setup link works. */
const SETUP_TTL_MS = 60 * 60_000;

/** The store cannot do anything else meanwhile. */
const MOST_IMPORTED_AT_ONCE = 1000;

/** Latchkey's own users. When a call here ends sessions, that is in force once the promise resolves. */
export interface Users {
  /**
   * Creates a user without roles, for self-registration. Throws `registration_closed`, `invalid_username`,
   * `username_taken`, `password_rejected`, `too_many_requests`.
   */
  register(credentials: Credentials, context?: RequestContext): Promise<User>;
  /**
   * Creates a user on the operator's behalf. Throws `invalid_username`, `username_taken`, `password_rejected`, and
   * `invalid_request` for invalid roles.
   */
  create(user: Credentials & { readonly roles: readonly string[] }, context?: RequestContext): Promise<User>;
  /**
   * Creates users of another system, with their ids and password hashes, at most a thousand at a time. If one user
   * cannot be created, no user is. A user who already exists stays unchanged, so that an import can be repeated. An
   * imported hash is replaced by one of Latchkey's own when its password is first used. Throws `invalid_request` and
   * `invalid_username`.
   */
  import(users: readonly ImportedUser[], context?: RequestContext): Promise<readonly UserImported[]>;
  /**
   * The token of a single-use link for the first administrator, valid for an hour; `undefined` if there is an
   * administrator already.
   */
  inviteFirstAdmin(): Promise<string | undefined>;
  /** Creates the first administrator with that token. Throws `setup_closed`. */
  setUp(request: Credentials & { readonly setupToken: string }, context?: RequestContext): Promise<User>;
  find(id: string): Promise<User | null>;
  /**
   * A token that identifies the device that has just signed in to the account: passed back as
   * `RequestContext.deviceToken`, it keeps strangers' failed logins from blocking that device. Valid for 400 days, only
   * for that account and until its password changes, and for nothing else. `login` returns one with the pair.
   * @throws LatchkeyError `not_found` if the user does not exist.
   */
  deviceToken(username: string): Promise<string>;
  /** Users in order of canonical username. */
  list: Accounts["list"];
  /**
   * Replaces the password, revokes every session of the user, including that of the request, and opens a new one, all
   * in the same act. Returns the new session's pair. Throws `wrong_password`, `password_rejected`, `too_many_requests`,
   * `server_busy`, `session_expired`, and `session_revoked` if the user is disabled or deleted or the session has
   * ended.
   */
  changePassword(request: PasswordChangeRequest, context?: RequestContext): Promise<TokenPair>;
  /**
   * Disables a user and revokes all their sessions in the same act. Throws `not_found`, like the next two, and
   * `last_administrator`, like `setRoles`.
   */
  disable(username: string, context?: RequestContext): Promise<User>;
  enable(username: string, context?: RequestContext): Promise<User>;
  /** Replaces the user's roles; they appear in the next access token. */
  setRoles(username: string, roles: readonly string[], context?: RequestContext): Promise<User>;
}

/** Joins accounts to sessions and events. */
export function createUsers(engine: EngineParts): Users {
  const { accounts, store, rootKeys, usernames, emit, announceRevoked, now } = engine;

  return {
    async register(credentials, context = {}) {
      const user = await accounts.register(credentials, context.ip ?? null);
      usernames.meet(user);
      emit({ type: "user.registered", subject: user.id }, context);
      return user;
    },

    async create(given, context = {}) {
      const user = await accounts.create(given);
      usernames.meet(user);
      emit({ type: "user.created", subject: user.id, roles: user.roles }, context);
      return user;
    },

    async import(users, context = {}) {
      if (users.length > MOST_IMPORTED_AT_ONCE)
        throw new TypeError(`users.import() accepts at most ${MOST_IMPORTED_AT_ONCE} users at a time.`);
      const results = await accounts.import(users);
      const created = results.filter((result) => result === "created").length;
      if (created > 0) emit({ type: "users.imported", created }, context);
      return results;
    },

    async inviteFirstAdmin() {
      return (await store.hasAdmin()) ? undefined : createSetupToken(rootKeys.current, now() + SETUP_TTL_MS);
    },

    async setUp({ setupToken, ...credentials }, context = {}) {
      const link = readSetupToken(rootKeys.current, setupToken, now());
      if (link === undefined) throw new LatchkeyError("setup_closed");
      const user = await accounts.createFirstAdmin(credentials, link);
      usernames.meet(user);
      emit({ type: "user.registered", subject: user.id }, context);
      return user;
    },

    find: (id) => store.findUser(id),
    async deviceToken(username) {
      const user =
        usernameProblem(username) === undefined ? await store.findUserByUsername(canonicalUsername(username)) : null;
      if (user === null) throw new LatchkeyError("not_found");
      return engine.deviceToken(user);
    },
    list: (page) => accounts.list(page),

    changePassword: createPasswordChange(engine),

    async disable(username, context = {}) {
      const { user, revokedSessionIds } = await accounts.disable(username);
      usernames.meet(user);
      const why = { reason: "user_disabled" } as const;
      const act = { type: "user.disabled", subject: user.id } as const;
      await announceRevoked({ sessions: sessionsOf(user.id, revokedSessionIds), at: now(), why, act }, context);
      return user;
    },

    async enable(username, context = {}) {
      const user = await accounts.enable(username);
      usernames.meet(user);
      emit({ type: "user.enabled", subject: user.id }, context);
      return user;
    },

    async setRoles(username, roles, context = {}) {
      const user = await accounts.setRoles(username, roles);
      usernames.meet(user);
      emit({ type: "user.roles_changed", subject: user.id, roles: user.roles }, context);
      return user;
    },
  };
}
