import type { RevocationEntry } from "../records/revocation.ts";

/** The log of what has been revoked, which every process and every verifier follows. */
export interface RevocationLog {
  /**
   * At most `limit` entries of the log of revocations after entry `afterSequence`, oldest first. Every act that revokes
   * a session, or disables a client, appends to it in the same act. An entry becomes visible only once all with smaller
   * numbers are, so a reader that continues from the last one it saw misses none. Entries revoked before `since` may be
   * left out.
   */
  listRevocations(afterSequence: number, since: number, limit: number): Promise<readonly RevocationEntry[]>;

  /** Whether it notices what another process appends. If not, `onRevocation` never calls: readers must poll. */
  readonly notifiesRevocations: boolean;

  /**
   * Calls `listener` soon after any process has appended to the log, and returns a function that unsubscribes. A call
   * only means that it is worth reading the log, and may come too often, late or, if a connection is lost, not at all:
   * readers must poll as well.
   */
  onRevocation(listener: () => void): () => void;
}
