import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";

/** How many attempts a key has, and for how long they count. */
export interface AttemptLimitOptions {
  readonly attempts: number;
  /** The window begins with a key's first attempt. */
  readonly windowSeconds: number;
  /** How many keys are kept; above it, the one that was tried longest ago is forgotten. */
  readonly maxKeys: number;
}

/** Counts attempts by key. A wait is in whole seconds; 0 means that there is none. */
export interface AttemptLimit {
  /** How long the key has to wait. Counts nothing and brings in no key. */
  wait(key: string): Promise<number>;
  /** Counts an attempt, unless the key has none left: then gives how long it has to wait. */
  take(key: string): Promise<number>;
  /** Takes back an attempt that {@link AttemptLimit.take} counted. */
  giveBack(key: string): Promise<void>;
  /** Takes back all of a key's attempts. */
  forget(key: string): Promise<void>;
  /** The same for the key and all that begin with it and a space, for all where it is empty; gives how many there were. */
  forgetBelow(key: string): Promise<number>;
}

/**
 * A limit on rate-limiter-flexible's memory store, which has no bound on keys of its own (415 bytes and a timer each), so
 * the number of keys is bounded here.
 */
export function createAttemptLimit({ attempts, windowSeconds, maxKeys }: AttemptLimitOptions): AttemptLimit {
  const limiter = new RateLimiterMemory({ points: attempts, duration: windowSeconds });
  // In the order of their last attempt, the longest ago first. May hold keys whose window is over; they cost only their place.
  const keys = new Set<string>();

  async function forget(key: string): Promise<void> {
    keys.delete(key);
    await limiter.delete(key);
  }

  function keep(key: string): void {
    keys.delete(key);
    keys.add(key);
    if (keys.size <= maxKeys) return;
    const [oldest = key] = keys;
    void forget(oldest);
  }

  async function giveBack(key: string): Promise<void> {
    const { consumedPoints } = await limiter.reward(key);
    // Also where the window ended meanwhile and the attempt given back would become one too many in the next.
    if (consumedPoints <= 0) await forget(key);
  }

  return {
    async wait(key) {
      if (keys.has(key)) keep(key);
      const found = await limiter.get(key);
      return found !== null && found.consumedPoints >= attempts ? wholeSeconds(found) : 0;
    },

    async take(key) {
      keep(key);
      // The memory store never fails: what rejects is a count that is over the limit.
      const refusal = await limiter.consume(key).then(
        () => undefined,
        (over: RateLimiterRes) => over,
      );
      if (refusal === undefined) return 0;
      await giveBack(key);
      // 0 would say that the attempt was counted.
      return Math.max(1, wholeSeconds(refusal));
    },

    giveBack,
    forget,
    async forgetBelow(key) {
      const found = [...keys].filter((known) => key === "" || known === key || known.startsWith(`${key} `));
      await Promise.all(found.map(forget));
      return found.length;
    },
  };
}

function wholeSeconds({ msBeforeNext }: RateLimiterRes): number {
  return Math.max(0, Math.ceil(msBeforeNext / 1000));
}
