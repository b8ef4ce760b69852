/** The state of a session's rotation: three integers and two times, all in the session's one row. */
export interface RotationState {
  /** The newest generation that a client has presented; 0 after sign-in. */
  readonly confirmed: number;
  /** The oldest generation issued on top of `confirmed` that no client has presented yet. */
  readonly pendingFrom: number;
  /** The newest such generation. */
  readonly pendingTo: number;
  /** When a generation was last issued, in milliseconds since the Unix epoch. */
  readonly rotatedAt: number;
  /** When the first replay of an incident by a client that had disconnected was forgiven; `null` if none has been. */
  readonly reuseForgivenAt: number | null;
}

/** The operator's settings. */
export interface RotationPolicy {
  /**
   * How long a presented token still returns the same successor; with 0, any replay of a used token is reuse at once.
   */
  readonly rotationGraceSeconds: number;
  /** What happens when a token that has been replaced for good is presented, and its holder has authenticated. */
  readonly staleWithProof: "answer" | "revoke";
}

/** What is known about a presentation in addition to its generation. */
export interface Presenter {
  /** Whether the same request has a proof by the session's key, or its confidential client has authenticated in it. */
  readonly hasProved: boolean;
  /** Whether the connection had closed before this decision. No byte of a response is sent in that case. */
  readonly hasGone: boolean;
  /**
   * Whether the process was stalled, or the request waited, for more than a second between its arrival and this
   * decision.
   */
  readonly hasWaited: boolean;
}

/**
 * The outcome of presenting a generation. `next` is the state to commit; if it is absent, nothing is written.
 * `forgiven` is not a response: it means that the session continues.
 */
export type RotationDecision =
  | { readonly kind: "advance" | "sibling" | "rolled_back"; readonly issue: number; readonly next: RotationState }
  | { readonly kind: "repeat" | "caught_up"; readonly issue: number }
  | { readonly kind: "forgiven"; readonly next?: RotationState }
  | { readonly kind: "reuse" };

/** The largest generation that a refresh token can carry: an unsigned 32-bit integer. */
export const MAX_GENERATION = 0xffff_ffff;

/** How far behind a replay may be, in generations and in time, to be explained by a bad network. */
const FORGIVEN_GENERATIONS = 3;
const FORGIVEN_WITHIN_MS = 60_000;
/** How long after one incident no second one is accepted. */
const NEXT_INCIDENT_AFTER_MS = 3_600_000;

/** A bearer who waits for the response. */
const BEARER: Presenter = Object.freeze({ hasProved: false, hasGone: false, hasWaited: false });

/** The state after sign-in: generation 1 is issued and no client has presented it yet. */
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
 *   sibling is used first confirms itself and ends the others, so two holders cannot both continue.
 * - A generation not issued yet: authentic, so the database has lost acknowledged writes. It is believed.
 * - Anything else has been replaced for good. With proof it is a second process of the same holder, which gets the
 *   newest pending one. If the client has disconnected and a bad network explains it, it is forgiven. Otherwise two
 *   holders have each used their own branch.
 */
export function decideRotation(
  state: RotationState,
  presented: number,
  now: number,
  policy: RotationPolicy,
  presenter: Presenter = BEARER,
): RotationDecision {
  const { confirmed, pendingFrom, pendingTo, rotatedAt } = state;
  const graceMs = policy.rotationGraceSeconds * 1000;

  if (presented >= pendingFrom && presented <= pendingTo) {
    return { kind: "advance", issue: pendingTo + 1, next: onTopOf(state, presented, pendingTo + 1, now) };
  }
  if (presented === confirmed && graceMs > 0) {
    if (isWithin(graceMs, now, rotatedAt)) return { kind: "repeat", issue: pendingTo };
    return { kind: "sibling", issue: pendingTo + 1, next: { ...state, pendingTo: pendingTo + 1, rotatedAt: now } };
  }
  if (presented > pendingTo) {
    return { kind: "rolled_back", issue: presented + 1, next: onTopOf(state, presented, presented + 1, now) };
  }
  if (presenter.hasProved && policy.staleWithProof === "answer") return { kind: "caught_up", issue: pendingTo };
  return presenter.hasGone ? decideForgiving(state, presented, now, policy, presenter) : { kind: "reuse" };
}

/**
 * Decides about a token that has been replaced for good and whose client has disconnected. A process that was stalled
 * finds requests whose clients have long continued elsewhere. A page that is reloaded on a bad network leaves requests
 * behind, all of one incident; that is believed once an hour, so that a thief cannot probe for ever by disconnecting.
 */
function decideForgiving(
  state: RotationState,
  presented: number,
  now: number,
  policy: RotationPolicy,
  { hasWaited }: Presenter,
): RotationDecision {
  if (hasWaited) return { kind: "forgiven" };
  const { pendingTo, rotatedAt, reuseForgivenAt } = state;
  const isExplained = pendingTo - presented <= FORGIVEN_GENERATIONS && isWithin(FORGIVEN_WITHIN_MS, now, rotatedAt);
  if (policy.rotationGraceSeconds === 0 || !isExplained) return { kind: "reuse" };
  if (reuseForgivenAt === null || now - reuseForgivenAt > NEXT_INCIDENT_AFTER_MS) {
    return { kind: "forgiven", next: { ...state, reuseForgivenAt: now } };
  }
  return isWithin(FORGIVEN_WITHIN_MS, now, reuseForgivenAt) ? { kind: "forgiven" } : { kind: "reuse" };
}

/**
 * The generation to hand to a person who authenticates again, with an access token of generation `held` and without
 * presenting a refresh token: the same generation `held`, so that the refresh token they hold stays valid and no
 * request under way is overtaken. It changes nothing. `undefined` if it has been replaced for good: they hold an old
 * access token, or another holder has continued, and their next refresh shows which of the two it is.
 */
export function generationToReissue({ confirmed, pendingFrom }: RotationState, held: number): number | undefined {
  return held === confirmed || held >= pendingFrom ? held : undefined;
}

function onTopOf(state: RotationState, confirmed: number, issued: number, now: number): RotationState {
  return { ...state, confirmed, pendingFrom: issued, pendingTo: issued, rotatedAt: now };
}

/** A clock that was set back by more than the window must not extend it, so the distance counts, not the sign. */
function isWithin(windowMs: number, now: number, then: number): boolean {
  return Math.abs(now - then) <= windowMs;
}
