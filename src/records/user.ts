/** The prefix of the `passwordHash` of a user whose password hash was created by another system. */
export const IMPORTED_HASH_PREFIX = "imported:";

/** The only role that has a meaning for Latchkey itself: its holder may use `/auth/admin/…`. */
export const ADMIN_ROLE = "admin";

/** A person who can sign in with a password. */
export interface User {
  /** 16 random bytes as base64url; the `sub` of their access tokens. */
  readonly id: string;
  /** The username as the person typed it. */
  readonly username: string;
  /** The form that uniqueness and sign-in use. */
  readonly canonicalUsername: string;
  /**
   * A PHC string, a hash of another system after {@link IMPORTED_HASH_PREFIX}, or `!`, which no password matches. It
   * never leaves the store and `accounts/`.
   */
  readonly passwordHash: string;
  readonly roles: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly disabledAt: number | null;
  /**
   * 1 for a new user. The database itself raises it at every change of `passwordHash` and `disabledAt`, and creates a
   * new salt with it, so that anything made for an older version can be recognised.
   */
  readonly credentialsVersion: number;
}

/** Whether a user with these roles is an administrator. */
export function isAdmin(roles: readonly string[]): boolean {
  return roles.includes(ADMIN_ROLE);
}
