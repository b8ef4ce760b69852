/** Where a session's rotation stands: three integers and a time, all of it in the session's one row. */
export interface RotationState {
  /** The newest generation that a client has presented; 0 after sign-in. */
  readonly confirmed: number;
  /** The oldest generation issued on top of `confirmed` that nobody has presented yet. */
  readonly pendingFrom: number;
  /** The newest such generation. */
  readonly pendingTo: number;
  /** When a generation was last issued, in milliseconds since the Unix epoch. */
  readonly rotatedAt: number;
  /** When a replay by a client that had gone was last forgiven, or `null`. */
  readonly reuseForgivenAt: number | null;
}

/** What the operator chooses. */
export interface RotationPolicy {
  /** How long a presented token still gets the same successor; 0 makes any replay of a used token reuse at once. */
  readonly rotationGraceSeconds: number;
}

/** What presenting a generation leads to. `next` is the state to commit; where it is absent, nothing is written. */
export type RotationDecision =
  | { readonly kind: "advance" | "sibling" | "rolled_back"; readonly issue: number; readonly next: RotationState }
  | { readonly kind: "repeat"; readonly issue: number }
  | { readonly kind: "reuse" };

/** The largest generation that a refresh token can carry: an unsigned 32-bit integer. */
export const MAX_GENERATION = 0xffff_ffff;

/** The state after sign-in: generation 1 is issued and nobody has presented it yet. */
export function initialRotation(now: number): RotationState {
  return { confirmed: 0, pendingFrom: 1, pendingTo: 1, rotatedAt: now, reuseForgivenAt: null };
}

/**
 * Decides what presenting generation `presented` of a live session leads to. The token's MAC has been checked before.
 * Pure, and the only place where anything about generations is decided.
 *
 * - A pending generation: the successor arrived, so it is confirmed and the next one issued.
 * - The confirmed generation within the grace window, a racing twin or a quick retry: the newest pending one again.
 * - The confirmed generation later: the response was lost, or someone holds a copy. A sibling is issued; whichever
 *   sibling is used first confirms itself and ends the others, so two holders cannot both go on.
 * - A generation not issued yet: authentic, so the database has lost acknowledged writes. It is believed.
 * - Anything else has been replaced for good: two holders have each used their own branch.
 */
export function decideRotation(
  state: RotationState,
  presented: number,
  now: number,
  policy: RotationPolicy,
): RotationDecision {
  const { confirmed, pendingFrom, pendingTo, rotatedAt } = state;

  if (presented >= pendingFrom && presented <= pendingTo) {
    return { kind: "advance", issue: pendingTo + 1, next: onTopOf(state, presented, pendingTo + 1, now) };
  }
  if (presented === confirmed) {
    const graceMs = policy.rotationGraceSeconds * 1000;
    if (graceMs === 0) return { kind: "reuse" };
    // A clock that stepped back further than the window must not stretch it, so the distance counts, not the sign.
    if (Math.abs(now - rotatedAt) <= graceMs) return { kind: "repeat", issue: pendingTo };
    return { kind: "sibling", issue: pendingTo + 1, next: { ...state, pendingTo: pendingTo + 1, rotatedAt: now } };
  }
  if (presented > pendingTo) {
    return { kind: "rolled_back", issue: presented + 1, next: onTopOf(state, presented, presented + 1, now) };
  }
  return { kind: "reuse" };
}

/**
 * The generation to hand to whoever proves again who they are, with an access token of generation `held` and without
 * presenting a refresh token: that very one, so that the refresh token they hold stays theirs and nothing under way is
 * overtaken. It changes nothing. `undefined` where it has been replaced for good: they hold an old access token, or
 * somebody else has gone on, and which of the two is for their next refresh to show.
 */
export function generationToReissue({ confirmed, pendingFrom }: RotationState, held: number): number | undefined {
  return held === confirmed || held >= pendingFrom ? held : undefined;
}

function onTopOf(state: RotationState, confirmed: number, issued: number, now: number): RotationState {
  return { ...state, confirmed, pendingFrom: issued, pendingTo: issued, rotatedAt: now };
}
