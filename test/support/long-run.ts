import { mkdirSync, writeFileSync } from "node:fs";

/** Whether this is the long run of `npm run faults`, whose figures stand in docs/reliability.md. */
const isLongRun = process.env.FAULTS === "long";

/** How many times something is done: fewer in `npm test` than in the long run. */
export function times(counts: { readonly short: number; readonly long: number }): number {
  return isLongRun ? counts.long : counts.short;
}

/** Where a random run begins. `SEED` repeats a run. */
export const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);

/** What one run has shown. */
export interface Figure {
  /** What was done to what, as a line of a table: `kill -9 of a server process, PostgreSQL`. */
  readonly run: string;
  /** How many of them. */
  readonly count: number;
  /** Only where chance decided anything. */
  readonly seed?: number;
  readonly seconds: number;
  /** What was counted, in the order of the table: `{ "acknowledged rotations": 48211, "honest logouts": 0 }`. */
  readonly found: Readonly<Record<string, number>>;
}

/** Prints the figure; the long run keeps it, too, for `npm run faults` to gather. */
export function report(figure: Figure): void {
  const { run, count, found, seconds } = figure;
  const counted = Object.entries(found).map(([what, many]) => `${many.toLocaleString("en")} ${what}`);
  const begun = figure.seed === undefined ? "" : `, seed ${figure.seed}`;
  console.log(`${run} × ${count.toLocaleString("en")}: ${counted.join(", ")} (${seconds.toFixed(0)} s${begun})`);
  if (!isLongRun) return;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(new URL(`${run.replaceAll(/[^\w]+/g, "-")}.json`, FOLDER), `${JSON.stringify(figure, null, 2)}\n`);
}

const FOLDER = new URL("../../.cache/faults/", import.meta.url);
