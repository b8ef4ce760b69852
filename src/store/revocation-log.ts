import type { RevocationEntry } from "../records/revocation.ts";

/** The log of what has been revoked, which every process and every verifier follows. */
export interface RevocationLog {
  /**
   * The log of revocations after entry `afterSequence`, oldest first, `limit` at most. Every act that revokes a session, or
   * disables a client, appends to it in the same act. An entry is seen only once all with smaller numbers can be, so a reader
   * that goes on from the last one it saw misses none. Entries revoked before `since` may be left out.
   */
  listRevocations(afterSequence: number, since: number, limit: number): Promise<readonly RevocationEntry[]>;

  /** Whether it notices what another process appends. Where not, `onRevocation` never calls: readers look by themselves. */
  readonly notifiesRevocations: boolean;

  /**
   * Calls `listener` soon after any process has appended to the log, and returns the way out. It only says that it is worth
   * looking, and may do so too often, late or, where a connection is lost, not at all: readers look by themselves as well.
   */
  onRevocation(listener: () => void): () => void;
}
