import { LatchkeyError } from "../errors.ts";

/** Commits the collected items as one act. The result of each item is at the item's index. */
export type CommitBatch<Item, Result> = (items: readonly Item[]) => Promise<readonly Result[]>;

/** How many items may be collected. */
export interface BatchLimits {
  /** The maximum number of items in one commit. */
  readonly maxBatch: number;
  /** The maximum number of waiting items; the next one is refused with `server_busy`. */
  readonly maxWaiting: number;
}

/** Accepts an item and resolves when its batch is committed. */
export interface Batch<Item, Result> {
  add(item: Item): Promise<Result>;
  /** Resolves when nothing waits and nothing is in flight. */
  settled(): Promise<void>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects items while the previous batch is in flight, and commits them together. There is no timer: an idle batch
 * commits at the end of the event-loop turn in which its first item arrived, together with all others of that turn.
 */
export function createBatch<Item, Result>(
  commit: CommitBatch<Item, Result>,
  { maxBatch, maxWaiting }: BatchLimits,
): Batch<Item, Result> {
  let waiting: Waiting<Item, Result>[] = [];
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    do {
      // Also between batches: a store that commits synchronously would otherwise never let the turn end, and requests
      // that have arrived on the sockets meanwhile could not join.
      await endOfTurn();
      const batch = waiting.slice(0, maxBatch);
      waiting = waiting.slice(maxBatch);
      try {
        const results = await commit(batch.map(({ item }) => item));
        for (const [index, { resolve }] of batch.entries()) resolve(results[index]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    } while (waiting.length > 0);
    running = undefined;
  }

  return {
    add(item) {
      if (waiting.length >= maxWaiting) {
        return Promise.reject(
          new LatchkeyError("server_busy", { retryAfterSeconds: 1, detail: `${maxWaiting} wait for the store` }),
        );
      }
      return new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        running ??= run();
      });
    },
    async settled() {
      while (running) await running;
    },
  };
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
