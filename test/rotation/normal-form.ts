import { type Database, ledgerAgrees, newestIssued } from "./database.ts";

/**
 * Generations by rank. Without restores every generation in play is at most `pendingTo`, the decision only compares, and
 * what is issued is newer than all: so nothing but the order of the generations matters, and the numbers close up.
 */
export function ranks(generations: readonly number[]): (generation: number) => number {
  const ordered = [...new Set(generations)].sort((a, b) => a - b);
  return (generation) => ordered.indexOf(generation);
}

/** How long ago something was, in ticks; all that is longer than `most` is alike. */
export function age(then: number, now: number, most: number): number {
  return Math.min(now - then, most);
}

/** How many generations something is behind the newest issued; all that are further behind are alike. */
export function behind(database: Database, generation: number): number {
  return Math.min(newestIssued(database) - generation, 4);
}

/** How long something is yet to come, in ticks; all that is past is alike. */
export function remaining(then: number, now: number): number {
  return Math.max(then - now, 0);
}

/** The row's generations by rank. */
export function rowByRank(database: Database, rank: (generation: number) => number): string {
  const { confirmed, pendingFrom, pendingTo } = database.row;
  const row = [confirmed, pendingFrom, pendingTo].map(rank).join();
  return ledgerAgrees(database) ? row : `${row} ${JSON.stringify(database.ledger)}`;
}

/** The generations that a row names. */
export function rowGenerations({ row }: Database): number[] {
  return [row.confirmed, row.pendingFrom, row.pendingTo];
}
