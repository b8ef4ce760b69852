import { setTimeout } from "node:timers/promises";
import type { Random } from "../../environment.ts";
import { isLocked, toStoreError } from "./errors.ts";

const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 50;

/** Runs an act on the database, and rejects with a `LatchkeyError` where SQLite fails. */
export type Runner = <T>(act: () => T | Promise<T>) => Promise<T>;

export interface RunnerOptions {
  /** What the operator knows the database by. */
  readonly place: string;
  /** How long an act is tried again in all while another connection holds the lock. */
  readonly lockTimeoutSeconds: number;
  readonly random: Random;
}

/** Tries an act again while a lock is in the way, in growing, jittered pauses in which the event loop goes on. */
export function createRunner({ place, lockTimeoutSeconds, random }: RunnerOptions): Runner {
  return async (act) => {
    let remainingMs = lockTimeoutSeconds * 1000;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await act();
      } catch (error) {
        if (!isLocked(error) || remainingMs <= 0) throw toStoreError(error, place);
      }
      const [byte = 0] = random.bytes(1);
      const jitteredMs = Math.ceil((pauseMs * (256 + byte)) / 512);
      await setTimeout(Math.min(jitteredMs, remainingMs));
      remainingMs -= jitteredMs;
    }
  };
}
