/**
 * What is to happen after every test, in the order in which it was given. Modules of `test/support` are evaluated once for many
 * files, and a hook of vitest belongs to one file, so they hand their clean-up to this list.
 */
const acts: (() => unknown)[] = [];

/** Runs `act` after every test of this process from now on, whichever file it is in. */
export function afterEveryTest(act: () => unknown): void {
  acts.push(act);
}

/** Runs them all, the last one given first, as vitest does with its own hooks. */
export async function runAfterTest(): Promise<void> {
  for (const act of [...acts].reverse()) await act();
}
