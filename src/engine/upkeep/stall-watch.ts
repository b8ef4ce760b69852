import { type Environment, monotonicOf } from "../../environment.ts";

const TICK_MS = 250;
/**
 * How long the process must have been stalled, or a request have waited, for its client to have continued meanwhile.
 */
const STALL_MS = 1000;
/** How long after a stall requests are still read that arrived during it. */
const BACKLOG_MS = 1000;

/** Knows when this process has been stalled: stopped by the machine, or busy with other work. */
export interface StallWatch {
  /** The time, in milliseconds that never step, of a request that arrives now. */
  arrival(): number;
  /** Whether a request that was read at `arrivedAt` has waited for more than a second, before it was read or since. */
  hasWaited(arrivedAt: number): boolean;
  stop(): void;
}

/**
 * Watches the event loop. A request that arrived while the process was stalled is read as soon as it runs again: its
 * time of arrival cannot be known, so all that are read within a second after a stall count as having waited.
 */
export function watchStalls({ clock }: Environment): StallWatch {
  const now = monotonicOf(clock);
  let lastTick = now();
  let lastStallEnd = Number.NEGATIVE_INFINITY;
  const isStanding = () => now() - lastTick > STALL_MS + TICK_MS;
  const timer = setInterval(() => {
    if (isStanding()) lastStallEnd = now();
    lastTick = now();
  }, TICK_MS);
  timer.unref();
  return {
    arrival: now,
    // A request may be read before the timer has fired that notices the stall.
    hasWaited: (arrivedAt) => now() - arrivedAt > STALL_MS || arrivedAt - lastStallEnd < BACKLOG_MS || isStanding(),
    stop: () => clearInterval(timer),
  };
}
