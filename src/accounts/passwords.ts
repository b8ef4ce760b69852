import argon2 from "@node-rs/argon2";
import pLimit from "p-limit";
import type { Random } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import { isImportedHash, readStoredImportedHash } from "./imported-hashes.ts";
import { type PasswordHashing, passwordHashing } from "./password-hashing.ts";
import { preparePassword } from "./password-text.ts";

/** The options of {@link createPasswords}. */
export interface PasswordsOptions extends PasswordHashing {
  readonly random: Random;
}

/**
 * Hashes and verifies passwords with argon2id (RFC 9106), a limited number at once. Every method prepares the password
 * first ({@link preparePassword}) and throws `server_busy` if the queue is full.
 */
export interface Passwords {
  /** A PHC string with a fresh 16-byte salt. */
  hash(password: string): Promise<string>;
  /**
   * Whether the password matches this hash, which may be Latchkey's own or imported. A hash that cannot be read matches
   * nothing, and costs the same work as any other.
   */
  verify(password: string, stored: string): Promise<boolean>;
  /** Spends the work of {@link Passwords.verify} when there is no user to verify against. */
  verifyAgainstNobody(password: string): Promise<false>;
  statistics(): PasswordStatistics;
}

/** What the hashing has done and is doing. */
export interface PasswordStatistics {
  /** Hashes computed since the start, for any purpose. */
  readonly computed: number;
  readonly running: number;
  readonly waiting: number;
  /** How often `server_busy` was thrown. */
  readonly refused: number;
}

const SALT_BYTES = 16;
const DIGEST_BYTES = 32;
const BUSY_RETRY_SECONDS = 2;

// A damaged parameter in a stored hash could require 4 TiB of memory, which ends the process rather than the request.
const MOST_TIMES_COSTLIER = 16;

/** @throws TypeError naming the option that is invalid, or weaker than OWASP's password storage guidance. */
export function createPasswords(options: PasswordsOptions): Passwords {
  const resolved = passwordHashing.resolveFrom(options);
  const { argon2MemoryKib: memoryCost, argon2Passes: timeCost, argon2Lanes: parallelism } = resolved;
  const { hashConcurrency: concurrency, hashQueueLength: queueLength } = resolved;

  const limit = pLimit(concurrency);
  // A hash of no user: random bytes instead of a digest, so verifying against it is the real work and no password
  // matches.
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
          // As it was typed: the system that created the hash did not use Latchkey's preparation.
          if (imported !== undefined) return await imported.verify(password);
          if (isAffordable(stored)) return await argon2.verify(stored, prepared);
        } catch {
          // The hash cannot be read.
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
