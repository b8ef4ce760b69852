import type { Clock } from "../environment.ts";

/** How many attempts a key has, and for how long they count. */
export interface AttemptLimitOptions {
  readonly attempts: number;
  /** The window begins with a key's first attempt. */
  readonly windowSeconds: number;
  /** How many keys are kept; above that, the one whose last attempt is the oldest is forgotten. */
  readonly maxKeys: number;
  readonly clock: Clock;
}

/** Counts attempts by key, in memory. A wait is in whole seconds; 0 means that there is none. */
export interface AttemptLimit {
  /** How long the key has to wait. Counts nothing and adds no key. */
  wait(key: string): number;
  /** Counts an attempt. Call it only when {@link AttemptLimit.wait} returns 0. */
  take(key: string): void;
  /** Takes back an attempt that {@link AttemptLimit.take} counted. */
  giveBack(key: string): void;
  /** Takes back all of a key's attempts. */
  forget(key: string): void;
  /**
   * The same for the key and all that begin with it and a space, or for all keys if it is empty; returns how many there
   * were.
   */
  forgetBelow(key: string): number;
}

/** One key's attempts in its window. */
interface Window {
  count: number;
  endsAt: number;
}

/**
 * How many windows that are over are dropped for each new one, so that they do not accumulate and no attempt pays for
 * all.
 */
const MOST_DROPPED = 2;

/** Counts in a separate window for each key, without timers. */
export function createAttemptLimit({ attempts, windowSeconds, maxKeys, clock }: AttemptLimitOptions): AttemptLimit {
  const windowMs = windowSeconds * 1000;
  // In the order of their last attempt, the longest ago first. May hold windows that are over.
  const windows = new Map<string, Window>();

  /** The key's window, if it has not ended. */
  function current(key: string, now: number): Window | undefined {
    const window = windows.get(key);
    if (window === undefined) return undefined;
    // The clock was set back: no one waits longer than a window because of that.
    window.endsAt = Math.min(window.endsAt, now + windowMs);
    if (window.endsAt > now) return window;
    windows.delete(key);
    return undefined;
  }

  function moveToEnd(key: string, window: Window): void {
    windows.delete(key);
    windows.set(key, window);
  }

  function dropEnded(now: number): void {
    let dropped = 0;
    for (const [key, { endsAt }] of windows) {
      if (endsAt > now || dropped === MOST_DROPPED) return;
      windows.delete(key);
      dropped += 1;
    }
  }

  return {
    wait(key) {
      const now = clock.now();
      const window = current(key, now);
      if (window === undefined) return 0;
      moveToEnd(key, window);
      return window.count < attempts ? 0 : Math.ceil((window.endsAt - now) / 1000);
    },

    take(key) {
      const now = clock.now();
      const window = current(key, now) ?? { count: 0, endsAt: now + windowMs };
      window.count += 1;
      dropEnded(now);
      moveToEnd(key, window);
      if (windows.size <= maxKeys) return;
      const [oldest = key] = windows.keys();
      windows.delete(oldest);
    },

    giveBack(key) {
      // If its window is over, there is nothing left to take back.
      const window = current(key, clock.now());
      if (window === undefined) return;
      window.count -= 1;
      if (window.count === 0) windows.delete(key);
    },

    forget: (key) => void windows.delete(key),

    forgetBelow(key) {
      const now = clock.now();
      const below = (known: string) => key === "" || known === key || known.startsWith(`${key} `);
      const found = [...windows.keys()].filter((known) => below(known) && current(known, now) !== undefined);
      for (const known of found) windows.delete(known);
      return found.length;
    },
  };
}
