/** A link by which the first administrator is created. */
export interface SetupLink {
  /** Another for every link. */
  readonly id: string;
  /** When it stops working, and need not be remembered any more. */
  readonly expiresAt: number;
}
