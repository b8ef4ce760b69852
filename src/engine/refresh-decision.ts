import { grantedScope } from "../access-token/scope.ts";
import type { ErrorCode } from "../errors.ts";
import {
  decideRotation,
  MAX_GENERATION,
  type Presenter,
  type RotationDecision,
  type RotationPolicy,
  type RotationState,
} from "../records/rotation.ts";
import { type Session, type SessionLimits, sessionStatus, usedBeforeRotation } from "../records/session.ts";
import type { SessionChange } from "../records/session-change.ts";
import type { PresentedRefreshToken } from "../secrets/refresh-token.ts";
import type { FoundSession } from "../store/session-store.ts";

/** A refresh token, who presents it, and what is requested with it. */
export interface RefreshRequest {
  readonly token: PresentedRefreshToken;
  /** The client that presents it, as authenticated. */
  readonly clientId: string;
  /** Thumbprint of the key that the request has proved (RFC 9449); `undefined` if it has proved none. */
  readonly jkt: string | undefined;
  /** A part of the session's scope, for the next access token alone (RFC 6749 section 6). Default: all of it. */
  readonly scope?: string | undefined;
  /** Whether the session's client is confidential and has authenticated in the same request. Default: false. */
  readonly isClientAuthenticated?: boolean;
  /** Where it comes from. Default: unknown. */
  readonly from?: RefreshOrigin;
  /** Whether its connection has closed, so that no one sees the response. Default: never. */
  readonly hasGone?: (() => boolean) | undefined;
  /** Whether it has waited for more than a second, before it was read or since. Default: never. */
  readonly hasWaited?: (() => boolean) | undefined;
  /**
   * Whether it may still turn out that the connection has closed, which is noticed a little later than the data that
   * came over it. What would be reuse then changes nothing and must be decided again. Default: false.
   */
  readonly mayHaveGone?: boolean;
}

/** Where a refresh comes from; `null` if that is not known. */
export interface RefreshOrigin {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** A decision that hands out a generation. */
type IssuingDecision = Extract<RotationDecision, { readonly issue: number }>;

/** The outcome of presenting one refresh token. */
export type RefreshOutcome =
  | {
      readonly kind: "issued";
      /** With the scope for the access token. */
      readonly session: Session;
      readonly roles: readonly string[];
      readonly generation: number;
      readonly decision: IssuingDecision["kind"];
      /** The newest generation that the database knew before. */
      readonly known: number;
      /** Where the previous rotation came from. */
      readonly before: RefreshOrigin;
    }
  | { readonly kind: "reused"; readonly session: Session; readonly confirmed: number }
  | { readonly kind: "subject_gone"; readonly session: Session }
  /** Its client has disconnected. It would have been answered, and nothing was changed. */
  | { readonly kind: "abandoned" }
  /** Its client has disconnected, and what would be reuse is forgiven. */
  | { readonly kind: "forgiven"; readonly session: Session; readonly hasWaited: boolean }
  /** It is reuse, unless its client has disconnected. Nothing was changed. */
  | { readonly kind: "perhaps_reused" }
  | { readonly kind: "refused"; readonly code: ErrorCode };

/** The settings that decide a refresh. */
export interface RefreshPolicy extends RotationPolicy, SessionLimits {
  /** Whether a session's subject must be an enabled user of this store. */
  readonly subjectsAreUsers: boolean;
}

/**
 * Decides, in the order given, what the requests do to one session: racing twins are decided on one record, and at most
 * one change is written for all of them. Pure.
 */
export function decideRefreshes(
  found: FoundSession | null,
  requests: readonly RefreshRequest[],
  now: number,
  policy: RefreshPolicy,
): { readonly outcomes: readonly RefreshOutcome[]; readonly change: SessionChange | null } {
  if (found === null) return { outcomes: requests.map(() => refused("invalid_refresh_token")), change: null };
  let session = found.session;
  const outcomes = requests.map((request) => {
    const decided = decideOne(request, { session, user: found.user }, now, policy);
    session = decided.session;
    return decided.outcome;
  });
  return { outcomes, change: changeFrom(found.session, session) };
}

/** What one request leads to, and the session after it. */
interface DecidedRefresh {
  readonly outcome: RefreshOutcome;
  readonly session: Session;
}

function decideOne(
  request: RefreshRequest,
  { session, user }: FoundSession,
  now: number,
  policy: RefreshPolicy,
): DecidedRefresh {
  const refusal = refusalOf(request, session, now, policy);
  if (refusal !== undefined) return { outcome: refused(refusal), session };
  if (policy.subjectsAreUsers && (user === null || user.disabledAt !== null)) {
    const revoked: Session = { ...session, revokedAt: now, revokedFor: "user_disabled" };
    return { outcome: { kind: "subject_gone", session: revoked }, session: revoked };
  }
  const presenter = presenterOf(request, session);
  const decision = decideRotation(session.rotation, request.token.generation, now, policy, presenter);
  if ("issue" in decision) {
    if (presenter.hasGone) return { outcome: { kind: "abandoned" }, session };
    return issued(request, { session, user }, decision);
  }
  if (decision.kind === "forgiven") {
    const { next } = decision;
    const forgiven = next === undefined ? session : { ...session, rotation: next };
    return { outcome: { kind: "forgiven", session: forgiven, hasWaited: presenter.hasWaited }, session: forgiven };
  }
  if (request.mayHaveGone === true && !presenter.hasGone) return { outcome: { kind: "perhaps_reused" }, session };
  const { confirmed } = session.rotation;
  const revoked: Session = { ...session, revokedAt: now, revokedFor: "refresh_token_reused" };
  return { outcome: { kind: "reused", session: revoked, confirmed }, session: revoked };
}

function issued(
  { scope, from }: RefreshRequest,
  { session: before, user }: FoundSession,
  decision: IssuingDecision,
): DecidedRefresh {
  const session = "next" in decision ? rotated(before, decision.next, from) : before;
  const outcome: RefreshOutcome = {
    kind: "issued",
    session: scope === undefined ? session : { ...session, scope: grantedScope(scope, session.scope ?? "")! },
    roles: user?.roles ?? [],
    generation: decision.issue,
    decision: decision.kind,
    known: before.rotation.pendingTo,
    before: { ip: before.lastIp, userAgent: before.lastUserAgent },
  };
  return { outcome, session };
}

/**
 * At this point a session that is bound to a key has a proof by it: without one it has been refused already. A proof
 * for a session that is not bound to a key says nothing about its holder.
 */
function presenterOf({ hasGone, hasWaited, isClientAuthenticated }: RefreshRequest, { jkt }: Session): Presenter {
  return {
    hasProved: jkt !== null || isClientAuthenticated === true,
    hasGone: hasGone?.() === true,
    hasWaited: hasWaited?.() === true,
  };
}

/** The session after a rotation, with where that came from. */
function rotated(session: Session, rotation: RotationState, from: RefreshOrigin | undefined): Session {
  return {
    ...session,
    rotation,
    usedBefore: usedBeforeRotation(session, rotation.rotatedAt),
    lastIp: from?.ip ?? null,
    lastUserAgent: from?.userAgent ?? null,
  };
}

/**
 * Why the request is refused regardless of its generation, if it is: nothing is written, and no client is mistaken for
 * a thief.
 */
function refusalOf(
  { token, clientId, jkt, scope }: RefreshRequest,
  session: Session,
  now: number,
  policy: RefreshPolicy,
): ErrorCode | undefined {
  if (!token.isAuthentic(session.salt)) return "invalid_refresh_token";
  // RFC 6749 section 10.4. Another client learns no more about the session than a stranger.
  if (clientId !== session.clientId) return "invalid_refresh_token";
  // RFC 9449 section 5. A client that has the refresh token but not the key can neither continue nor end the session.
  if (session.jkt !== null && jkt !== session.jkt) return "invalid_dpop_proof";
  const status = sessionStatus(session, now, policy);
  if (status !== "live") return status === "revoked" ? "session_revoked" : "session_expired";
  if (token.generation === MAX_GENERATION) return "session_expired";
  return grantedScope(scope, session.scope ?? "") === undefined ? "invalid_scope" : undefined;
}

/**
 * Whether the request would be answered with a successor now. Decides without presenting the token, so nothing changes.
 * Pure.
 */
export function wouldBeAnswered(
  found: FoundSession,
  request: RefreshRequest,
  now: number,
  policy: RefreshPolicy,
): boolean {
  return decideRefreshes(found, [request], now, policy).outcomes[0]?.kind === "issued";
}

function changeFrom(before: Session, after: Session): SessionChange | null {
  if (after.revokedAt !== before.revokedAt) {
    return { revocation: { at: after.revokedAt!, reason: after.revokedFor! } };
  }
  if (after.rotation === before.rotation) return null;
  const { rotation, usedBefore, lastIp, lastUserAgent } = after;
  return { rotation, use: { usedBefore, lastIp, lastUserAgent } };
}

/** A refusal without further details. */
export function refused(code: ErrorCode): RefreshOutcome {
  return { kind: "refused", code };
}
