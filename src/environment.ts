/** Returns the time. Every decision that depends on time reads it once, from here. */
export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number;
  /** Milliseconds from an arbitrary start, unaffected by changes of the clock. Default: the machine's. */
  monotonic?(): number;
}

/** Returns unpredictable bytes. */
export interface Random {
  /** `length` bytes from a cryptographically secure source. */
  bytes(length: number): Uint8Array;
}

/** The only sources of time and randomness; tests pass their own. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Milliseconds from an arbitrary start, unaffected by changes of the clock: to measure how long something has taken.
 */
export function monotonicOf(clock: Clock): () => number {
  return clock.monotonic === undefined ? machineMonotonic : () => clock.monotonic!();
}

const machineMonotonic = () => performance.now();

/** The machine's clock and secure random source (Web Crypto). */
export const systemEnvironment: Environment = Object.freeze({
  clock: Object.freeze({ now: () => Date.now(), monotonic: machineMonotonic }),
  random: Object.freeze({ bytes: createRandomBytes() }),
});

/**
 * Asks the source for many bytes at a time, since each call costs 5 µs regardless of its length, and a refresh needs
 * two short texts: 6% of it. Bytes that are returned are wiped from the supply, and a request as long as a key is made
 * separately.
 */
function createRandomBytes(): Random["bytes"] {
  const supply = new Uint8Array(4096);
  let used = supply.length;
  return (length) => {
    if (length > 16) return crypto.getRandomValues(new Uint8Array(length));
    if (used + length > supply.length) {
      crypto.getRandomValues(supply);
      used = 0;
    }
    const bytes = supply.slice(used, used + length);
    supply.fill(0, used, used + length);
    used += length;
    return bytes;
  };
}
