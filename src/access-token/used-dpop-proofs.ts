import type { Clock } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import { DPOP_PROOF_SECONDS, type DpopProof, type DpopRequest, readDpopProof, refused } from "./dpop-proof.ts";
import { createNumberRanges } from "./number-ranges.ts";

/** How many proofs are remembered while they are valid, of one key and of all keys together. */
const KEY_LIMIT = 65_536;
const TOTAL_LIMIT = 262_144;
/** Proofs that expire within the same span are forgotten together. */
const SPAN_MS = 10_000;
/** How long after its end a proof is remembered if there is room, since the clock may be set back. */
const KEPT_AFTERWARDS_MS = 10 * 60_000;
/** What lies between two is good, once the clock was set forward and back. Past this many the nearest become one. */
const FORGOTTEN_RANGES = 64;

/** The options of {@link createDpopProofs}. */
export interface DpopProofsOptions {
  readonly clock: Clock;
  /** Whether a nonce is one of the server's. Default: none is asked for. */
  readonly isNonce?: ((nonce: string) => boolean) | undefined;
  /** Default: 65,536 proofs of one key, 262,144 in all. */
  readonly limits?: { readonly ofKey: number; readonly total: number } | undefined;
}

/** Checks proofs, each for one use. */
export interface DpopProofs {
  /** Everything but whether it has been used before. Throws as `readDpopProof` does. */
  read(presented: DpopRequest, accessToken?: string): Promise<DpopProof>;
  /**
   * Uses up a proof. Call it after the sender has shown the credential that the proof belongs to, so that strangers
   * cannot fill the memory.
   * @throws LatchkeyError `invalid_dpop_proof` for one that has been used, `server_busy` if no more can be remembered.
   */
  use(proof: DpopProof): void;
}

/**
 * Remembers the proofs of this process for as long as they are valid, and longer if there is room. When there are too
 * many, new ones are refused rather than the earliest forgotten: a proof is never accepted twice, even if the clock is
 * set meanwhile. Of spans that have been forgotten it is remembered which they are, and all their proofs are refused
 * should the clock come to them again.
 */
export function createDpopProofs({
  clock,
  isNonce,
  limits = { ofKey: KEY_LIMIT, total: TOTAL_LIMIT },
}: DpopProofsOptions): DpopProofs {
  /** By the span in which they expire, and then by key: a proof is always looked for in one place. */
  const used = new Map<number, Map<string, Set<string>>>();
  const forgotten = createNumberRanges(FORGOTTEN_RANGES);
  let total = 0;
  let lookedThroughIn: number | undefined;

  function forget(span: number): void {
    for (const ids of used.get(span)?.values() ?? []) total -= ids.size;
    used.delete(span);
    forgotten.add(span);
  }

  /** Once in each span of the clock, since every look goes through all spans. */
  function forgetOld(now: number): void {
    const span = Math.floor(now / SPAN_MS);
    if (span === lookedThroughIn) return;
    lookedThroughIn = span;
    for (const old of used.keys()) if (endOf(old) + KEPT_AFTERWARDS_MS <= now) forget(old);
  }

  /** Forgets what is not good now: what has expired, or, where the clock was set back, lies too far ahead. */
  function makeRoom(now: number): void {
    for (const span of [...used.keys()].sort((one, other) => one - other)) {
      if (total < limits.total) return;
      if (endOf(span) <= now || span * SPAN_MS > now + 2 * DPOP_PROOF_SECONDS * 1000) forget(span);
    }
  }

  function rememberedOf(jkt: string, now: number): number {
    let count = 0;
    for (const [span, byKey] of used) if (endOf(span) > now) count += byKey.get(jkt)?.size ?? 0;
    return count;
  }

  return {
    read: (presented, accessToken) => readDpopProof(presented, { now: clock.now(), accessToken, isNonce }),

    use({ jkt, jti, expiresAt }) {
      const now = clock.now();
      forgetOld(now);
      const span = Math.floor(expiresAt / SPAN_MS);
      if (used.get(span)?.get(jkt)?.has(jti)) throw refused("It has been used before.");
      if (total >= limits.total) makeRoom(now);
      if (forgotten.has(span)) throw refused("It may have been used before. Send a new one.");
      if (total >= limits.total || rememberedOf(jkt, now) >= limits.ofKey) throw full();
      const byKey = used.get(span) ?? new Map<string, Set<string>>();
      const ids = byKey.get(jkt) ?? new Set<string>();
      used.set(span, byKey.set(jkt, ids.add(jti)));
      total += 1;
    },
  };
}

function endOf(span: number): number {
  return (span + 1) * SPAN_MS;
}

function full(): LatchkeyError {
  return new LatchkeyError("server_busy", {
    description: "Too many DPoP proofs are in use. Wait for the time in Retry-After, then try again with a new proof.",
    retryAfterSeconds: DPOP_PROOF_SECONDS / 4,
  });
}
