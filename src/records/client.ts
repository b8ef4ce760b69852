/** The ways to a token that a client may be allowed (RFC 6749 section 1.3). */
export type GrantType = "client_credentials" | "password" | "refresh_token";

/** A program that requests tokens (RFC 6749 section 2). */
export interface Client {
  /** The `client_id`: `lkc_` and 16 random bytes as base64url. */
  readonly id: string;
  /** The operator's name for it. */
  readonly name: string;
  /** Whether it can keep a secret (RFC 6749 section 2.1). */
  readonly kind: "confidential" | "public";
  /** SHA-256 of the secret, which is never stored itself; `null` for a public client. */
  readonly secretHash: Uint8Array | null;
  readonly grantTypes: readonly GrantType[];
  /** The scopes it may request, space-separated; the empty string for none. */
  readonly scope: string;
  /**
   * 16 random bytes as base64url: the prefix of the `jti` of its own access tokens, so that all of them can be revoked
   * at once.
   */
  readonly grantId: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly disabledAt: number | null;
}
