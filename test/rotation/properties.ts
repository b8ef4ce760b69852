import type { RotationDecision } from "../../src/rotation.ts";
import { type Database, newestIssued, present, type Refresh, reauthenticate, rowKey, type Server } from "./database.ts";
import type { TheftState } from "./owner-and-thief.ts";
import type { Property, WorldState } from "./walk.ts";

/** Property 1: in the single holder's world no refresh is ever refused. */
export const holderIsNeverLoggedOut = neverRefused("1: a single holder is never logged out");

/** Property 2: in the cookie jar's world no refresh is ever refused. */
export const jarIsNeverLoggedOut = neverRefused("2: a cookie jar is never logged out");

/** Property 3: no two holders have each presented two different tokens since the theft while the session goes on. */
export const caughtAtTheSecondRefresh = caughtAtRefresh(2, "3: two holders are caught when each has refreshed twice");

/** What property 3 becomes with `rotationGraceSeconds: 0`: the first token that two holders present catches them. */
export const caughtAtTheFirstRefresh = caughtAtRefresh(1, "3: under strict rotation two holders are caught at once");

/** The negation of a residual risk: violated where a thief keeps up with the owner through `refreshes` refreshes. */
export function nobodyShadowsFor(refreshes: number): Property<TheftState> {
  return caughtAtRefresh(refreshes, `nobody shadows the owner through ${refreshes} refreshes`);
}

/**
 * Property 4: in every state each generation means what the answers given so far make it mean. What was issued on top of
 * the generation accepted last is good, and so is that generation; what has not been issued is believed; all else is reuse.
 */
export function onlyCurrentGenerations<S extends WorldState>(server: Server): Property<S> {
  return everywhere(
    "4: the confirmed generation and the pending ones are acceptable, all else is reuse",
    (database) => {
      for (const refresh of probes(server, database)) {
        const expected = meaning(server, refresh);
        if (refresh.decision.kind === expected) continue;
        return `${describe(refresh)} is ${refresh.decision.kind}, where the answers so far make it ${expected}`;
      }
      return undefined;
    },
  );
}

/**
 * Property 5: a refresh that issues something new writes the one row, once, and a twin that follows within the grace
 * window gets the same successor with no write.
 */
export function oneWriteAtMost<S extends WorldState>(server: Server): Property<S> {
  return everywhere("5: a refresh writes one row at most, a twin none", (database) => {
    for (const refresh of probes(server, database)) {
      const problem = writeProblem(refresh) ?? twinProblem(server, refresh);
      if (problem !== undefined) return `${describe(refresh)} ${problem}`;
    }
    return undefined;
  });
}

/**
 * Property 6: whatever generation a client holds, a reauthentication hands out the same again, unless the answers so far
 * have replaced it for good: then it hands out none. It writes nothing.
 */
export function heldIsReissued<S extends WorldState>(server: Server): Property<S> {
  return everywhere("6: a reauthentication hands out the held generation while it is good", (database) => {
    for (const { before, presented: held, now } of probes(server, database)) {
      const { base, issued } = before.ledger;
      const { issue, after } = reauthenticate(server, before, held, now);
      const isGood = held === base || issued.includes(held) || held > newestIssued(before);
      if (issue === (isGood ? held : undefined) && after.row === before.row) continue;
      const outcome = `gets ${issue}, leaving ${rowKey(after, 0)}`;
      return `reauthenticating with ${held}, which is ${isGood ? "good" : "replaced"}, at ${rowKey(before, 0)} ${outcome}`;
    }
    return undefined;
  });
}

function neverRefused<S extends WorldState>(name: string): Property<S> {
  return {
    name,
    violation: (_state, step) =>
      step?.refresh?.decision.kind === "reuse" ? `${step.refresh.presented} is refused as reuse` : undefined,
  };
}

function caughtAtRefresh(refreshes: number, name: string): Property<TheftState> {
  return {
    name,
    violation: ({ database, holders }) => {
      const going = holders.filter(({ used }) => used >= refreshes);
      if (database.revoked || going.length < 2) return undefined;
      return `${going.length} holders have each presented ${refreshes} different tokens since the theft, and the session goes on`;
    },
  };
}

/** Holds a check against every live state, once for all that have the same row. */
function everywhere<S extends WorldState>(
  name: string,
  check: (database: Database) => string | undefined,
): Property<S> {
  const passed = new Set<string>();
  return {
    name,
    violation: ({ database }) => {
      const key = `${rowKey(database, 0)} ${database.row.rotatedAt - database.ledger.issuedAt * 1000}`;
      if (database.revoked || passed.has(key)) return undefined;
      const problem = check(database);
      if (problem === undefined) passed.add(key);
      return problem;
    },
  };
}

/** Every generation that can make a difference, at every reading of the clock that can. */
function probes(server: Server, database: Database): Refresh[] {
  const { base, issuedAt } = database.ledger;
  const oldest = Math.max(0, base - 3);
  const generations = Array.from({ length: newestIssued(database) + 4 - oldest }, (_, index) => oldest + index);
  return [...new Set([0, 1, ...generations])].flatMap((generation) =>
    readingsAround(server).map((reading) => present(server, database, generation, issuedAt + reading)),
  );
}

/** The edges of the grace window and a millisecond past them, on both sides, in ticks. */
function readingsAround({ policy: { rotationGraceSeconds: grace } }: Server): number[] {
  return [-grace - 0.001, -grace, 0, grace, grace + 0.001];
}

function meaning(server: Server, { before, presented, now }: Refresh): RotationDecision["kind"] {
  const { base, issued, issuedAt } = before.ledger;
  if (issued.includes(presented)) return "advance";
  if (presented === base) return meaningOfReplay(server, Math.abs(now - issuedAt));
  return presented > newestIssued(before) ? "rolled_back" : "reuse";
}

function meaningOfReplay({ policy: { rotationGraceSeconds: grace } }: Server, distance: number) {
  if (grace === 0) return "reuse";
  return distance <= grace ? "repeat" : "sibling";
}

function writeProblem({ before, presented, decision }: Refresh): string | undefined {
  if (decision.kind === "reuse") return undefined;
  if (decision.kind === "repeat") {
    if ("next" in decision) return "writes, though it is a twin";
    return decision.issue === newestIssued(before)
      ? undefined
      : `gets ${decision.issue}, which is not the twin's successor`;
  }
  if (decision.issue <= Math.max(presented, newestIssued(before))) return `gets ${decision.issue}, which is not new`;
  const row = Object.keys(decision.next).sort().join();
  return row === "confirmed,pendingFrom,pendingTo,rotatedAt" ? undefined : `writes another row: ${row}`;
}

function twinProblem(server: Server, { decision, after, presented, now }: Refresh): string | undefined {
  const grace = server.policy.rotationGraceSeconds;
  if (grace === 0 || decision.kind === "reuse" || decision.kind === "repeat") return undefined;
  for (const delay of [0, grace, -grace]) {
    const twin = present(server, after, presented, now + delay).decision;
    const isAlike = twin.kind !== "reuse" && twin.issue === decision.issue && !("next" in twin);
    if (!isAlike) return `gets ${decision.issue}, but its twin ${delay} s later gets ${JSON.stringify(twin)}`;
  }
  return undefined;
}

function describe({ before, presented, now }: Refresh): string {
  return `presenting ${presented} to ${rowKey(before, 0)}, ${now - before.ledger.issuedAt} s after the last issue,`;
}
