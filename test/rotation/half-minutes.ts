import type { Database } from "./database.ts";
import { age } from "./normal-form.ts";
import type { WorldState } from "./walk.ts";

// The coarse clock of the worlds in which clients hang up: what is forgiven is a matter of minutes and an hour.

const STEP = 30;
const HOUR = 3600;

/**
 * Half a minute later; from a minute and a half after an incident on, nothing changes before it is an hour ago, so the clock goes
 * there at once.
 */
export function nextHalfMinute({ database, now }: WorldState & { readonly now: number }): number {
  const { forgivenAt } = database.ledger;
  if (forgivenAt === undefined) return now + STEP;
  const ago = now - forgivenAt;
  return ago >= 3 * STEP && ago < HOUR ? forgivenAt + HOUR : now + STEP;
}

/** How long ago the latest incident began, as far as it matters. */
export function ageOfForgiving({ ledger: { forgivenAt } }: Database, now: number): number | string {
  return forgivenAt === undefined ? "never" : age(forgivenAt, now, HOUR + STEP);
}
