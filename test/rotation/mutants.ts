import type { RotationDecision, RotationState } from "../../src/rotation.ts";
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
    "1 2 3 4 5 6",
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
  rewriting("row 1 keeps the old time", "4 5", "advance", keepsTheOldTime),
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
  deciding("row 1 takes only the newest sibling", "1 2 4", (state, presented, now, policy) =>
    presented >= state.pendingFrom && presented < state.pendingTo
      ? { kind: "reuse" }
      : decide(state, presented, now, policy),
  ),
  deciding(
    "row 1 does not take the newest sibling where there are several",
    "1 2 4",
    (state, presented, now, policy) =>
      presented === state.pendingTo && presented > state.pendingFrom
        ? { kind: "reuse" }
        : decide(state, presented, now, policy),
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
  answering("row 2 returns the confirmed generation's successor", "1 3 4 5 6", "repeat", (_, { confirmed }) => ({
    kind: "repeat",
    issue: confirmed + 1,
  })),
  answering("row 2 revokes a racing twin", "1 2 4 5", "repeat", () => ({ kind: "reuse" })),
  answering(
    "row 2 writes, and so lets the window slide",
    "4 5",
    "repeat",
    (answer, state, now) => ({ ...answer, next: { ...state, rotatedAt: now } }) as RotationDecision,
  ),
  deciding("row 2 leaves out the window's last moment", "4 5", (state, presented, now, policy) =>
    Math.abs(now - state.rotatedAt) === policy.rotationGraceSeconds * 1000
      ? decide({ ...state, rotatedAt: Number.NEGATIVE_INFINITY }, presented, now, policy)
      : decide(state, presented, now, policy),
  ),
  deciding(
    "row 2 takes a clock that stepped back far for one within the window",
    "4",
    (state, presented, now, policy) => decide(state, presented, Math.max(now, state.rotatedAt), policy),
  ),

  // Row 3: the confirmed generation after the grace window.
  answering("row 3 repeats, as if the window never closed", "3 4", "sibling", (_, { pendingTo }) => ({
    kind: "repeat",
    issue: pendingTo,
  })),
  answering("row 3 revokes", "1 2 4", "sibling", () => ({ kind: "reuse" })),
  rewriting("row 3 drops the older siblings", "1 2 4 6", "sibling", (answer) => ({
    ...answer,
    next: { ...answer.next, pendingFrom: answer.issue },
  })),
  rewriting("row 3 confirms what was pending", "1 2 3 4 5 6", "sibling", (answer, { pendingTo }) => ({
    ...answer,
    next: { ...answer.next, confirmed: pendingTo, pendingFrom: answer.issue },
  })),
  rewriting("row 3 keeps the old time", "4 5", "sibling", keepsTheOldTime),
  rewriting("row 3 issues a sibling and forgets to write it", "3 4 5", "sibling", (answer, state) => ({
    ...answer,
    next: state,
  })),

  // Row 4: a generation that was never issued.
  answering("row 4 takes it for reuse", "1 4", "rolled_back", () => ({ kind: "reuse" })),
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
    "3 4 6",
    (state, presented, now, policy) =>
      decide(state, presented < state.confirmed ? state.confirmed : presented, now, policy),
  ),
  deciding("row 5 takes a dead sibling for a pending one", "3 4", (state, presented, now, policy) =>
    presented > state.confirmed && presented < state.pendingFrom
      ? decide({ ...state, pendingFrom: presented }, presented, now, policy)
      : decide(state, presented, now, policy),
  ),
  deciding("row 5 takes a dead sibling for the confirmed generation", "3 4 6", (state, presented, now, policy) =>
    decide(state, presented < state.pendingFrom ? Math.min(presented, state.confirmed) : presented, now, policy),
  ),

  // Grace 0, sign-in, reauthentication.
  deciding("grace 0 is a window of one moment", "3 4", (state, presented, now, policy) =>
    policy.rotationGraceSeconds === 0 && presented === state.confirmed
      ? decide(state, presented, now, { rotationGraceSeconds: 0.000_1 })
      : decide(state, presented, now, policy),
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
  reissuing("a reauthentication writes the time, and so lets the grace window slide", "4 5 6", (row, held, now) => ({
    issue: held,
    next: { ...row, rotatedAt: now },
  })),
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

/** Replaces the real function's answer where it is of `kind`. */
function answering(
  breaks: string,
  caughtBy: string,
  kind: RotationDecision["kind"],
  answer: (real: RotationDecision, state: RotationState, now: number) => RotationDecision,
): Mutant {
  return deciding(breaks, caughtBy, (state, presented, now, policy) => {
    const real = decide(state, presented, now, policy);
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
  return deciding(breaks, caughtBy, (state, presented, now, policy) => {
    const real = decide(state, presented, now, policy);
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
