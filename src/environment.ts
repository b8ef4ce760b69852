/** Tells the time. Every decision that depends on time reads it once, from here. */
export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number;
}

/** Gives unpredictable bytes. */
export interface Random {
  /** `length` bytes from a cryptographically secure source. */
  bytes(length: number): Uint8Array;
}

/** The only doors to time and randomness; tests hand in their own. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
}

/** The machine's clock and secure random source (Web Crypto). */
export const systemEnvironment: Environment = Object.freeze({
  clock: Object.freeze({ now: () => Date.now() }),
  random: Object.freeze({ bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }),
});
