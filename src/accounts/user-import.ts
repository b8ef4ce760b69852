import { LatchkeyError } from "../errors.ts";
import type { User } from "../records/user.ts";
import { looksLikeClientId } from "../secrets/client-credentials.ts";
import { hashFamily } from "./hash-families.ts";
import { storedImportedHash } from "./imported-hashes.ts";
import { normaliseRoles } from "./roles.ts";
import { canonicalUsername, trimmedUsername } from "./usernames.ts";

/** A user of another system. */
export interface ImportedUser {
  /** The `sub` of their access tokens, as it was: 1 to 255 characters. */
  readonly id: string;
  readonly username: string;
  /**
   * The hash of their password as the other system stored it: passlib's bcrypt, argon2, pbkdf2 and scrypt, Werkzeug's
   * pbkdf2 and scrypt, or Better Auth's. `null` for a user who has no password, and so cannot sign in with one.
   */
  readonly passwordHash: string | null;
  /** Default: none. */
  readonly roles?: readonly string[] | undefined;
  /** Milliseconds since the Unix epoch. Default: now. */
  readonly createdAt?: number | undefined;
  /** Whether the user may not sign in. Default: false. */
  readonly disabled?: boolean | undefined;
}

/** Like the `!` in a Unix shadow file: no password matches it. */
const NO_PASSWORD_HASH = "!";

/**
 * The user as it will be stored.
 * @throws LatchkeyError `invalid_request` or `invalid_username` with what is wrong, without repeating the value.
 */
export function userOfImport(imported: ImportedUser, now: number): User {
  const { id, username, passwordHash, roles = [], createdAt = now, disabled = false } = imported;
  if (typeof id !== "string" || id === "" || id.length > 255 || /[\p{Control}\p{Surrogate}]/u.test(id)) {
    throw refused("'id' must be a string of 1 to 255 characters without control characters");
  }
  if (looksLikeClientId(id)) throw refused("'id' must not have the form of a client's id");
  if (typeof username !== "string") throw refused("'username' must be a string");
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string"))
    throw refused("'roles' must be a list of strings");
  if (!Number.isSafeInteger(createdAt) || createdAt < 0) throw refused("the time of creation is not a time");
  if (typeof disabled !== "boolean") throw refused("'disabled' must be true or false");
  return {
    id,
    username: trimmedUsername(username),
    canonicalUsername: canonicalUsername(username),
    passwordHash: hashToStore(passwordHash),
    roles: normaliseRoles(roles),
    createdAt,
    updatedAt: now,
    disabledAt: disabled ? now : null,
    credentialsVersion: 1,
  };
}

function hashToStore(passwordHash: string | null): string {
  if (passwordHash === null) return NO_PASSWORD_HASH;
  if (typeof passwordHash !== "string") throw refused("the password hash must be a string, or null for none");
  const stored = storedImportedHash(passwordHash);
  if (stored !== undefined) return stored;
  const family = hashFamily(passwordHash);
  if (family === undefined) throw refused("the format of the password hash is unknown");
  throw refused(`the password hash is ${family}${familiesRead.test(family) ? readButNotThis : ""}`);
}

/** The families whose hashes are mostly accepted: only this particular hash is wrong. */
const familiesRead = /^(?:argon2|bcrypt|scrypt|PBKDF2 as passlib writes it|Werkzeug's PBKDF2|Werkzeug's scrypt)$/;
const readButNotThis = ", but damaged, of an unsupported version or digest, or too costly to verify";

function refused(problem: string): LatchkeyError {
  return new LatchkeyError("invalid_request", { description: `The user cannot be imported: ${problem}.` });
}
