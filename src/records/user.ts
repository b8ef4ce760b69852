/** What the `passwordHash` of a user begins with whose password hash another system has made. */
export const IMPORTED_HASH_PREFIX = "imported:";

/** The one role that means something to Latchkey itself: its holder may use `/auth/admin/…`. */
export const ADMIN_ROLE = "admin";

/** A person who can sign in with a password. */
export interface User {
  /** 16 random bytes as base64url; the `sub` of their access tokens. */
  readonly id: string;
  /** As the person wrote it. */
  readonly username: string;
  /** What uniqueness and sign-in go by. */
  readonly canonicalUsername: string;
  /**
   * A PHC string, a hash of another system's behind {@link IMPORTED_HASH_PREFIX}, or `!`, which no password matches; never
   * leaves the store and `accounts/`.
   */
  readonly passwordHash: string;
  readonly roles: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly disabledAt: number | null;
  /**
   * 1 for a new user. The database itself raises it at every change of `passwordHash` and `disabledAt`, and draws a new salt with
   * it, so what was made for an older version can be told.
   */
  readonly credentialsVersion: number;
}

/** Whether somebody with these roles is an administrator. */
export function isAdmin(roles: readonly string[]): boolean {
  return roles.includes(ADMIN_ROLE);
}
