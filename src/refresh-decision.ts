import type { ErrorCode } from "./errors.ts";
import type { PresentedRefreshToken } from "./refresh-token.ts";
import { decideRotation, MAX_GENERATION, type RotationDecision, type RotationPolicy } from "./rotation.ts";
import { type Session, type SessionLimits, sessionStatus } from "./session.ts";
import type { FoundSession, SessionChange } from "./store/store.ts";

/** What presenting one refresh token came to. */
export type RefreshOutcome =
  | {
      readonly kind: "issued";
      readonly session: Session;
      readonly roles: readonly string[];
      readonly generation: number;
      readonly decision: Exclude<RotationDecision["kind"], "reuse">;
      /** The newest generation that the database knew before. */
      readonly known: number;
    }
  | { readonly kind: "reused"; readonly session: Session; readonly confirmed: number }
  | { readonly kind: "subject_gone"; readonly session: Session }
  | { readonly kind: "refused"; readonly code: ErrorCode };

/** What a refresh is decided by. */
export interface RefreshPolicy extends RotationPolicy, SessionLimits {
  /** Whether a session's subject must be an enabled user of this store. */
  readonly subjectsAreUsers: boolean;
}

/**
 * Decides, in the order given, what becomes of one session when the tokens are presented: racing twins are decided on one
 * record, and at most one change is written for all of them. Pure.
 */
export function decideRefreshes(
  found: FoundSession | null,
  tokens: readonly PresentedRefreshToken[],
  now: number,
  policy: RefreshPolicy,
): { readonly outcomes: readonly RefreshOutcome[]; readonly change: SessionChange | null } {
  if (found === null) return { outcomes: tokens.map(() => refused("invalid_refresh_token")), change: null };
  const { user } = found;
  let session = found.session;

  const outcomes = tokens.map((token): RefreshOutcome => {
    if (!token.isAuthentic(session.salt)) return refused("invalid_refresh_token");
    const status = sessionStatus(session, now, policy);
    if (status !== "live") return refused(status === "revoked" ? "session_revoked" : "session_expired");
    if (token.generation === MAX_GENERATION) return refused("session_expired");
    if (policy.subjectsAreUsers && (user === null || user.disabledAt !== null)) {
      session = { ...session, revokedAt: now, revokedFor: "user_disabled" };
      return { kind: "subject_gone", session };
    }
    const decision = decideRotation(session.rotation, token.generation, now, policy);
    if (decision.kind === "reuse") {
      const { confirmed } = session.rotation;
      session = { ...session, revokedAt: now, revokedFor: "refresh_token_reused" };
      return { kind: "reused", session, confirmed };
    }
    const known = session.rotation.pendingTo;
    if (decision.kind !== "repeat") session = { ...session, rotation: decision.next };
    return {
      kind: "issued",
      session,
      roles: user?.roles ?? [],
      generation: decision.issue,
      decision: decision.kind,
      known,
    };
  });
  return { outcomes, change: changeFrom(found.session, session) };
}

function changeFrom(before: Session, after: Session): SessionChange | null {
  if (after.revokedAt !== before.revokedAt) {
    return { revocation: { at: after.revokedAt!, reason: after.revokedFor! } };
  }
  return after.rotation === before.rotation ? null : { rotation: after.rotation };
}

/** A refusal with nothing more to say. */
export function refused(code: ErrorCode): RefreshOutcome {
  return { kind: "refused", code };
}
