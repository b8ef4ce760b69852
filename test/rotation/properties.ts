import type { RotationDecision, RotationState } from "../../src/records/rotation.ts";
import {
  bearer,
  type Database,
  goneBearer,
  newestIssued,
  present,
  type Refresh,
  reauthenticate,
  rowKey,
  type Server,
} from "./database.ts";
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

/**
 * Property 7: with proof, what has been replaced for good gets the newest pending generation, and nothing is written; all else is
 * as without. With `staleWithProof: "revoke"` a proof changes nothing.
 */
export function provedIsNoThief<S extends WorldState>(server: Server): Property<S> {
  const proved = { ...bearer, hasProved: true };
  const revoking: Server = { ...server, policy: { ...server.policy, staleWithProof: "revoke" } };
  return everywhere(
    "7: a proved holder is no thief",
    (database) => {
      for (const refresh of probes(server, database)) {
        const { before, presented, now, decision } = refresh;
        const caughtUp = { kind: "caught_up", issue: newestIssued(before) } as const;
        const answered = present(server, before, presented, now, proved).decision;
        const revoked = present(revoking, before, presented, now, proved).decision;
        const isRight = isSame(answered, decision.kind === "reuse" ? caughtUp : decision) && isSame(revoked, decision);
        if (isRight) continue;
        return `${describe(refresh)} with proof is ${answered.kind}, and ${revoked.kind} where that is to revoke`;
      }
      return undefined;
    },
    "the confirmed generation",
  );
}

/**
 * Property 8: of a client that has gone, what would be reuse is forgiven where the process stood still; and where it is three
 * generations behind at most, a minute after the last rotation at most, in an incident that began a minute ago at most, or more than
 * an hour after the one before. Only the first of an incident is written. All else is as though the client waited.
 */
export function forgivenOnceAnHour<S extends WorldState>(server: Server): Property<S> {
  return everywhere(
    "8: what is forgiven is forgiven once an hour",
    (database) => {
      for (const waiting of probes(server, database, [-60.001, -60, 60, 60.001])) {
        for (const ago of [undefined, 0, 60, 60.001, 3600, 3600.001, -60, -60.001, -3601]) {
          for (const hasWaited of [false, true]) {
            const problem = goneProblem(server, waiting, ago, hasWaited);
            if (problem !== undefined) return `${describe(waiting)} by a client that has gone ${problem}`;
          }
        }
      }
      return undefined;
    },
    "the confirmed generation",
  );
}

/** What is wrong with the decision about a client that has gone, the last incident having begun `ago` ticks ago. */
function goneProblem(
  server: Server,
  waiting: Refresh,
  ago: number | undefined,
  hasWaited: boolean,
): string | undefined {
  const { presented, now } = waiting;
  const before = forgivenBefore(waiting.before, ago === undefined ? undefined : now - ago);
  const refresh = present(server, before, presented, now, { ...goneBearer, hasWaited });
  if (waiting.decision.kind !== "reuse") {
    return refresh.decision.kind === waiting.decision.kind ? undefined : `is ${refresh.decision.kind}`;
  }
  const isFirst = ago === undefined || ago > 3600;
  const isForgiven = hasWaited || isForgivenToBadNetwork(server, waiting, ago);
  return forgivingProblem(refresh, isForgiven ? "forgiven" : "reuse", isFirst && !hasWaited);
}

function isForgivenToBadNetwork({ policy }: Server, { before, presented, now }: Refresh, ago: number | undefined) {
  if (policy.rotationGraceSeconds === 0) return false;
  if (newestIssued(before) - presented > 3 || Math.abs(now - before.ledger.issuedAt) > 60) return false;
  return ago === undefined || ago > 3600 || Math.abs(ago) <= 60;
}

function forgivenBefore({ row, ledger, revoked }: Database, forgivenAt: number | undefined): Database {
  if (forgivenAt === undefined) return { row: { ...row, reuseForgivenAt: null }, ledger, revoked };
  const reuseForgivenAt = Math.round(forgivenAt * 1000);
  return { row: { ...row, reuseForgivenAt }, ledger: { ...ledger, forgivenAt }, revoked };
}

function forgivingProblem(
  { before, decision, now }: Refresh,
  expected: string,
  isWritten: boolean,
): string | undefined {
  if (decision.kind !== expected) return `is ${decision.kind}, not ${expected}`;
  if (decision.kind !== "forgiven") return undefined;
  const next = isWritten ? { ...before.row, reuseForgivenAt: Math.round(now * 1000) } : undefined;
  return isSameRow(decision.next, next) ? undefined : `writes ${JSON.stringify(decision.next)}`;
}

function isSame(one: RotationDecision, other: RotationDecision): boolean {
  if (one.kind !== other.kind) return false;
  const [oneIssue, otherIssue] = [one, other].map((decision) => ("issue" in decision ? decision.issue : undefined));
  const [oneNext, otherNext] = [one, other].map((decision) => ("next" in decision ? decision.next : undefined));
  return oneIssue === otherIssue && isSameRow(oneNext, otherNext);
}

function isSameRow(one: RotationState | undefined, other: RotationState | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.confirmed === other.confirmed &&
    one.pendingFrom === other.pendingFrom &&
    one.pendingTo === other.pendingTo &&
    one.rotatedAt === other.rotatedAt &&
    one.reuseForgivenAt === other.reuseForgivenAt
  );
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

/**
 * Holds a check against every live state, once for all that have the same row. Where the check compares decisions with each other, rows
 * that differ by where they begin to count are the same.
 */
function everywhere<S extends WorldState>(
  name: string,
  check: (database: Database) => string | undefined,
  countsFrom: "zero" | "the confirmed generation" = "zero",
): Property<S> {
  const passed = new Set<string>();
  return {
    name,
    violation: ({ database }) => {
      const { base } = database.ledger;
      const row = countsFrom === "zero" ? rowKey(database, 0) : `${Math.min(base, 4)} ${rowKey(database, base)}`;
      const key = `${row} ${database.row.rotatedAt - database.ledger.issuedAt * 1000} ${database.row.reuseForgivenAt === null}`;
      if (database.revoked || passed.has(key)) return undefined;
      const problem = check(database);
      if (problem === undefined) passed.add(key);
      return problem;
    },
  };
}

/** Every generation that can make a difference, at every reading of the clock that can. */
function probes(server: Server, database: Database, further: readonly number[] = []): Refresh[] {
  const { base, issuedAt } = database.ledger;
  const oldest = Math.max(0, base - 3);
  const generations = Array.from({ length: newestIssued(database) + 4 - oldest }, (_, index) => oldest + index);
  return [...new Set([0, 1, ...generations])].flatMap((generation) =>
    [...readingsAround(server), ...further].map((reading) => present(server, database, generation, issuedAt + reading)),
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
  if (!("issue" in decision)) return undefined;
  if (!("next" in decision)) {
    return decision.issue === newestIssued(before)
      ? undefined
      : `gets ${decision.issue}, which is not the twin's successor`;
  }
  if (decision.issue <= Math.max(presented, newestIssued(before))) return `gets ${decision.issue}, which is not new`;
  if ((decision.kind as string) === "repeat") return "writes, though it is a twin";
  const row = Object.keys(decision.next).sort().join();
  if (row !== "confirmed,pendingFrom,pendingTo,reuseForgivenAt,rotatedAt") return `writes another row: ${row}`;
  const isKept = decision.next.reuseForgivenAt === before.row.reuseForgivenAt;
  return isKept ? undefined : "forgets when a replay was forgiven";
}

function twinProblem(server: Server, { decision, after, presented, now }: Refresh): string | undefined {
  const grace = server.policy.rotationGraceSeconds;
  if (grace === 0 || !("next" in decision) || decision.kind === "forgiven") return undefined;
  for (const delay of [0, grace, -grace]) {
    const twin = present(server, after, presented, now + delay).decision;
    const isAlike = "issue" in twin && twin.issue === decision.issue && !("next" in twin);
    if (!isAlike) return `gets ${decision.issue}, but its twin ${delay} s later gets ${JSON.stringify(twin)}`;
  }
  return undefined;
}

function describe({ before, presented, now }: Refresh): string {
  return `presenting ${presented} to ${rowKey(before, 0)}, ${now - before.ledger.issuedAt} s after the last issue,`;
}
