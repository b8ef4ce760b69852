import type { StoreOperation } from "../../store/store-operation.ts";
import type { Emit } from "../events.ts";

/** The parameters of the clock watch. */
export interface ClockWatchParts {
  readonly store: Pick<StoreOperation, "hasOwnClock" | "readClock">;
  readonly now: () => number;
  readonly emit: Emit;
  /** How far the clocks may differ without a report, in milliseconds. */
  readonly toleranceMs: number;
}

/**
 * Compares this process's clock with the database's, against which all processes can be compared, and emits
 * `clock.differs` if it is too far off. Rejects as the store does.
 */
export async function watchClock({ store, now, emit, toleranceMs }: ClockWatchParts): Promise<void> {
  if (!store.hasOwnClock) return;
  const askedAt = now();
  const databaseTime = await store.readClock();
  const answeredAt = now();
  const aheadMs = (askedAt + answeredAt) / 2 - databaseTime;
  // The exact moment in between when the database read its clock is not known.
  const uncertaintyMs = Math.abs(answeredAt - askedAt) / 2;
  if (Math.abs(aheadMs) <= toleranceMs + uncertaintyMs) return;
  emit({ type: "clock.differs", aheadSeconds: Math.round(aheadMs / 1000) }, {});
}
