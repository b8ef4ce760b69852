import type { User } from "./user.ts";

/** That somebody has just proved who they are, by whatever means. Their session is opened only while it still holds. */
export interface ProofOfPerson {
  /** As they were when the proof was made. */
  readonly user: User;
  /** How they have proved it (RFC 8176). */
  readonly amr: readonly string[];
  /** The version of the user's credentials that the proof was made by. With another one it is void. */
  readonly credentialsVersion: number;
}
