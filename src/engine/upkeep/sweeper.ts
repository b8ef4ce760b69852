import type { AttemptCounts } from "../../store/attempt-counts.ts";
import type { StoreOperation } from "../../store/store-operation.ts";

/**
 * Ended sessions are kept for a day, so that a clock that runs ahead deletes no live session, and a late refresh learns
 * why it fails.
 */
const KEEP_ENDED_MS = 86_400_000;
/** Rows per act: few enough for refreshes to continue in between. */
const LIMIT = 200;
const MAX_ACTS = 500;

/** The parameters of the sweeper. */
export interface SweeperParts {
  readonly store: Pick<StoreOperation, "sweep"> & Pick<AttemptCounts, "sharesAttempts" | "sweepAttempts">;
  readonly now: () => number;
  /**
   * How long a revocation must be remembered at present: as long as an access token can live. Rejects as the store
   * does.
   */
  readonly rememberMs: () => Promise<number>;
}

/** Deletes what is no longer needed. */
export interface Sweeper {
  /** Sweeps in bounded acts until nothing is left or a bound is reached. Joins a sweep that is under way. Rejects as the store does. */
  run(): Promise<void>;
  /** Ends a sweep after its present act, and waits for it. */
  stop(): Promise<void>;
}

/**
 * Creates a sweeper. A session is deleted a day after its absolute end and never before, revoked or not: until then a
 * replayed refresh token finds the row that explains why it is refused.
 */
export function createSweeper({ store, now, rememberMs }: SweeperParts): Sweeper {
  let isStopped = false;
  let running: Promise<void> | undefined;

  async function repeat(act: () => Promise<{ readonly isDone: boolean }>): Promise<void> {
    for (let acts = 0; acts < MAX_ACTS && !isStopped; acts++) {
      if ((await act()).isDone) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function sweep(): Promise<void> {
    const at = now();
    const request = { endedBy: at - KEEP_ENDED_MS, revokedBy: at - (await rememberMs()), limit: LIMIT };
    await repeat(async () => {
      const { sessions, revocations } = await store.sweep(request);
      return { isDone: sessions < LIMIT && revocations < LIMIT };
    });
    if (!store.sharesAttempts) return;
    await repeat(async () => ({ isDone: (await store.sweepAttempts(LIMIT)) < LIMIT }));
  }

  return {
    run() {
      running ??= sweep().finally(() => {
        running = undefined;
      });
      return running;
    },
    async stop() {
      isStopped = true;
      await running?.catch(() => {});
    },
  };
}
