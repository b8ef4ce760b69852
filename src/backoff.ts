import type { Random } from "./environment.ts";

/** How pauses grow between attempts: from the first, twice as long each time, up to the longest. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** The pause after so many attempts that have failed, 1 or more. */
export function pauseAfter(failures: number, { firstMs, longestMs }: Backoff): number {
  return Math.min(longestMs, firstMs * 2 ** (failures - 1));
}

/** Half of a pause to all of it, so that those who wait do not come back all at once. */
export function jittered(pauseMs: number, random: Random): number {
  const [byte = 0] = random.bytes(1);
  return pauseMs * (0.5 + byte / 510);
}
