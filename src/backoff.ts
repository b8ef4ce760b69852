import type { Random } from "./environment.ts";

/** How pauses between attempts grow: from the first, twice as long each time, up to the longest. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** The pause after this many failed attempts, at least 1. */
export function pauseAfter(failures: number, { firstMs, longestMs }: Backoff): number {
  return Math.min(longestMs, firstMs * 2 ** (failures - 1));
}

/** Between half of a pause and all of it, so that waiting clients do not all return at once. */
export function jittered(pauseMs: number, random: Random): number {
  const [byte = 0] = random.bytes(1);
  return pauseMs * (0.5 + byte / 510);
}
