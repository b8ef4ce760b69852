import { type Database, describeRefresh, goneBearer, newestIssued, present, type Server, signIn } from "./database.ts";
import { ageOfForgiving, nextHalfMinute } from "./half-minutes.ts";
import { age, behind, ranks, rowByRank, rowGenerations } from "./normal-form.ts";
import type { Step, World, WorldState } from "./walk.ts";

/** One client on a bad network: it gives requests up, closes their connections, and tries again while they are still under way. */
export interface ReloadingState extends WorldState {
  readonly now: number;
  /** The generation that the client keeps. */
  readonly held: number;
  /** The answer that is still on its way to the client. */
  readonly underway: number | undefined;
  /** What the requests present that the client has given up, and that have not reached the server yet. */
  readonly stuck: readonly number[];
  /** When the first of them was given up, in ticks. */
  readonly givenUpAt: number;
}

export interface ReloadingOptions {
  /** The most requests that are stuck at once. */
  readonly stuckLimit: number;
}

type ReloadingStep = Step<ReloadingState>;

/** How long a stuck request may take to reach the server, in ticks, and how far the client may continue meanwhile. */
const STUCK_FOR = 60;
const GENERATIONS = 3;
const HOUR = 3600;

/**
 * The world of those who reload a page on a train. A burst of requests gets stuck, all of them within a minute; the client refreshes
 * and continues, by three generations at most, while they reach the server in any order or never. The next burst gets stuck more than
 * an hour after one was forgiven. A tick of the walk is half a minute.
 */
export function reloading(server: Server, { stuckLimit }: ReloadingOptions): World<ReloadingState> {
  const keepsUp = (database: Database, stuck: readonly number[]) =>
    stuck.every((generation) => newestIssued(database) - generation <= GENERATIONS);

  function* refreshes(state: ReloadingState): Iterable<ReloadingStep> {
    const { database, now, held } = state;
    const refresh = present(server, database, held, now);
    const { after, decision } = refresh;
    if (after.row.pendingTo - after.row.pendingFrom >= GENERATIONS || !keepsUp(after, state.stuck)) return;
    const underway = "issue" in decision ? decision.issue : undefined;
    const says = () => `at ${now} the client ${describeRefresh(refresh)}`;
    yield { says, leadsTo: { ...state, database: after, underway }, refresh };
  }

  function* deliveries(state: ReloadingState): Iterable<ReloadingStep> {
    const { underway: held } = state;
    if (held === undefined) return;
    const says = () => `at ${state.now} the answer arrives, the client holds ${held}`;
    yield { says, leadsTo: { ...state, held, underway: undefined } };
  }

  function* reloads(state: ReloadingState): Iterable<ReloadingStep> {
    const { database, now, held, stuck } = state;
    const isFirst = stuck.length === 0;
    const { forgivenAt } = database.ledger;
    if (isFirst && forgivenAt !== undefined && now - forgivenAt <= HOUR) return;
    if (stuck.length === stuckLimit || !keepsUp(database, [held])) return;
    const givenUpAt = isFirst ? now : state.givenUpAt;
    const says = () => `at ${now} the client sends ${held} and gives the request up, which stays under way`;
    yield { says, leadsTo: { ...state, underway: undefined, stuck: [...stuck, held], givenUpAt } };
  }

  function* arrivals(state: ReloadingState): Iterable<ReloadingStep> {
    const { database, now, stuck } = state;
    for (const [index, generation] of stuck.entries()) {
      if (stuck.indexOf(generation) !== index) continue;
      const rest = { ...state, stuck: stuck.toSpliced(index, 1) };
      yield { says: () => `at ${now} a request that was given up is lost`, leadsTo: rest };
      const refresh = present(server, database, generation, now, goneBearer);
      const says = () => `at ${now} a request that was given up ${describeRefresh(refresh)}`;
      yield { says, leadsTo: { ...rest, database: refresh.after }, refresh };
    }
  }

  function* ticks(state: ReloadingState): Iterable<ReloadingStep> {
    const now = nextHalfMinute(state);
    if (state.stuck.length > 0 && now - state.givenUpAt > STUCK_FOR) return;
    yield { leadsTo: { ...state, now } };
  }

  function key(state: ReloadingState): string {
    const { database, now, held, underway = held, stuck, givenUpAt } = state;
    const rank = ranks([...rowGenerations(database), held, underway, ...stuck]);
    const named = (generation: number) => `${rank(generation)}-${behind(database, generation)}`;
    return [
      database.revoked,
      `${rowByRank(database, rank)}@${age(database.row.rotatedAt / 1000, now, 90)}`,
      ageOfForgiving(database, now),
      named(held),
      state.underway === undefined ? "-" : named(underway),
      stuck.length === 0 ? "-" : `${stuck.map(named).toSorted()}@${now - givenUpAt}`,
    ].join(" ");
  }

  const database = signIn(server, 0);
  return {
    name: `client that reloads, up to ${stuckLimit} requests stuck at once, grace ${server.policy.rotationGraceSeconds}`,
    start: { database, now: 0, held: newestIssued(database), underway: undefined, stuck: [], givenUpAt: 0 },
    steps: (state) =>
      state.database.revoked
        ? []
        : [...refreshes(state), ...deliveries(state), ...reloads(state), ...arrivals(state), ...ticks(state)],
    key,
  };
}
