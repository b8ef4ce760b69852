/** What a sign-in or a refresh gives. On the wire the fields are snake_case (RFC 6749 section 5.1). */
export interface TokenPair {
  /** A JWT (RFC 9068) for the APIs that are its audience. */
  readonly accessToken: string;
  /** `DPoP` where the access token is bound to a key (RFC 9449 section 5). */
  readonly tokenType: "Bearer" | "DPoP";
  /** Seconds until the access token expires. */
  readonly expiresInSeconds: number;
  /** Opaque; good until its successor is used. */
  readonly refreshToken: string;
  /** Seconds until the session ends if it is not refreshed before. */
  readonly refreshExpiresInSeconds: number;
  /** The session, published as `sid`. */
  readonly sessionId: string;
  /**
   * Only of a sign-in with a password, and of a new password: handed back at the next sign-in, as `RequestContext.deviceToken`, it
   * keeps strangers' failures from blocking this device.
   */
  readonly deviceToken?: string;
  /** The access token's scope, space-separated; `null` where it has none. */
  readonly scope: string | null;
}
