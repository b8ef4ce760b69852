import type { User } from "./user.ts";

/**
 * Proof that a person has just authenticated, by any method. Their session is opened only while the proof is still
 * valid.
 */
export interface ProofOfPerson {
  /** The user as they were when the proof was made. */
  readonly user: User;
  /** The authentication methods (RFC 8176). */
  readonly amr: readonly string[];
  /**
   * The version of the user's credentials that the proof was made with. If the version has changed, the proof is void.
   */
  readonly credentialsVersion: number;
}
