import type { Presenter, RotationDecision, RotationState } from "../../src/records/rotation.ts";
import { type Protocol, type Rewritten, realProtocol } from "./database.ts";

type Decide = Protocol["decideRotation"];
type Written = Extract<RotationDecision, { readonly next: RotationState }>;

/** A protocol with one rule broken on purpose. */
export interface Mutant {
  readonly breaks: string;
  /** The properties that it violates, each in at least one world. */
  readonly caughtBy: string;
  readonly protocol: Protocol;
}

const decide = realProtocol.decideRotation;

/** One per rule of the table and per way that came to mind of getting it wrong. */
export const mutants: readonly Mutant[] = [
  // Row 1: a pending generation.
  rewriting(
    "row 1 confirms the newest pending generation instead of the presented one",
    "1 2 3 4 5 6 8",
    "advance",
    (answer, { pendingTo }) => ({
      ...answer,
      next: { ...answer.next, confirmed: pendingTo },
    }),
  ),
  rewriting("row 1 leaves the older siblings pending", "3 4 5 6", "advance", (answer, { pendingFrom }) => ({
    ...answer,
    next: { ...answer.next, pendingFrom },
  })),
  rewriting("row 1 leaves the confirmed generation where it was", "1 2 4 5 6", "advance", (answer, { confirmed }) => ({
    ...answer,
    next: { ...answer.next, confirmed },
  })),
  rewriting("row 1 keeps the old time", "1 4 5 8", "advance", keepsTheOldTime),
  rewriting(
    "row 1 issues the presented generation's successor, which may be a sibling's number",
    "3 5",
    "advance",
    (answer, _, presented) => ({
      ...answer,
      issue: presented + 1,
      next: { ...answer.next, pendingFrom: presented + 1, pendingTo: presented + 1 },
    }),
  ),
  deciding("row 1 takes only the newest sibling", "1 2 4 7 8", (state, presented, now, policy, presenter) =>
    presented >= state.pendingFrom && presented < state.pendingTo
      ? { kind: "reuse" }
      : decide(state, presented, now, policy, presenter),
  ),
  deciding(
    "row 1 does not take the newest sibling where there are several",
    "1 2 4 7 8",
    (state, presented, now, policy, presenter) =>
      presented === state.pendingTo && presented > state.pendingFrom
        ? { kind: "reuse" }
        : decide(state, presented, now, policy, presenter),
  ),

  // Row 2: the confirmed generation within the grace window.
  answering("row 2 issues a sibling to a racing twin", "4 5", "repeat", (_, state, now) => ({
    kind: "sibling",
    ...siblingOf(state, now),
  })),
  answering("row 2 returns the oldest pending generation", "1 3 5", "repeat", (_, { pendingFrom }) => ({
    kind: "repeat",
    issue: pendingFrom,
  })),
  answering("row 2 returns the confirmed generation's successor", "1 3 4 5 6 7 8", "repeat", (_, { confirmed }) => ({
    kind: "repeat",
    issue: confirmed + 1,
  })),
  answering("row 2 revokes a racing twin", "1 2 4 5 7 8", "repeat", () => ({ kind: "reuse" })),
  answering(
    "row 2 writes, and so lets the window slide",
    "4 5 8",
    "repeat",
    (answer, state, now) => ({ ...answer, next: { ...state, rotatedAt: now } }) as RotationDecision,
  ),
  deciding("row 2 leaves out the window's last moment", "4 5 8", (state, presented, now, policy, presenter) =>
    Math.abs(now - state.rotatedAt) === policy.rotationGraceSeconds * 1000
      ? decide({ ...state, rotatedAt: Number.NEGATIVE_INFINITY }, presented, now, policy, presenter)
      : decide(state, presented, now, policy, presenter),
  ),
  deciding(
    "row 2 takes a clock that stepped back far for one within the window",
    "4 8",
    (state, presented, now, policy, presenter) =>
      decide(state, presented, Math.max(now, state.rotatedAt), policy, presenter),
  ),

  // Row 3: the confirmed generation after the grace window.
  answering("row 3 repeats, as if the window never closed", "3 4", "sibling", (_, { pendingTo }) => ({
    kind: "repeat",
    issue: pendingTo,
  })),
  answering("row 3 revokes", "1 2 4 7 8", "sibling", () => ({ kind: "reuse" })),
  rewriting("row 3 drops the older siblings", "1 2 4 6", "sibling", (answer) => ({
    ...answer,
    next: { ...answer.next, pendingFrom: answer.issue },
  })),
  rewriting("row 3 confirms what was pending", "1 2 3 4 5 6 8", "sibling", (answer, { pendingTo }) => ({
    ...answer,
    next: { ...answer.next, confirmed: pendingTo, pendingFrom: answer.issue },
  })),
  rewriting("row 3 keeps the old time", "4 5 8", "sibling", keepsTheOldTime),
  rewriting("row 3 issues a sibling and forgets to write it", "3 4 5 7 8", "sibling", (answer, state) => ({
    ...answer,
    next: state,
  })),

  // Row 4: a generation that was never issued.
  answering("row 4 takes it for reuse", "1 4 7 8", "rolled_back", () => ({ kind: "reuse" })),
  rewriting("row 4 issues the next generation of the row", "1 4 5 6", "rolled_back", (answer, { pendingTo }) => ({
    ...answer,
    issue: pendingTo + 1,
    next: { ...answer.next, pendingFrom: pendingTo + 1, pendingTo: pendingTo + 1 },
  })),
  rewriting(
    "row 4 leaves the confirmed generation where it was",
    "1 4 5 6",
    "rolled_back",
    (answer, { confirmed }) => ({
      ...answer,
      next: { ...answer.next, confirmed },
    }),
  ),
  rewriting("row 4 leaves the lost generations pending", "4 5 6", "rolled_back", (answer, { pendingFrom }) => ({
    ...answer,
    next: { ...answer.next, pendingFrom },
  })),
  answering("row 4 goes by unreported", "4", "rolled_back", (answer) => ({ ...(answer as Written), kind: "advance" })),

  // Row 5: everything else.
  deciding(
    "row 5 takes what is older than the confirmed generation for the confirmed one",
    "3 4 6 8",
    (state, presented, now, policy, presenter) =>
      decide(state, presented < state.confirmed ? state.confirmed : presented, now, policy, presenter),
  ),
  deciding("row 5 takes a dead sibling for a pending one", "3 4", (state, presented, now, policy, presenter) =>
    presented > state.confirmed && presented < state.pendingFrom
      ? decide({ ...state, pendingFrom: presented }, presented, now, policy, presenter)
      : decide(state, presented, now, policy, presenter),
  ),
  deciding(
    "row 5 takes a dead sibling for the confirmed generation",
    "3 4 6 8",
    (state, presented, now, policy, presenter) =>
      decide(
        state,
        presented < state.pendingFrom ? Math.min(presented, state.confirmed) : presented,
        now,
        policy,
        presenter,
      ),
  ),

  // Row 5: proof.
  presenting("row 5 takes no notice of a proof", "7", (presenter) => ({ ...presenter, hasProved: false })),
  presenting("row 5 takes every bearer for a holder who has proved", "3 4 7", (presenter) => ({
    ...presenter,
    hasProved: true,
  })),
  answering(
    "row 5 hands out the oldest pending generation to a proved holder",
    "7",
    "caught_up",
    (_, { pendingFrom }) => ({
      kind: "caught_up",
      issue: pendingFrom,
    }),
  ),
  answering("row 5 rotates for a proved holder", "7", "caught_up", (_, state, now) => ({
    kind: "sibling",
    ...siblingOf(state, now),
  })),
  deciding("row 5 answers a proof though it is to revoke", "7", (state, presented, now, policy, presenter) =>
    decide(state, presented, now, { ...policy, staleWithProof: "answer" }, presenter),
  ),
  deciding("row 5 answers no proof under grace 0", "7", (state, presented, now, policy, presenter) =>
    decide(state, presented, now, policy, {
      ...presenter!,
      hasProved: presenter!.hasProved && policy.rotationGraceSeconds > 0,
    }),
  ),

  // Row 6: clients that have gone.
  presenting("row 6 forgives nobody", "1 8", (presenter) => ({ ...presenter, hasGone: false })),
  presenting("row 6 forgives a client that waits for the answer", "3 4 7 8", (presenter) => ({
    ...presenter,
    hasGone: true,
  })),
  presenting("row 6 takes every client that has gone for one that waited", "8", (presenter) => ({
    ...presenter,
    hasWaited: presenter.hasGone,
  })),
  presenting("row 6 does not look whether the process stood still", "8", (presenter) => ({
    ...presenter,
    hasWaited: false,
  })),
  forgiving("row 6 forgives at any time", "8", (state) => ({ ...state, reuseForgivenAt: null })),
  forgiving("row 6 forgives once and never again", "1 8", (state, _, now) =>
    state.reuseForgivenAt === null
      ? state
      : { ...state, reuseForgivenAt: Math.max(state.reuseForgivenAt, now - 90_000) },
  ),
  forgiving("row 6 forgives one request of a burst", "1 8", (state, _, now) =>
    state.reuseForgivenAt === null
      ? state
      : { ...state, reuseForgivenAt: state.reuseForgivenAt - (now > 0 ? 61_000 : 0) },
  ),
  forgiving("row 6 begins an incident an hour after the last to the millisecond", "8", (state, _, now) =>
    state.reuseForgivenAt === now - 3_600_000 ? { ...state, reuseForgivenAt: null } : state,
  ),
  forgiving("row 6 forgives what is four generations behind", "8", (state, presented) =>
    state.pendingTo - presented === 4 ? { ...state, pendingTo: state.pendingTo - 1 } : state,
  ),
  forgiving("row 6 forgives later than a minute after the last rotation", "8", (state, _, now) => ({
    ...state,
    rotatedAt: Math.max(state.rotatedAt, now),
  })),
  forgiving("row 6 takes a clock that stepped back far for one within the minute", "8", (state, _, now) => ({
    ...state,
    rotatedAt: Math.min(state.rotatedAt, now),
  })),
  answering("row 6 forgets to write that it has forgiven", "8", "forgiven", () => ({ kind: "forgiven" })),
  answering("row 6 writes every request of an incident, so that it slides", "8", "forgiven", (_, state, now) => ({
    kind: "forgiven",
    next: { ...state, reuseForgivenAt: now },
  })),
  deciding("row 6 forgives under grace 0", "8", (state, presented, now, policy, presenter) =>
    presenter!.hasGone && policy.rotationGraceSeconds === 0 && presented < state.confirmed
      ? decide(state, presented, now, { ...policy, rotationGraceSeconds: 1 }, presenter)
      : decide(state, presented, now, policy, presenter),
  ),
  rewriting("row 1 forgets when a replay was forgiven", "5", "advance", (answer) => ({
    ...answer,
    next: { ...answer.next, reuseForgivenAt: null },
  })),

  // Grace 0, sign-in, reauthentication.
  deciding("grace 0 is a window of one moment", "3 4", (state, presented, now, policy, presenter) =>
    policy.rotationGraceSeconds === 0 && presented === state.confirmed
      ? decide(state, presented, now, { ...policy, rotationGraceSeconds: 0.000_1 }, presenter)
      : decide(state, presented, now, policy, presenter),
  ),
  {
    breaks: "sign-in confirms the generation that it issues",
    caughtBy: "4 6",
    protocol: {
      ...realProtocol,
      initialRotation: (now) => ({ confirmed: 1, pendingFrom: 1, pendingTo: 1, rotatedAt: now, reuseForgivenAt: null }),
    },
  },
  reissuing("a reauthentication rotates: it issues a sibling", "1 2 3 6", (row, _, now) => siblingOf(row, now)),
  reissuing("a reauthentication ends the siblings before one is used", "1 2 3 4 6", (row, held, now) => {
    const issue = Math.max(row.pendingTo, held) + 1;
    return { issue, next: { ...row, pendingFrom: issue, pendingTo: issue, rotatedAt: now } };
  }),
  reissuing(
    "a reauthentication writes the time, and so lets the grace window slide",
    "4 5 6 7 8",
    (row, held, now) => ({
      issue: held,
      next: { ...row, rotatedAt: now },
    }),
  ),
  reissuing("a reauthentication hands out the newest generation", "1 2 3 6", ({ pendingTo }, held) =>
    Math.max(pendingTo, held),
  ),
  reissuing("a reauthentication hands out the oldest pending generation", "1 3 6", ({ pendingFrom }, held) =>
    Math.max(pendingFrom, held),
  ),
  reissuing("a reauthentication hands out the confirmed generation", "3 6", ({ confirmed }, held) =>
    Math.max(confirmed, held),
  ),
  reissuing("a reauthentication does not look at what the client holds", "1 2 3 6", ({ pendingTo }) => pendingTo),
  reissuing("a reauthentication hands out what is held though it has been replaced", "6", (_, held) => held),
  reissuing(
    "a reauthentication puts whoever was overtaken onto the other's branch",
    "3 6",
    (row, held) => realProtocol.generationToReissue(row, held, 0) ?? row.pendingTo,
  ),
  reissuing(
    "a reauthentication hands out a generation that was not issued",
    "3 6",
    ({ pendingTo }, held) => Math.max(pendingTo, held) + 1,
  ),
];

function reissuing(breaks: string, caughtBy: string, generationToReissue: Protocol["generationToReissue"]): Mutant {
  return { breaks, caughtBy, protocol: { ...realProtocol, generationToReissue } };
}

function deciding(breaks: string, caughtBy: string, decideRotation: Decide): Mutant {
  return { breaks, caughtBy, protocol: { ...realProtocol, decideRotation } };
}

/** Alters what is known of the presenter. */
function presenting(breaks: string, caughtBy: string, alter: (presenter: Presenter) => Presenter): Mutant {
  return deciding(breaks, caughtBy, (state, presented, now, policy, presenter) =>
    decide(state, presented, now, policy, alter(presenter!)),
  );
}

/** Alters the state of which it is decided whether a replay is forgiven, and of nothing else. */
function forgiving(
  breaks: string,
  caughtBy: string,
  alter: (state: RotationState, presented: number, now: number) => RotationState,
): Mutant {
  return deciding(breaks, caughtBy, (state, presented, now, policy, presenter) => {
    const isDead = decide(state, presented, now, policy).kind === "reuse";
    const seen = isDead && presenter!.hasGone ? alter(state, presented, now) : state;
    const decision = decide(seen, presented, now, policy, presenter);
    if (decision.kind !== "forgiven" || decision.next === undefined) return decision;
    return { kind: "forgiven", next: { ...state, reuseForgivenAt: now } };
  });
}

/** Replaces the real function's answer where it is of `kind`. */
function answering(
  breaks: string,
  caughtBy: string,
  kind: RotationDecision["kind"],
  answer: (real: RotationDecision, state: RotationState, now: number) => RotationDecision,
): Mutant {
  return deciding(breaks, caughtBy, (state, presented, now, policy, presenter) => {
    const real = decide(state, presented, now, policy, presenter);
    return real.kind === kind ? answer(real, state, now) : real;
  });
}

/** Alters what the real function would write where it answers with `kind`. */
function rewriting(
  breaks: string,
  caughtBy: string,
  kind: Written["kind"],
  rewrite: (real: Written, state: RotationState, presented: number) => Written,
): Mutant {
  return deciding(breaks, caughtBy, (state, presented, now, policy, presenter) => {
    const real = decide(state, presented, now, policy, presenter);
    return real.kind === kind ? rewrite(real as Written, state, presented) : real;
  });
}

function keepsTheOldTime(real: Written, { rotatedAt }: RotationState): Written {
  return { ...real, next: { ...real.next, rotatedAt } };
}

function siblingOf(state: RotationState, now: number): Rewritten {
  const issue = state.pendingTo + 1;
  return { issue, next: { ...state, pendingTo: issue, rotatedAt: now } };
}
