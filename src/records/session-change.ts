import type { Revocation } from "./revocation.ts";
import type { RotationState } from "./rotation.ts";
import type { Session, SessionUse } from "./session.ts";

/**
 * A rotation, with where it came from (`use`) and with a new `authTime` after a reauthentication; or a revocation.
 * Omitted fields stay unchanged.
 */
export type SessionChange =
  | { readonly rotation: RotationState; readonly authTime?: number; readonly use?: SessionUse }
  | { readonly revocation: Revocation };

/** The session after the change. */
export function changedSession(session: Session, change: SessionChange): Session {
  if ("revocation" in change) {
    return { ...session, revokedAt: change.revocation.at, revokedFor: change.revocation.reason };
  }
  const { rotation, authTime = session.authTime, use } = change;
  return { ...session, ...use, rotation, authTime };
}
