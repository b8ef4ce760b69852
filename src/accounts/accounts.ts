import { setTimeout } from "node:timers/promises";
import type { Environment } from "../environment.ts";
import { isLatchkeyError, LatchkeyError } from "../errors.ts";
import { randomId } from "../random-id.ts";
import type { ProofOfPerson } from "../records/proof-of-person.ts";
import type { Session } from "../records/session.ts";
import type { SetupLink } from "../records/setup-link.ts";
import { ADMIN_ROLE, type User } from "../records/user.ts";
import type { RecognisedDevice } from "../secrets/device-token.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { UserImported, UserStore } from "../store/user-store.ts";
import { addressKeys, UNKNOWN_ADDRESS } from "./address-keys.ts";
import type { PasswordPolicy } from "./password-policy.ts";
import { preparePassword } from "./password-text.ts";
import type { Passwords } from "./passwords.ts";
import { normaliseRoles } from "./roles.ts";
import type { LoginAttempt, Throttle } from "./throttle.ts";
import { type ImportedUser, userOfImport } from "./user-import.ts";
import { canonicalUsername, trimmedUsername, usernameProblem } from "./usernames.ts";
import { createVerification } from "./verification.ts";

/** The dependencies of accounts. */
export interface AccountsOptions {
  readonly store: UserStore & Pick<SessionStore, "listSessionAddresses">;
  readonly environment: Environment;
  readonly passwords: Passwords;
  readonly policy: PasswordPolicy;
  readonly throttle: Throttle;
  /** The device that a device token of the account identifies, or `null`. */
  readonly recognisedDevice: (account: string, deviceToken: string | null) => RecognisedDevice | null;
  /** Called for every user whose password was checked. */
  readonly onMet?: ((user: User) => void) | undefined;
  /** How long a session lives without a refresh. */
  readonly idleTtlSeconds: number;
  /** Whether strangers may register. */
  readonly registration: "open" | "closed";
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * The parameters of `changePassword`. `user` is as just read from the store: their credentials must be unchanged when
 * the change is made.
 */
export interface PasswordChangeRequest {
  readonly user: User;
  readonly currentPassword: string;
  readonly newPassword: string;
  /** The session in which the change is made, which must not have ended; `null` for none. */
  readonly fromSessionId: string | null;
  /** Returns the session in which the user continues; called once the password has been verified. */
  readonly newSession: (person: ProofOfPerson) => Session;
  readonly address: string | null;
  readonly deviceToken?: string | null | undefined;
}

/**
 * The people who sign in with a password. Addresses are texts as the socket returns them, or `null` if they are not
 * known; device tokens are what the caller presents, and may be anything.
 *
 * Every method that verifies a password counts a failure against the account and the address, or against recognised
 * devices alone, or inside a session against that session alone, before any hashing. It throws `too_many_requests` if
 * they have used up their attempts, and `invalid_credentials` for an unknown user, a wrong password and a disabled user
 * alike: the same error after the same work. Only its `detail`, for the operator, distinguishes them: `unknown_user`,
 * `wrong_password`, `user_disabled`, `changed_meanwhile`. For a user who is signed in, a wrong password is
 * `wrong_password`, and `session_revoked` means that they are disabled or deleted.
 *
 * Every method that accepts a password throws `invalid_request` if it has more than 1,024 bytes and `server_busy` if
 * too many are being hashed. A method that sets a password throws `password_rejected` if the policy rejects it.
 */
export interface Accounts {
  /**
   * Creates a user without roles, for self-registration.
   * @throws LatchkeyError `registration_closed`, `invalid_username`, `username_taken`, `too_many_requests`.
   */
  register(credentials: Credentials, address: string | null): Promise<User>;
  /**
   * Creates a user on the operator's behalf.
   * @throws LatchkeyError `invalid_username`, `username_taken`; `invalid_request` for invalid roles.
   */
  create(user: Credentials & { readonly roles: readonly string[] }): Promise<User>;
  /**
   * Creates a user with the role `admin`, if no user has it yet, and uses up the link.
   * @throws LatchkeyError `setup_closed` if a user has it, or the link had been used; `invalid_username`,
   *   `username_taken`.
   */
  createFirstAdmin(credentials: Credentials, link?: SetupLink): Promise<User>;
  /** Verifies a username and a password. */
  authenticate(
    credentials: Credentials,
    address: string | null,
    deviceToken?: string | null | undefined,
  ): Promise<ProofOfPerson>;
  /** Verifies the password of a user who is signed in with that session. */
  verifyPassword(user: User, password: string, sessionId: string): Promise<ProofOfPerson>;
  /**
   * Creates users of another system. If one of them cannot be created, no user is. A user who already exists stays
   * unchanged.
   * @throws LatchkeyError `invalid_request` or `invalid_username` for the first who cannot be imported.
   */
  import(users: readonly ImportedUser[]): Promise<readonly UserImported[]>;
  /** Replaces the password, revokes every session of the user, and opens the new one in the same act. Returns it and the ids revoked. */
  changePassword(
    request: PasswordChangeRequest,
  ): Promise<{ readonly session: Session; readonly revoked: readonly string[] }>;
  /**
   * Prevents a user from signing in and revokes their sessions in the same act.
   * @throws LatchkeyError `not_found`, like the next two; `last_administrator`, like `setRoles`.
   */
  disable(username: string): Promise<{ readonly user: User; readonly revokedSessionIds: readonly string[] }>;
  enable(username: string): Promise<User>;
  setRoles(username: string, roles: readonly string[]): Promise<User>;
  /**
   * At most `limit` users in order of canonical username, after `afterUsername` (canonical; default: from the first).
   */
  list(page?: { readonly afterUsername?: string; readonly limit?: number }): Promise<readonly User[]>;
}

/**
 * How long it takes to find no session at an address, in milliseconds: more than the store does, so that the time of a
 * refusal does not reveal whether the user exists, and how many sessions they have. A random extra of up to seven is
 * added, since a timer is delayed by what ran before it.
 */
const LOOKUP_MS = 25;

/** RFC 8176 section 2. */
const PASSWORD_AMR: readonly string[] = Object.freeze(["pwd"]);

/** Puts accounts together. */
export function createAccounts(options: AccountsOptions): Accounts {
  const { store, environment, passwords, policy, throttle } = options;
  const now = () => environment.clock.now();
  const verification = createVerification({ store, passwords, clock: environment.clock });

  /** A user whose name and password are acceptable, not yet stored. `admit` makes the last check before any hashing. */
  async function prepareUser(
    { username, password }: Credentials,
    roles: readonly string[],
    admit?: () => Promise<void>,
  ): Promise<User> {
    const canonical = canonicalUsername(username);
    await policy.check(password, canonical);
    await admit?.();
    const passwordHash = await passwords.hash(password);
    const at = now();
    return {
      id: randomId(environment.random),
      username: trimmedUsername(username),
      canonicalUsername: canonical,
      passwordHash,
      roles,
      createdAt: at,
      updatedAt: at,
      disabledAt: null,
      credentialsVersion: 1,
    };
  }

  async function insert(user: User): Promise<User> {
    const created = await store.createUser(user);
    if (created === null) throw new LatchkeyError("username_taken");
    return created;
  }

  async function requireUser(username: string): Promise<User> {
    const user = await find(username);
    if (user === null) throw unknownUser();
    return user;
  }

  async function find(username: string): Promise<User | null> {
    return usernameProblem(username) === undefined ? store.findUserByUsername(canonicalUsername(username)) : null;
  }

  /**
   * The only way in which a password is verified. For any user, found or not, the work of a refusal is the same, and so
   * is the error. The proof is for the credentials after an imported hash has been replaced.
   */
  async function verify(
    password: string,
    admit: () => Promise<LoginAttempt>,
    findUser: () => Promise<User | null>,
    refused = refusedSignIn,
  ): Promise<ProofOfPerson> {
    // Refuses a value that cannot be a password before any work is spent on it.
    preparePassword(password);
    const attempt = await admit();
    const { user, matches } = await withdrawnOnError(attempt, async () => verification(password, await findUser()));
    if (user === null) throw refused("unknown_user");
    options.onMet?.(user);
    if (!matches) throw refused("wrong_password", user);
    if (user.disabledAt !== null) throw refused("user_disabled", user);
    await attempt.succeeded();
    return { user, amr: PASSWORD_AMR, credentialsVersion: user.credentialsVersion };
  }

  /**
   * A device is no longer recognised once the account's credentials have changed. Only an authentic token requires a
   * lookup.
   */
  async function deviceOf(
    account: string,
    deviceToken: string | null | undefined,
    findUser: () => Promise<User | null>,
  ): Promise<string | null> {
    const device = options.recognisedDevice(account, deviceToken ?? null);
    if (device === null) return null;
    return (await findUser())?.credentialsVersion === device.credentialsVersion ? device.id : null;
  }

  async function hasSessionFrom(address: string | null, findUser: () => Promise<User | null>): Promise<boolean> {
    const [chance = 0] = environment.random.bytes(1);
    const isOver = setTimeout(LOOKUP_MS + (chance & 7));
    const user = await findUser();
    const at = now();
    // Also called for an unknown user: if the store is slower than that, it is so for every user.
    const known = await store.listSessionAddresses(user?.id ?? "", at, at - options.idleTtlSeconds * 1000);
    const here = addressKeys(address);
    const found = here !== UNKNOWN_ADDRESS && known.some((one) => addressKeys(one).address === here.address);
    if (!found) await isOver;
    return found;
  }

  async function byLogin(
    account: string,
    { password, address, deviceToken }: LoginDetails,
    findUser: () => Promise<User | null>,
    refused = refusedSignIn,
  ): Promise<ProofOfPerson> {
    const device = await deviceOf(account, deviceToken, findUser);
    const hasSessionHere = () => hasSessionFrom(address, findUser);
    return verify(
      password,
      () => throttle.beforeLogin(account, address, { device, hasSessionHere }),
      findUser,
      refused,
    );
  }

  const bySession = (user: User, password: string, sessionId: string) =>
    verify(
      password,
      () => throttle.beforeReauthentication(sessionId),
      async () => user,
      refusedSignedIn,
    );

  return {
    async register(credentials, address) {
      if (options.registration === "closed") throw new LatchkeyError("registration_closed");
      return insert(await prepareUser(credentials, [], () => throttle.countRegistration(address)));
    },

    async create({ roles, ...credentials }) {
      return insert(await prepareUser(credentials, normaliseRoles(roles)));
    },

    async createFirstAdmin(credentials, link) {
      const created = await store.createFirstAdmin(await prepareUser(credentials, [ADMIN_ROLE]), link);
      if (created === "not_first" || created === "link_used") throw new LatchkeyError("setup_closed");
      if (created === "username_taken") throw new LatchkeyError("username_taken");
      return created;
    },

    async import(users) {
      const at = now();
      return store.importUsers(users.map((user, index) => numbered(index, () => userOfImport(user, at))));
    },

    authenticate({ username, password }, address, deviceToken) {
      const account = usernameProblem(username) === undefined ? canonicalUsername(username) : username;
      return byLogin(account, { password, address, deviceToken }, () => find(username));
    },

    verifyPassword: bySession,

    async changePassword({ user, currentPassword, newPassword, fromSessionId, newSession, address, deviceToken }) {
      await policy.check(newPassword, user.canonicalUsername);
      if (preparePassword(newPassword) === preparePassword(currentPassword)) {
        throw new LatchkeyError("password_rejected", { description: "This is the current password. Choose another." });
      }
      const details = { password: currentPassword, address, deviceToken };
      const person = await (fromSessionId === null
        ? byLogin(user.canonicalUsername, details, async () => user, refusedSignedIn)
        : bySession(user, currentPassword, fromSessionId));
      const newHash = await passwords.hash(newPassword);
      const session = newSession(person);
      const { credentialsVersion } = person;
      const revoked = await store.changePassword({ session, fromSessionId, credentialsVersion, newHash });
      if (revoked === "session_revoked") throw new LatchkeyError("session_revoked");
      if (revoked === "changed_meanwhile") throw refusedSignedIn(revoked, user);
      return { session, revoked };
    },

    async disable(username) {
      const { id } = await requireUser(username);
      const revokedSessionIds = await store.disableUser(id, now());
      if (revokedSessionIds === "last_admin") throw new LatchkeyError("last_administrator");
      if (revokedSessionIds === null) throw unknownUser();
      return { user: await requireUser(username), revokedSessionIds };
    },

    async enable(username) {
      const { id } = await requireUser(username);
      if (!(await store.enableUser(id, now()))) throw unknownUser();
      return requireUser(username);
    },

    async setRoles(username, roles) {
      const normalised = normaliseRoles(roles);
      const { id } = await requireUser(username);
      const changed = await store.setRoles(id, normalised, now());
      if (changed === "last_admin") throw new LatchkeyError("last_administrator");
      if (!changed) throw unknownUser();
      return requireUser(username);
    },

    list({ afterUsername = "", limit = 100 } = {}) {
      return store.listUsers(afterUsername, limit);
    },
  };
}

interface LoginDetails {
  readonly password: string;
  readonly address: string | null;
  readonly deviceToken: string | null | undefined;
}

/** Adds to an error which of several users it concerns. */
function numbered<Result>(index: number, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    if (!isLatchkeyError(error)) throw error;
    throw new LatchkeyError(error.code, { description: `User ${index + 1}: ${error.description}` });
  }
}

type RefusalReason = "unknown_user" | "wrong_password" | "user_disabled" | "changed_meanwhile";

function refusedSignIn(reason: RefusalReason, user?: User): LatchkeyError {
  return new LatchkeyError("invalid_credentials", { detail: reason, subject: user?.id });
}

/** A person who is signed in knows that the account exists: the password is wrong, or the session has ended. */
function refusedSignedIn(reason: RefusalReason, user?: User): LatchkeyError {
  const isOver = reason === "unknown_user" || reason === "user_disabled";
  return new LatchkeyError(isOver ? "session_revoked" : "wrong_password", { detail: reason, subject: user?.id });
}

function unknownUser(): LatchkeyError {
  return new LatchkeyError("not_found", {
    description: "No user has this name. 'latchkey user list' shows all users.",
  });
}

/** A login that the store or the hashing could not process does not count as a failed guess. */
async function withdrawnOnError<Result>(attempt: LoginAttempt, verification: () => Promise<Result>): Promise<Result> {
  try {
    return await verification();
  } catch (error) {
    await attempt.withdrawn();
    throw error;
  }
}
