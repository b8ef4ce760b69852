/** How long the access tokens of some process live. */
export interface AccessLifetime {
  readonly seconds: number;
  /** The last time at which a token with this lifetime may be signed, in milliseconds since the Unix epoch. */
  readonly lastInForceAt: number;
}
