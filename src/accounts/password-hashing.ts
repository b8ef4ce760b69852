import { availableParallelism } from "node:os";
import { createOptionSet, type Problem, wholeNumber, withDefault } from "../option-rules.ts";

/**
 * How passwords are hashed, with argon2id (RFC 9106). Settings weaker than OWASP's password storage guidance are
 * refused.
 */
export interface PasswordHashing {
  /** Memory of one hash, in KiB: at least 19,456, or at least 47,104 with a single pass. Default: 19,456 (19 MiB). */
  readonly argon2MemoryKib?: number | undefined;
  /** Passes over the memory. Default: 2. */
  readonly argon2Passes?: number | undefined;
  /** Lanes. Default: 1. */
  readonly argon2Lanes?: number | undefined;
  /** How many hashes run at once. Default: one less than the processors, at most 3. */
  readonly hashConcurrency?: number | undefined;
  /** How many hashes wait while those run; further requests are refused with `server_busy`. Default: 64. */
  readonly hashQueueLength?: number | undefined;
}

type Resolved = { readonly [Name in keyof PasswordHashing]-?: number };

/** OWASP's two pairs of argon2id parameters at its recommended memory; the second with a single pass. */
const LEAST_MEMORY_KIB = 19_456;
const LEAST_MEMORY_OF_ONE_PASS_KIB = 47_104;

// argon2 runs on libuv's pool, four threads unless UV_THREADPOOL_SIZE says otherwise, and access tokens are signed on the
// same pool: one thread always stays free of hashing, so that no flood of logins can keep refreshes waiting.
const MOST_POOL_THREADS = 3;

const memory: Problem = (value) =>
  wholeNumber(1, 1_048_576)(value) ??
  ((value as number) < LEAST_MEMORY_KIB ? `must be ${LEAST_MEMORY_KIB} (19 MiB) or more` : undefined);

/** The rules, which apply to the issuer's options too. */
export const passwordHashingRules = Object.freeze({
  argon2MemoryKib: withDefault(LEAST_MEMORY_KIB, memory),
  argon2Passes: withDefault(2, wholeNumber(1, 100)),
  argon2Lanes: withDefault(1, wholeNumber(1, 16)),
  hashConcurrency: withDefault(
    () => Math.max(1, Math.min(availableParallelism() - 1, MOST_POOL_THREADS)),
    wholeNumber(1, 1024),
  ),
  hashQueueLength: withDefault(64, wholeNumber(0, 10_000)),
});

/** Combinations that make hashes too weak although each option on its own is strong enough. */
export function hashingTooWeak({ argon2MemoryKib, argon2Passes }: Resolved): readonly string[] {
  if (argon2Passes > 1 || argon2MemoryKib >= LEAST_MEMORY_OF_ONE_PASS_KIB) return [];
  return [
    `Option 'argon2Passes' must be 2 or more, unless 'argon2MemoryKib' is ${LEAST_MEMORY_OF_ONE_PASS_KIB} (46 MiB) or more.`,
  ];
}

export const passwordHashing = createOptionSet<PasswordHashing, Resolved>({
  of: "createPasswords",
  rules: passwordHashingRules,
  across: hashingTooWeak,
});
