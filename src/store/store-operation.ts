/** What an operator and the server need from a store. */
export interface StoreOperation {
  /** What the operator sees: the kind and the place, never a password. */
  readonly description: string;

  readonly statistics: StoreStatistics;

  /**
   * Calls `listener` with what an operator should know when the store can do less than it should, and returns a
   * function that unsubscribes.
   */
  onDegraded(listener: (detail: string) => void): () => void;

  /**
   * Deletes sessions whose absolute end is `endedBy` or earlier, and entries of the revocation log created at
   * `revokedBy` or earlier, at most `limit` of each, oldest first. Of several processes that sweep at once, one does,
   * and the others delete nothing.
   */
  sweep(request: SweepRequest): Promise<Swept>;

  count(now: number): Promise<StoreCounts>;

  /** Resolves when the database responds and can be written. */
  check(): Promise<void>;

  /** Whether the database has a clock of its own, because it may be on another machine. */
  readonly hasOwnClock: boolean;

  /**
   * The time by the database's own clock, or by this machine's if it has none, in milliseconds since the Unix epoch.
   */
  readClock(): Promise<number>;

  close(): Promise<void>;
}

/** What a store has done since it was opened, for metrics and tests. */
export interface StoreStatistics {
  /** Write acts that were committed. */
  readonly transactions: number;
  /** Rows that `changeSessions` wrote. */
  readonly sessionWrites: number;
}

export interface SweepRequest {
  readonly endedBy: number;
  readonly revokedBy: number;
  readonly limit: number;
}

/** How many rows were deleted. */
export interface Swept {
  readonly sessions: number;
  readonly revocations: number;
}

export interface StoreCounts {
  readonly users: number;
  readonly disabledUsers: number;
  /** Users who hold the role `admin` and are not disabled. */
  readonly admins: number;
  /** Neither revoked nor past their absolute end. */
  readonly liveSessions: number;
  readonly revokedSessions: number;
}
