import type { RevocationReason } from "./session.ts";

/** When and why a session was ended early. */
export interface Revocation {
  readonly at: number;
  readonly reason: RevocationReason;
}

/** A session that an act has just revoked. */
export interface RevokedSession {
  readonly id: string;
  readonly subject: string;
}

/** One entry of the log of revocations. */
export interface RevocationEntry {
  /** Grows with every entry; a reader continues from the last one it saw. */
  readonly sequence: number;
  /**
   * The session; or, for a client that was disabled, its `grantId`, with which the `jti` of its own access tokens
   * begins.
   */
  readonly sessionId: string;
  readonly at: number;
}
