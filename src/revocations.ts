import type { Store } from "./store/store.ts";

const PAGE = 1000;

/** The sessions whose access tokens this process refuses, in memory, each for as long as such a token can live. */
export interface Revocations {
  /** Whether the session has been revoked. No input or output. */
  has(sessionId: string): boolean;
  add(sessionIds: readonly string[], at: number): void;
  /** Takes in what other processes have revoked since the last call. */
  poll(): Promise<void>;
  readonly size: number;
}

/**
 * Reads the log of revocations back as far as an access token can live, so that a restart forgets nothing.
 * @param rememberMs how long a revocation matters: the access token's life and the leeway.
 */
export async function loadRevocations(store: Store, now: () => number, rememberMs: number): Promise<Revocations> {
  // In order of insertion, so the oldest stand first and forgetting stops at the first that still matters.
  const revokedAt = new Map<string, number>();
  let lastSequence = 0;

  function forget(): void {
    const horizon = now() - rememberMs;
    for (const [sessionId, at] of revokedAt) {
      if (at >= horizon) return;
      revokedAt.delete(sessionId);
    }
  }

  async function poll(): Promise<void> {
    const since = now() - rememberMs;
    let entries: Awaited<ReturnType<Store["listRevocations"]>>;
    do {
      entries = await store.listRevocations(lastSequence, since, PAGE);
      for (const { sequence, sessionId, at } of entries) {
        revokedAt.set(sessionId, at);
        lastSequence = Math.max(lastSequence, sequence);
      }
    } while (entries.length === PAGE);
    forget();
  }

  await poll();
  return {
    has: (sessionId) => revokedAt.has(sessionId),
    add(sessionIds, at) {
      for (const sessionId of sessionIds) revokedAt.set(sessionId, at);
    },
    poll,
    get size() {
      return revokedAt.size;
    },
  };
}
