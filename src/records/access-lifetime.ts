/** How long the access tokens live that some process signs. */
export interface AccessLifetime {
  readonly seconds: number;
  /** Until when one may be signed that lives this long, in milliseconds since the Unix epoch. */
  readonly lastInForceAt: number;
}
