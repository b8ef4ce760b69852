/** A link by which the first administrator is created. */
export interface SetupLink {
  /** Unique for every link. */
  readonly id: string;
  /** When it expires, and no longer needs to be remembered. */
  readonly expiresAt: number;
}
