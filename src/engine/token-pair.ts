/** What a sign-in or a refresh returns. On the wire the fields are snake_case (RFC 6749 section 5.1). */
export interface TokenPair {
  /** A JWT (RFC 9068) for the APIs that are its audience. */
  readonly accessToken: string;
  /** `DPoP` if the access token is bound to a key (RFC 9449 section 5). */
  readonly tokenType: "Bearer" | "DPoP";
  /** Seconds until the access token expires. */
  readonly expiresInSeconds: number;
  /** Opaque; valid until its successor is used. */
  readonly refreshToken: string;
  /** Seconds until the session ends if it is not refreshed before. */
  readonly refreshExpiresInSeconds: number;
  /** The session, published as `sid`. */
  readonly sessionId: string;
  /**
   * Present only after a sign-in with a password, and after a password change. Passed back at the next sign-in, as
   * `RequestContext.deviceToken`, it keeps strangers' failures from blocking this device.
   */
  readonly deviceToken?: string;
  /** The access token's scope, space-separated; `null` if it has none. */
  readonly scope: string | null;
}
