import { type Clock, systemEnvironment } from "../environment.ts";
import type { AttemptCounts, AttemptsAllowed, AttemptsTaken } from "../store/attempt-counts.ts";
import { type AttemptLimit, createAttemptLimit } from "./attempt-limit.ts";

/** A limit on attempts. */
export interface Limit {
  /** Short, and different for each limit: the prefix of its keys in the store. */
  readonly name: string;
  readonly attempts: number;
  /** The window begins with a key's first attempt. */
  readonly windowSeconds: number;
}

/** The key under which a limit counts an attempt. */
export interface LimitedKey {
  readonly limit: Limit;
  readonly key: string;
  /** Whether the limit only refuses when there are no attempts left, and counts nothing. Default: false. */
  readonly isOnlyLookedAt?: boolean | undefined;
}

/** The outcome of an attempt. */
export type Taking =
  /** Counted under every key. */
  | {
      readonly waitSeconds: 0;
      readonly refusedBy?: never;
      /** Takes the attempt back under every key; under `forgotten`, all attempts there are. */
      giveBack(forgotten?: LimitedKey): Promise<void>;
    }
  /** Counted nowhere, since a key has no attempts left: the longest wait, at least 1, and the limits that refuse. */
  | { readonly waitSeconds: number; readonly refusedBy: readonly Limit[]; readonly giveBack?: never };

/** Counts attempts. Keys of one attempt belong to different limits. */
export interface Attempts {
  take(keys: readonly LimitedKey[]): Promise<Taking>;
  /** Takes back all attempts under these keys as they are in the store, and under those that begin with one and a space. */
  forget(keys: readonly string[]): Promise<number>;
}

/** Counts in this process's memory. @param maxKeys how many keys each limit keeps. */
export function createLocalAttempts(maxKeys: number, clock: Clock = systemEnvironment.clock): Attempts {
  const limits = new Map<string, AttemptLimit>();

  function countOf({ name, attempts, windowSeconds }: Limit): AttemptLimit {
    const known = limits.get(name);
    if (known !== undefined) return known;
    const made = createAttemptLimit({ attempts, windowSeconds, maxKeys, clock });
    limits.set(name, made);
    return made;
  }

  return {
    async take(keys) {
      const counts = keys.map((one) => ({ ...one, count: countOf(one.limit) }));
      // All are checked before any is counted, so that refused attempts add no keys that displace others.
      const refused = refusal(
        counts,
        counts.map(({ count, key }) => count.wait(key)),
      );
      if (refused !== null) return refused;
      const taken = counts.filter(({ isOnlyLookedAt = false }) => !isOnlyLookedAt);
      for (const { count, key } of taken) count.take(key);
      return {
        waitSeconds: 0,
        async giveBack(forgotten) {
          for (const { limit, count, key } of taken) {
            if (limit.name === forgotten?.limit.name) count.forget(key);
            else count.giveBack(key);
          }
        },
      };
    },

    async forget(keys) {
      let forgotten = 0;
      for (const key of keys) {
        const [name = "", ...rest] = key.split(" ");
        forgotten += limits.get(name)?.forgetBelow(rest.join(" ")) ?? 0;
      }
      return forgotten;
    },
  };
}

/**
 * Counts in the store, for all processes on it. If the store cannot do it, this process counts for itself, so that
 * guessing is limited at any time; an attempt is taken back where it was counted.
 *
 * Attempts under the same keys ask the store one after another. A refusal answers all that are waiting at that time:
 * any number of parallel guesses cost the store one statement more than the limit admits, and never block its
 * connections for others.
 */
export function createSharedAttempts(counts: AttemptCounts, local: Attempts): Attempts {
  const waitingByKeys = new Map<string, ((taken: AttemptsTaken | undefined) => void)[]>();

  async function answer(id: string, limits: readonly AttemptsAllowed[]): Promise<void> {
    const waiting = waitingByKeys.get(id) ?? [];
    while (waiting.length > 0) {
      const taken = await counts.takeAttempts(limits).catch(() => undefined);
      const isCounted = taken?.waitSeconds === 0;
      for (const resolve of waiting.splice(0, isCounted ? 1 : waiting.length)) resolve(taken);
    }
    waitingByKeys.delete(id);
  }

  /** `undefined` if the store cannot count. */
  function takeInTurn(limits: readonly AttemptsAllowed[]): Promise<AttemptsTaken | undefined> {
    const id = JSON.stringify(limits.map(({ key, isOnlyLookedAt }) => [key, isOnlyLookedAt]));
    return new Promise((resolve) => {
      const waiting = waitingByKeys.get(id);
      if (waiting !== undefined) {
        waiting.push(resolve);
        return;
      }
      waitingByKeys.set(id, [resolve]);
      void answer(id, limits);
    });
  }

  return {
    async take(keys) {
      const limits = keys.map(({ limit, key, isOnlyLookedAt = false }) => ({
        key: keyInStore({ limit, key }),
        attempts: limit.attempts,
        windowSeconds: limit.windowSeconds,
        isOnlyLookedAt,
      }));
      const taken = await takeInTurn(limits);
      if (taken === undefined) return local.take(keys);
      const { waitSeconds, counted, refusedBy } = taken;
      if (waitSeconds > 0) {
        return {
          waitSeconds,
          refusedBy: keys.filter((one) => refusedBy.includes(keyInStore(one))).map(({ limit }) => limit),
        };
      }
      return {
        waitSeconds: 0,
        async giveBack(forgotten) {
          // An attempt that cannot be taken back still counts, which errs on the safe side and ends with the window.
          const forgottenKeys = forgotten === undefined ? [] : [keyInStore(forgotten)];
          await counts.giveBackAttempts(counted, forgottenKeys).catch(() => {});
        },
      };
    },
    async forget(keys) {
      const forgotten = await local.forget(keys);
      return forgotten + (await counts.forgetAttempts(keys));
    },
  };
}

/** If any limit requires a wait: which limits, and for how long. */
function refusal(keys: readonly LimitedKey[], waits: readonly number[]): Taking | null {
  const waitSeconds = Math.max(0, ...waits);
  if (waitSeconds === 0) return null;
  return { waitSeconds, refusedBy: keys.filter((_, index) => waits[index]! > 0).map(({ limit }) => limit) };
}

/** A key as it is in the store: the name of its limit, a space, and the rest. */
export function keyInStore({ limit, key }: LimitedKey): string {
  return `${limit.name} ${key}`;
}
