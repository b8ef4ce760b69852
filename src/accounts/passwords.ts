import { availableParallelism } from "node:os";
import argon2 from "@node-rs/argon2";
import pLimit from "p-limit";
import type { Random } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import { isImportedHash, readStoredImportedHash } from "./imported-hashes.ts";
import { preparePassword } from "./password-text.ts";

/** How passwords are hashed. The three `argon2` settings are refused where they are weaker than OWASP's. */
export interface PasswordsOptions {
  readonly random: Random;
  /** Memory of one hash, in KiB: 19,456 or more, or 47,104 or more with a single pass. Default: 19,456 (19 MiB). */
  readonly argon2MemoryKib?: number | undefined;
  /** Passes over the memory. Default: 2. */
  readonly argon2Passes?: number | undefined;
  /** Lanes. Default: 1. */
  readonly argon2Lanes?: number | undefined;
  /** How many hashes run at once. Default: one less than the processors, 3 at most. */
  readonly hashConcurrency?: number | undefined;
  /** How many wait while those run; what comes on top gets `server_busy`. Default: 64. */
  readonly hashQueueLength?: number | undefined;
}

/**
 * Hashes and verifies passwords with argon2id (RFC 9106), so many at once and no more. Every method prepares the password
 * first ({@link preparePassword}) and throws `server_busy` where the queue is full.
 */
export interface Passwords {
  /** A PHC string with a fresh 16-byte salt. */
  hash(password: string): Promise<string>;
  /**
   * Whether the password made this hash, be it one of these or one that was imported. A hash that cannot be read matches
   * nothing, and costs what another would.
   */
  verify(password: string, stored: string): Promise<boolean>;
  /** Spends the work of {@link Passwords.verify} where there is no user to verify against. */
  verifyAgainstNobody(password: string): Promise<false>;
  statistics(): PasswordStatistics;
}

/** What the hashing has done and is doing. */
export interface PasswordStatistics {
  /** Hashes computed since the start, for whatever purpose. */
  readonly computed: number;
  readonly running: number;
  readonly waiting: number;
  /** How often `server_busy` was thrown. */
  readonly refused: number;
}

const SALT_BYTES = 16;
const DIGEST_BYTES = 32;
const BUSY_RETRY_SECONDS = 2;

// argon2 runs on libuv's pool, four threads unless UV_THREADPOOL_SIZE says otherwise, and access tokens are signed on the
// same pool: one thread always stays free of hashing, so that no flood of logins can keep refreshes waiting.
const MOST_POOL_THREADS = 3;

// A damaged parameter in a stored hash could ask for 4 TiB of memory, which ends the process rather than the request.
const MOST_TIMES_COSTLIER = 16;

/** @throws TypeError naming the option that is wrong, or weaker than OWASP's password storage guidance. */
export function createPasswords(options: PasswordsOptions): Passwords {
  const memoryCost = wholeNumber(options, "argon2MemoryKib", 19_456, 1, 1_048_576);
  const timeCost = wholeNumber(options, "argon2Passes", 2, 1, 100);
  const parallelism = wholeNumber(options, "argon2Lanes", 1, 1, 16);
  const byDefault = Math.max(1, Math.min(availableParallelism() - 1, MOST_POOL_THREADS));
  const concurrency = wholeNumber(options, "hashConcurrency", byDefault, 1, 1024);
  const queueLength = wholeNumber(options, "hashQueueLength", 64, 0, 10_000);
  refuseWeak(memoryCost, timeCost);

  const limit = pLimit(concurrency);
  // Nobody's hash: random bytes in place of a digest, so verifying against it is the real work and no password matches.
  const nobody = `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${base64(SALT_BYTES)}$${base64(DIGEST_BYTES)}`;
  let computed = 0;
  let refused = 0;

  function base64(bytes: number): string {
    return Buffer.from(options.random.bytes(bytes)).toString("base64").replaceAll("=", "");
  }

  async function inTurn<Result>(compute: () => Promise<Result>): Promise<Result> {
    if (limit.activeCount + limit.pendingCount >= concurrency + queueLength) {
      refused++;
      throw new LatchkeyError("server_busy", {
        detail: "The password hashing queue is full.",
        retryAfterSeconds: BUSY_RETRY_SECONDS,
      });
    }
    return limit(() => {
      computed++;
      return compute();
    });
  }

  function isAffordable(phc: string): boolean {
    const asked = argon2.parseOptions(phc);
    return (
      asked.memoryCost <= memoryCost * MOST_TIMES_COSTLIER &&
      asked.timeCost <= timeCost * MOST_TIMES_COSTLIER &&
      asked.parallelism <= parallelism * MOST_TIMES_COSTLIER
    );
  }

  return {
    async hash(password) {
      const prepared = preparePassword(password);
      const salt = options.random.bytes(SALT_BYTES);
      return inTurn(() => argon2.hash(prepared, { memoryCost, timeCost, parallelism, outputLen: DIGEST_BYTES, salt }));
    },

    async verify(password, stored) {
      const prepared = preparePassword(password);
      return inTurn(async () => {
        try {
          const imported = isImportedHash(stored) ? readStoredImportedHash(stored) : undefined;
          // As it was typed: the system that made the hash knew no preparation of Latchkey's.
          if (imported !== undefined) return await imported.verify(password);
          if (isAffordable(stored)) return await argon2.verify(stored, prepared);
        } catch {
          // Not a hash that can be read.
        }
        await argon2.verify(nobody, prepared);
        return false;
      });
    },

    async verifyAgainstNobody(password) {
      const prepared = preparePassword(password);
      await inTurn(() => argon2.verify(nobody, prepared));
      return false;
    },

    statistics: () => ({ computed, running: limit.activeCount, waiting: limit.pendingCount, refused }),
  };
}

/** OWASP's two pairs of argon2id parameters at its recommended memory, and whatever is stronger than either. */
function refuseWeak(memoryKib: number, passes: number): void {
  if (memoryKib < 19_456) {
    throw new TypeError("Option 'argon2MemoryKib' must be 19456 (19 MiB) or more.");
  }
  if (passes < 2 && memoryKib < 47_104) {
    throw new TypeError("Option 'argon2Passes' must be 2 or more, unless 'argon2MemoryKib' is 47104 (46 MiB) or more.");
  }
}

type NumericOption = Exclude<keyof PasswordsOptions, "random">;

function wholeNumber(
  options: PasswordsOptions,
  name: NumericOption,
  byDefault: number,
  least: number,
  most: number,
): number {
  const value = options[name] ?? byDefault;
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new TypeError(`Option '${name}' must be a whole number from ${least} to ${most}.`);
  }
  return value;
}
