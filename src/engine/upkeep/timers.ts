import type { Revocations } from "../../revocations/known-revocations.ts";
import type { AccessLifetimes } from "../../signing/access-lifetimes.ts";
import type { KeyRing } from "../../signing/key-ring.ts";
import type { RevocationLog } from "../../store/revocation-log.ts";
import type { StoreOperation } from "../../store/store-operation.ts";
import type { Emit } from "../events.ts";
import type { Sweeper } from "./sweeper.ts";

/**
 * Twice within the second in which a revocation must be known, for what a store cannot report or a lost connection
 * missed.
 */
const REVOCATION_POLL_MS = 500;
const KEY_RELOAD_MS = 10_000;
const CLOCK_WATCH_MS = 60_000;
/** Half of the promised interval, so that a failed one can be repeated in time. */
const KEEP_LIFETIME_MS = 60_000;

/** The acts done at intervals, and when the store reports something. */
export interface TimersParts {
  readonly store: Pick<RevocationLog, "onRevocation"> & Pick<StoreOperation, "onDegraded">;
  readonly emit: Emit;
  readonly revocations: Pick<Revocations, "poll">;
  readonly keys: Pick<KeyRing, "reload">;
  readonly lifetimes: Pick<AccessLifetimes, "keep">;
  readonly sweeper: Pick<Sweeper, "run">;
  /** How often ended sessions are swept; 0 is never. */
  readonly sweepIntervalSeconds: number;
  readonly compareClocks: () => Promise<void>;
}

/** Starts all timers, which do not keep the process alive, and returns a function that stops them. */
export function startTimers({
  store,
  emit,
  revocations,
  keys,
  lifetimes,
  sweeper,
  sweepIntervalSeconds,
  compareClocks,
}: TimersParts): () => void {
  const poll = () => revocations.poll();
  const timers = [
    every(REVOCATION_POLL_MS, poll),
    every(KEY_RELOAD_MS, () => keys.reload()),
    every(CLOCK_WATCH_MS, compareClocks),
    every(KEEP_LIFETIME_MS, () => lifetimes.keep()),
  ];
  if (sweepIntervalSeconds > 0) timers.push(every(sweepIntervalSeconds * 1000, () => sweeper.run()));
  const stopListening = store.onRevocation(() => poll().catch(() => {}));
  const stopMinding = store.onDegraded((detail) => emit({ type: "store.degraded", detail }, {}));
  return () => {
    for (const timer of timers) clearInterval(timer);
    stopListening();
    stopMinding();
  };
}

/** A failed act is tried again at the next tick; meanwhile this process's own revocations hold. */
function every(intervalMs: number, act: () => Promise<void>): NodeJS.Timeout {
  return setInterval(() => act().catch(() => {}), intervalMs).unref();
}
