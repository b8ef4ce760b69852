import {
  type Database,
  describeRefresh,
  describeRow,
  newestIssued,
  present,
  reauthenticate,
  rowKey,
  type Server,
  signIn,
} from "./database.ts";
import type { Step, World, WorldState } from "./walk.ts";

/** One client that sends one refresh at a time and abandons an attempt before it tries again. */
export interface SingleHolderState extends WorldState {
  /** The generation that the client keeps. */
  readonly held: number;
  /** The answer that is still on its way to the client, if it has not been lost or abandoned. */
  readonly underway: number | undefined;
  /** What an abandoned request presents that is still on its way to the server. */
  readonly straying: number | undefined;
  /** The states that the database can be brought back to, in the order of their making. */
  readonly backups: readonly Database[];
  readonly restoresLeft: number;
}

export interface SingleHolderOptions {
  /** Whether a restore does away with what was written after the restored state, or leaves it as one more backup. */
  readonly restores: "earlier states of this history" | "any state ever seen";
  readonly restoreLimit?: number;
  /** The most generations that may be pending at once: bounds how many answers in a row are lost. */
  readonly siblingLimit?: number;
  /** Ends the world at a generation. States are then told apart by every number in them, and no backup is forgotten. */
  readonly generationLimit?: number;
  /** Whether the client may also reauthenticate, with the access token of the pair that it holds. */
  readonly reauthenticates?: boolean;
  /** How late a request may reach the server that the client has abandoned. Absent: it is processed at once or never. */
  readonly abandonedRequests?: "arrive before the successor is used" | "arrive at any time";
}

const unbounded = Number.POSITIVE_INFINITY;

type HolderStep = Step<SingleHolderState>;

/**
 * The world of property 1. A request is processed or lost before it arrives; an answer arrives, at any time, or never.
 * The clock is wholly hostile: at each refresh it reads anything, before or after the last rotation.
 */
export function singleHolder(server: Server, options: SingleHolderOptions): World<SingleHolderState> {
  const { siblingLimit = unbounded, restoreLimit = unbounded, generationLimit } = options;
  const forgets = generationLimit === undefined;

  const withinBounds = ({ row: { pendingFrom, pendingTo } }: Database) =>
    pendingTo - pendingFrom < siblingLimit && (forgets || pendingTo <= generationLimit);

  const forgetting = (state: SingleHolderState): SingleHolderState =>
    forgets ? { ...state, backups: withoutAncient(state) } : state;

  const written = (state: SingleHolderState, database: Database): SingleHolderState =>
    database.row === state.database.row ? state : { ...state, database, backups: withBackup(state.backups, database) };

  function* presentations(
    who: string,
    presented: number,
    then: (answer: number) => Partial<SingleHolderState>,
    state: SingleHolderState,
  ): Iterable<HolderStep> {
    for (const reading of clockReadings(server)) {
      const refresh = present(server, state.database, presented, state.database.row.rotatedAt / 1000 + reading);
      const says = () => `${reading} s after the last rotation ${who} ${describeRefresh(refresh)}`;
      if (!("issue" in refresh.decision)) yield { says, leadsTo: { ...state, database: refresh.after }, refresh };
      else if (withinBounds(refresh.after)) {
        const leadsTo = forgetting({ ...written(state, refresh.after), ...then(refresh.decision.issue) });
        yield { says, leadsTo, refresh };
      }
    }
  }

  function* refreshes(state: SingleHolderState): Iterable<HolderStep> {
    const { held, straying } = state;
    const arrivesInTime = options.abandonedRequests === "arrive at any time" || straying === held;
    const left = arrivesInTime ? straying : undefined;
    yield* presentations("the client", held, (underway) => ({ underway, straying: left }), state);
  }

  function* strayings(state: SingleHolderState): Iterable<HolderStep> {
    const { held, straying } = state;
    if (options.abandonedRequests === undefined) return;
    if (straying === undefined) {
      const leadsTo = { ...state, straying: held, underway: undefined };
      yield { says: () => `the client sends ${held} and abandons the request, which stays under way`, leadsTo };
    } else {
      yield* presentations("the abandoned request", straying, () => ({ straying: undefined }), state);
    }
  }

  function* reauthentications(state: SingleHolderState): Iterable<HolderStep> {
    if (!options.reauthenticates) return;
    const { database, held } = state;
    const { issue, after } = reauthenticate(server, database, held, database.row.rotatedAt / 1000);
    if (issue === undefined || !withinBounds(after)) return;
    const says = () => `the client reauthenticates, holding ${held}: ${issue} is handed out (${describeRow(after)})`;
    yield { says, leadsTo: { ...written(state, after), underway: issue } };
  }

  function* deliveries(state: SingleHolderState): Iterable<HolderStep> {
    const { underway: held } = state;
    if (held === undefined) return;
    const leadsTo = forgetting({ ...state, held, underway: undefined });
    yield { says: () => `the answer arrives, the client holds ${held}`, leadsTo };
  }

  function* restorations(state: SingleHolderState): Iterable<HolderStep> {
    const { backups, restoresLeft } = state;
    if (restoresLeft === 0) return;
    for (const [index, database] of backups.entries()) {
      if (rowName(state, database) === rowName(state, state.database)) continue;
      const remaining = options.restores === "any state ever seen" ? backups : backups.slice(0, index + 1);
      const leadsTo = { ...state, database, backups: remaining, restoresLeft: restoresLeft - 1 };
      yield { says: () => `the database is restored to: ${describeRow(database)}`, leadsTo };
    }
  }

  const origin = (state: SingleHolderState) => (forgets ? state.held : 0);

  const rowName = (state: SingleHolderState, database: Database) =>
    forgets && isAncient(database, state) ? "ancient" : rowKey(database, origin(state));

  function key(state: SingleHolderState): string {
    const { database, held, underway = "", straying = "", restoresLeft } = state;
    const relative = (generation: number | "") => (generation === "" ? "-" : generation - origin(state));
    const others = state.backups.map((backup) => rowName(state, backup));
    if (options.restores === "any state ever seen") others.sort();
    const client = [relative(held), relative(underway), relative(straying)].join();
    return [database.revoked, client, restoresLeft, rowName(state, database), ...others].join(" ");
  }

  const database = signIn(server, 0);
  return {
    name: name(options),
    start: {
      database,
      held: newestIssued(database),
      underway: undefined,
      straying: undefined,
      backups: [database],
      restoresLeft: restoreLimit,
    },
    steps: (state) =>
      state.database.revoked
        ? []
        : [
            ...refreshes(state),
            ...strayings(state),
            ...reauthentications(state),
            ...deliveries(state),
            ...restorations(state),
          ],
    key,
  };
}

/** Past the grace window, within it, on its edge; and the same back in time, seen from the last rotation. In ticks. */
function clockReadings({ policy: { rotationGraceSeconds: grace } }: Server): number[] {
  return [...new Set([grace + 1, 0, grace, -grace, -grace - 1])];
}

/**
 * Whether a database had issued nothing as new as what may still be presented. What the client presents never grows
 * older, and a generation that a row has not issued is believed whatever else the row says: so all these rows have the
 * same future.
 */
function isAncient(database: Database, { held, straying = held }: SingleHolderState): boolean {
  return newestIssued(database) < Math.min(held, straying);
}

/** The backups without those that can make no difference: of the ancient ones the newest stands for all. */
function withoutAncient(state: SingleHolderState): readonly Database[] {
  const newestAncient = state.backups.findLastIndex((backup) => isAncient(backup, state));
  return state.backups.filter((backup, index) => index >= newestAncient || !isAncient(backup, state));
}

function withBackup(backups: readonly Database[], added: Database): readonly Database[] {
  const addedKey = rowKey(added, 0);
  return backups.some((backup) => rowKey(backup, 0) === addedKey) ? backups : [...backups, added];
}

function name({
  restores,
  restoreLimit,
  siblingLimit,
  generationLimit,
  reauthenticates,
  abandonedRequests,
}: SingleHolderOptions): string {
  return [
    "single holder",
    ...(reauthenticates ? ["also reauthenticating"] : []),
    ...(abandonedRequests ? [`whose abandoned requests ${abandonedRequests}`] : []),
    `${restoreLimit ?? "any number of"} restores to ${restores}`,
    ...(siblingLimit === undefined ? [] : [`up to ${siblingLimit} siblings at once`]),
    ...(generationLimit === undefined ? [] : [`up to generation ${generationLimit}, nothing merged`]),
  ].join(", ");
}
