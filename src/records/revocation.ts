import type { RevocationReason } from "./session.ts";

/** When a session was ended before its time, and why. */
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
  /** Grows with every entry; a reader goes on from the last one it saw. */
  readonly sequence: number;
  /** The session; or, of a client that was disabled, the `grantId` that its own access tokens begin their `jti` with. */
  readonly sessionId: string;
  readonly at: number;
}
