import type { Clock, Environment } from "../../src/environment.ts";
import { systemEnvironment } from "../../src/environment.ts";
import { deriveRootKeys } from "../../src/secrets/root-secret.ts";
import { type KeyRing, type KeyRingOptions, openKeyRing } from "../../src/signing/key-ring.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";

export const SECRET = "k7Jx0mQ2vN9pR4tY6uZ8aB1cD3eF5gH7";
export const OTHER_SECRET = "W3rT9yU1iO5pA7sD2fG4hJ6kL8zX0cVb";
export const rootKeys = deriveRootKeys(SECRET);

/** Every process reloads this often in the tests, as the engine does. */
export const RELOAD_SECONDS = 10;
/** How long a process signs with a ring that it has not read again. */
export const STALE_AFTER_SECONDS = 20;
/** What the schedule allows for it. */
const RELOAD_LAG_SECONDS = 30;

export const schedule = {
  accessTtlSeconds: 900,
  leewaySeconds: 5,
  keyRotationSeconds: 30 * 86_400,
  jwksMaxAgeSeconds: 300,
} as const;

/** How long after it was made a key may sign, with {@link schedule}. */
export const PUBLISHED_AFTER_SECONDS = schedule.jwksMaxAgeSeconds + RELOAD_LAG_SECONDS;
/** How long after it retired a key verifies, with {@link schedule}. */
export const KEPT_FOR_SECONDS = schedule.accessTtlSeconds + schedule.leewaySeconds + RELOAD_LAG_SECONDS;

/** A clock that stands until it is moved. */
export interface TestClock extends Clock {
  advance(seconds: number): void;
}

export function createClock(startMs = 1_800_000_000_000): TestClock {
  let now = startMs;
  return {
    now: () => now,
    advance(seconds) {
      now += seconds * 1000;
    },
  };
}

export function environmentAt(clock: Clock): Environment {
  return { clock, random: systemEnvironment.random };
}

export async function openStore(): Promise<Store> {
  return createSqliteStore(":memory:");
}

/** Opens a ring as one process would; every part can be replaced. */
export async function openRing(given: Partial<KeyRingOptions> & { readonly clock?: Clock } = {}): Promise<KeyRing> {
  const { clock = createClock(), ...options } = given;
  return openKeyRing({
    store: options.store ?? (await openStore()),
    rootKeys,
    environment: environmentAt(clock),
    ...schedule,
    ...options,
  });
}

/** A store that counts what the ring asks of it. */
export function counting(store: Store) {
  const counts = { reads: 0, writes: 0 };
  return {
    counts,
    readSigningKeys: () => {
      counts.reads++;
      return store.readSigningKeys();
    },
    replaceSigningKeys: (...args: Parameters<Store["replaceSigningKeys"]>) => {
      counts.writes++;
      return store.replaceSigningKeys(...args);
    },
  };
}
