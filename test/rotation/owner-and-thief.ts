import {
  describeRefresh,
  describeRow,
  goneBearer,
  newestIssued,
  present,
  reauthenticate,
  type Server,
  signIn,
} from "./database.ts";
import { ageOfForgiving, nextHalfMinute } from "./half-minutes.ts";
import { age, behind, ranks, rowByRank, rowGenerations } from "./normal-form.ts";
import type { Step, World, WorldState } from "./walk.ts";

/** Somebody who refreshes with what they hold, one attempt at a time. */
export interface Holder {
  readonly held: number;
  /** The answer that is still on its way to them. */
  readonly underway: number | undefined;
  /** When the server last answered them, in ticks. */
  readonly answeredAt: number;
  /** How many different tokens they have presented since the last theft, up to {@link COUNTED}. A retry does not count. */
  readonly used: number;
  /** Whether the held one is among them. */
  readonly usedHeld: boolean;
}

/** The owner (the first of the holders) and, after a theft, the thieves. */
export interface TheftState extends WorldState {
  readonly now: number;
  readonly holders: readonly Holder[];
}

export interface TheftOptions {
  readonly thieves: number;
  /** Whether the holders' refreshes fall more than a grace window apart, or a thief may choose their moment freely. */
  readonly refreshes: "more than a grace window apart" | "at any time";
  /** Whether the owner may also reauthenticate. Nothing of what they have used is forgotten at that. */
  readonly reauthenticates?: boolean;
  /**
   * Whether everybody may also present a token and close the connection before it is decided. A tick of the walk is then half a minute,
   * which is longer than the grace window, and times at which nothing changes are passed over.
   */
  readonly hangUp?: boolean;
}

type TheftStep = Step<TheftState>;

/** Up to here the tokens that a holder uses are counted: one more than any property asks for. */
export const COUNTED = 4;

const names = ["the owner", "the thief", "the second thief"];

/**
 * The world of property 3. The thieves copy what the owner holds, or the answer on its way to them, at any moment and as
 * often as they like; each theft starts the count anew. Answers are late or lost for everybody. Time goes forward, and
 * nothing is restored.
 */
export function ownerAndThief(server: Server, options: TheftOptions): World<TheftState> {
  const grace = server.policy.rotationGraceSeconds;
  const { hangUp = false } = options;

  const isTooClose = (state: TheftState, self: number) =>
    options.refreshes === "more than a grace window apart" &&
    state.holders.some((holder, index) => index !== self && state.now - holder.answeredAt <= grace);

  function* refreshes(state: TheftState, self: number): Iterable<TheftStep> {
    const { database, now } = state;
    const holder = state.holders[self]!;
    if (isTooClose(state, self)) return;
    const refresh = present(server, database, holder.held, now);
    const answered: Holder = {
      held: holder.held,
      underway: "issue" in refresh.decision ? refresh.decision.issue : undefined,
      answeredAt: now,
      used: holder.usedHeld ? holder.used : Math.min(holder.used + 1, COUNTED),
      usedHeld: true,
    };
    const leadsTo = { database: refresh.after, now, holders: state.holders.with(self, answered) };
    yield { says: () => `at ${now} ${names[self]} ${describeRefresh(refresh)}`, leadsTo, refresh };
  }

  /** No answer comes, and nothing is counted: what would be answered changes nothing, and the rest is forgiven or reuse. */
  function* hangUps(state: TheftState, self: number): Iterable<TheftStep> {
    const { database, now, holders } = state;
    if (!hangUp || isTooClose(state, self)) return;
    const refresh = present(server, database, holders[self]!.held, now, goneBearer);
    if ("issue" in refresh.decision) return;
    const says = () => `at ${now} ${names[self]} ${describeRefresh(refresh)}, having hung up`;
    yield { says, leadsTo: { database: refresh.after, now, holders }, refresh };
  }

  function* deliveries(state: TheftState, self: number): Iterable<TheftStep> {
    const holder = state.holders[self]!;
    const { underway: held } = holder;
    if (held === undefined) return;
    const served = { ...holder, held, underway: undefined, usedHeld: held === holder.held && holder.usedHeld };
    const leadsTo = { ...state, holders: state.holders.with(self, served) };
    yield { says: () => `at ${state.now} the answer reaches ${names[self]}, who holds ${held}`, leadsTo };
  }

  function* reauthentications({ database, now, holders }: TheftState): Iterable<TheftStep> {
    if (!options.reauthenticates) return;
    const owner = holders[0]!;
    const { issue, after } = reauthenticate(server, database, owner.held, now);
    if (issue === undefined) return;
    const says = () =>
      `at ${now} the owner reauthenticates, holding ${owner.held}: ${issue} is handed out (${describeRow(after)})`;
    yield { says, leadsTo: { database: after, now, holders: holders.with(0, { ...owner, underway: issue }) } };
  }

  function* thefts(state: TheftState): Iterable<TheftStep> {
    const robbed = state.holders[0]!;
    for (const held of new Set([robbed.held, robbed.underway ?? robbed.held])) {
      const answeredAt = state.now - grace - 1;
      const thief = { held, underway: undefined, answeredAt, used: 0, usedHeld: false };
      const holders = from(held, [robbed, ...Array<Holder>(options.thieves).fill(thief)]);
      yield { says: () => `at ${state.now} generation ${held} is stolen`, leadsTo: { ...state, holders } };
    }
  }

  function* ticks(state: TheftState): Iterable<TheftStep> {
    yield { leadsTo: { ...state, now: hangUp ? nextHalfMinute(state) : state.now + 1 } };
  }

  function steps(state: TheftState): TheftStep[] {
    if (state.database.revoked) return [];
    const acts = state.holders.flatMap((_, self) => [
      ...refreshes(state, self),
      ...hangUps(state, self),
      ...deliveries(state, self),
    ]);
    return [...acts, ...reauthentications(state), ...thefts(state), ...ticks(state)];
  }

  function key({ database, now, holders }: TheftState): string {
    const rank = ranks([
      ...rowGenerations(database),
      ...holders.flatMap(({ held, underway }) => [held, underway ?? held]),
    ]);
    const [owner, ...thieves] = holders.map(({ held, underway, answeredAt, used, usedHeld }) =>
      [
        rank(held),
        ...(hangUp ? [held, underway ?? held].map((generation) => behind(database, generation)) : []),
        underway === undefined ? "-" : rank(underway),
        age(answeredAt, now, grace + 1),
        used,
        usedHeld,
      ].join(),
    );
    const row = `${rowByRank(database, rank)}@${age(database.row.rotatedAt / 1000, now, hangUp ? 90 : grace + 1)}`;
    const forgiven = hangUp ? ageOfForgiving(database, now) : "";
    return [database.revoked, row, forgiven, owner, ...thieves.sort()].join(" ");
  }

  const database = signIn(server, 0);
  const owner: Holder = {
    held: newestIssued(database),
    underway: undefined,
    answeredAt: 0,
    used: 0,
    usedHeld: false,
  };
  return { name: name(server, options), start: { database, now: 0, holders: [owner] }, steps, key };
}

/** Begins the count at a token that the holders have in common. What they hold that is older does not count. */
function from(common: number, holders: readonly Holder[]): Holder[] {
  return holders.map((holder) => ({ ...holder, used: 0, usedHeld: holder.held !== common }));
}

function name(server: Server, { thieves, refreshes, reauthenticates, hangUp }: TheftOptions): string {
  return [
    thieves === 1 ? "owner and thief" : `owner and ${thieves} thieves`,
    ...(reauthenticates ? ["the owner also reauthenticating"] : []),
    ...(hangUp ? ["everybody also hanging up"] : []),
    `refreshes ${refreshes}`,
    `grace ${server.policy.rotationGraceSeconds}`,
  ].join(", ");
}
