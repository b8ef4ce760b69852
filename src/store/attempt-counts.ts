/**
 * Counts attempts by key, within windows that begin with a key's first attempt. The time is the database's, since
 * clocks differ.
 */
export interface AttemptCounts {
  /**
   * Whether the processes on the database share these counts. If not, each counts in its own memory, and nothing here
   * is called.
   */
  readonly sharesAttempts: boolean;
  /**
   * Counts an attempt under every key or, if a key has none left, under none. The keys must differ. However many arrive
   * at once, from any process, no more than the limit are counted.
   */
  takeAttempts(limits: readonly AttemptsAllowed[]): Promise<AttemptsTaken>;
  /** Takes back attempts, unless their window is over, and all attempts under the keys `forgotten`. */
  giveBackAttempts(counted: readonly CountedAttempt[], forgotten: readonly string[]): Promise<void>;
  /** Deletes at most `limit` keys whose window is over, and returns how many. */
  sweepAttempts(limit: number): Promise<number>;
  /** At most `limit` keys whose window is not over, in order, after `afterKey` (from the first if it is empty). */
  listAttempts(afterKey: string, limit: number): Promise<readonly AttemptsCounted[]>;
  /** Deletes these keys, and all that begin with one of them and a space; returns how many. */
  forgetAttempts(keys: readonly string[]): Promise<number>;
}

export interface AttemptsAllowed {
  /** Short: it is indexed. */
  readonly key: string;
  readonly attempts: number;
  readonly windowSeconds: number;
  /** Whether the key only refuses when it has none left, and counts nothing. Default: false. */
  readonly isOnlyLookedAt?: boolean;
}

export interface AttemptsCounted {
  readonly key: string;
  readonly count: number;
  readonly windowEndsAt: number;
}

export interface CountedAttempt {
  readonly key: string;
  /** The end of the window in which it was counted. */
  readonly windowEndsAt: number;
}

/**
 * `waitSeconds`: the longest wait, at least 1, among the keys `refusedBy`, which have no attempts left; nothing was
 * counted then.
 */
export type AttemptsTaken =
  | { readonly waitSeconds: 0; readonly counted: readonly CountedAttempt[]; readonly refusedBy: readonly string[] }
  | { readonly waitSeconds: number; readonly counted: readonly []; readonly refusedBy: readonly string[] };
