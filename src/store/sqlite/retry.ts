import { setTimeout } from "node:timers/promises";
import { jittered, pauseAfter } from "../../backoff.ts";
import type { Random } from "../../environment.ts";
import { isLocked, toStoreError } from "./errors.ts";

const BACKOFF = { firstMs: 1, longestMs: 50 };

/** Runs an act on the database, and rejects with a `LatchkeyError` where SQLite fails. */
export type Runner = <T>(act: () => T | Promise<T>) => Promise<T>;

export interface RunnerOptions {
  /** What the operator knows the database by. */
  readonly place: string;
  /** How long an act is tried again in all while another connection holds the lock. */
  readonly lockTimeoutSeconds: number;
  readonly random: Random;
}

/**
 * Tries an act again while a lock is in the way, with growing, jittered pauses, during which the event loop continues.
 */
export function createRunner({ place, lockTimeoutSeconds, random }: RunnerOptions): Runner {
  return async (act) => {
    let remainingMs = lockTimeoutSeconds * 1000;
    for (let failures = 1; ; failures += 1) {
      try {
        return await act();
      } catch (error) {
        if (!isLocked(error) || remainingMs <= 0) throw toStoreError(error, place);
      }
      const pauseMs = Math.ceil(jittered(pauseAfter(failures, BACKOFF), random));
      await setTimeout(Math.min(pauseMs, remainingMs));
      remainingMs -= pauseMs;
    }
  };
}
