import { DPOP_PROOF_SECONDS, type DpopProof, type DpopRequest, readDpopProof, refused } from "./dpop-proof.ts";
import type { Clock } from "./environment.ts";
import { LatchkeyError } from "./errors.ts";

/** How many proofs of one key are remembered, and of all keys together. */
const KEY_LIMIT = 65_536;
const TOTAL_LIMIT = 262_144;
/** Proofs that expire within the same span are forgotten together. */
const SPAN_MS = 10_000;

/** What {@link createDpopProofs} takes. */
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
   * Uses a proof up. To be asked once whoever sent it has shown the credential that it goes with, so that strangers cannot
   * fill the memory.
   * @throws LatchkeyError `invalid_dpop_proof` for one that has been used, `server_busy` where no more can be remembered.
   */
  use(proof: DpopProof): void;
}

/**
 * Remembers the proofs of this process for as long as they are good. When too many are, those that come are refused rather
 * than the earliest forgotten: a proof is never taken twice.
 */
export function createDpopProofs({
  clock,
  isNonce,
  limits = { ofKey: KEY_LIMIT, total: TOTAL_LIMIT },
}: DpopProofsOptions): DpopProofs {
  /** By the span in which they expire, and then by key: a proof is always looked for in one place. */
  const used = new Map<number, Map<string, Set<string>>>();
  let total = 0;

  function forgetExpired(now: number): void {
    for (const [span, byKey] of used) {
      if ((span + 1) * SPAN_MS > now) continue;
      for (const ids of byKey.values()) total -= ids.size;
      used.delete(span);
    }
  }

  function rememberedOf(jkt: string): number {
    let count = 0;
    for (const byKey of used.values()) count += byKey.get(jkt)?.size ?? 0;
    return count;
  }

  return {
    read: (presented, accessToken) => readDpopProof(presented, { now: clock.now(), accessToken, isNonce }),

    use({ jkt, jti, expiresAt }) {
      forgetExpired(clock.now());
      const span = Math.floor(expiresAt / SPAN_MS);
      const ids = used.get(span)?.get(jkt);
      if (ids?.has(jti)) throw refused("It has been used before.");
      if (total >= limits.total || rememberedOf(jkt) >= limits.ofKey) throw full();
      total += 1;
      if (ids !== undefined) {
        ids.add(jti);
        return;
      }
      const byKey = used.get(span) ?? new Map<string, Set<string>>();
      byKey.set(jkt, new Set([jti]));
      used.set(span, byKey);
    },
  };
}

function full(): LatchkeyError {
  return new LatchkeyError("server_busy", {
    description: "Too many DPoP proofs are in use. Try again as Retry-After says, with a new proof.",
    retryAfterSeconds: DPOP_PROOF_SECONDS / 4,
  });
}
