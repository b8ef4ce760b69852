/** Tells the time. Every decision that depends on time reads it once, from here. */
export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number;
  /** Milliseconds from any beginning, which no step of the clock changes. Default: the machine's. */
  monotonic?(): number;
}

/** Returns unpredictable bytes. */
export interface Random {
  /** `length` bytes from a cryptographically secure source. */
  bytes(length: number): Uint8Array;
}

/** The only doors to time and randomness; tests hand in their own. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
}

/** Milliseconds from any beginning, which no step of the clock changes: for how long something has taken. */
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
 * Asks the source for many bytes at a time, since each question costs 5 µs whatever its length, and a refresh needs two short
 * texts: 6% of it. What is handed out is wiped from the supply, and whatever is as long as a key is asked for on its own.
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
