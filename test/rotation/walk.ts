import type { Database, Refresh } from "./database.ts";

/** What every state of every world has. */
export interface WorldState {
  readonly database: Database;
}

/** One thing that can happen. */
export interface Step<S> {
  /** What happens, in words that a person can follow. Absent where nothing but time passes. */
  readonly says?: () => string;
  readonly leadsTo: S;
  /** Present where the step is a refresh that reached the server. */
  readonly refresh?: Refresh;
}

/** A world to walk: where it starts, all that can happen in a state, and which states are alike. */
export interface World<S extends WorldState> {
  readonly name: string;
  readonly start: S;
  /** Everything that can happen next. */
  steps(state: S): readonly Step<S>[];
  /** States with the same key have the same future, up to the names of generations and the reading of the clock. */
  key(state: S): string;
}

/** Something that must hold after every step. */
export interface Property<S extends WorldState> {
  readonly name: string;
  /** What is wrong in `state`, reached by `step`; `undefined` when nothing is. */
  violation(state: S, step: Step<S> | undefined): string | undefined;
}

/** The first violation found of one property, by a shortest way. */
export interface Violation {
  readonly property: string;
  readonly message: string;
  /** The steps from the start, in words. */
  readonly trace: readonly string[];
}

/** What a walk has seen. */
export interface WalkReport {
  readonly world: string;
  readonly states: number;
  readonly steps: number;
  /** The length of the longest shortest way to a state. */
  readonly depth: number;
  /** Whether every reachable state was visited. */
  readonly closed: boolean;
  readonly violations: readonly Violation[];
}

/** The way to a state: which of the steps was taken, and where from. The states themselves are not kept. */
interface Way {
  readonly from: Way | undefined;
  readonly ordinal: number;
}

interface Visit<S> {
  readonly state: S;
  readonly way: Way | undefined;
}

/** Where a walk stops if it has not closed. It then says so, and no proof may be taken from it. */
const MAX_STATES = 10_000_000;

/**
 * Walks a world breadth first and holds every property against every step. What is walked on is always a state that was
 * really reached, never its normal form, so a trace shows true generations and times. Ends when nothing new is reached,
 * when every property has been violated, or at `maxStates`.
 */
export function walk<S extends WorldState>(
  world: World<S>,
  properties: readonly Property<S>[],
  { maxStates = MAX_STATES } = {},
): WalkReport {
  const seen = new Set([world.key(world.start)]);
  const violations = new Map<string, Violation>();
  const inspect = (visit: Visit<S>, step?: Step<S>) => {
    for (const property of properties) {
      if (violations.has(property.name)) continue;
      const message = property.violation(visit.state, step);
      if (message === undefined) continue;
      violations.set(property.name, { property: property.name, message, trace: retrace(world, visit.way) });
    }
  };

  let frontier: Visit<S>[] = [{ state: world.start, way: undefined }];
  let steps = 0;
  let depth = 0;
  inspect(frontier[0]!);
  const goesOn = () => frontier.length > 0 && violations.size < Math.max(1, properties.length) && seen.size < maxStates;
  for (; goesOn(); depth++) {
    const next: Visit<S>[] = [];
    for (const visit of frontier) {
      for (const [ordinal, step] of world.steps(visit.state).entries()) {
        steps++;
        const reached: Visit<S> = { state: step.leadsTo, way: { from: visit.way, ordinal } };
        inspect(reached, step);
        const key = world.key(step.leadsTo);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push(reached);
      }
    }
    frontier = next;
  }
  return {
    world: world.name,
    states: seen.size,
    steps,
    depth: Math.max(0, depth - 1),
    closed: frontier.length === 0,
    violations: [...violations.values()],
  };
}

/**
 * Looks for states that a world takes for alike though their futures differ: the check on a world's `key`.
 * Gives the ways to two such states, or `undefined` when there are none.
 */
export function findFalseMerge<S extends WorldState>(world: World<S>): string | undefined {
  const known = new Map<string, { futures: string; visit: Visit<S> }>();
  const futures = (state: S) =>
    [...new Set(world.steps(state).map((step) => world.key(step.leadsTo)))].sort().join("\n");
  const start: Visit<S> = { state: world.start, way: undefined };
  known.set(world.key(start.state), { futures: futures(start.state), visit: start });
  for (let frontier = [start]; frontier.length > 0; ) {
    const next: Visit<S>[] = [];
    for (const visit of frontier) {
      for (const [ordinal, step] of world.steps(visit.state).entries()) {
        const reached: Visit<S> = { state: step.leadsTo, way: { from: visit.way, ordinal } };
        const key = world.key(step.leadsTo);
        const alike = known.get(key);
        if (alike === undefined) {
          known.set(key, { futures: futures(step.leadsTo), visit: reached });
          next.push(reached);
        } else if (alike.futures !== futures(step.leadsTo)) {
          const ways = [alike.visit, reached].map((visit) => retrace(world, visit.way).join("\n"));
          return `${key}\n${ways.join("\nand\n")}`;
        }
      }
    }
    frontier = next;
  }
  return undefined;
}

/** A walk in one line. */
export function figures({ world, states, steps, depth, closed }: WalkReport): string {
  const counted = `${states.toLocaleString("en")} states, ${steps.toLocaleString("en")} steps, depth ${depth}`;
  return `${world}: ${counted}, ${closed ? "closed" : "NOT closed"}`;
}

/** A violation as a story. */
export function story({ property, message, trace }: Violation): string {
  return [`${property}: ${message}`, ...trace.map((step, index) => `  ${index + 1}. ${step}`)].join("\n");
}

function retrace<S extends WorldState>(world: World<S>, last: Way | undefined): string[] {
  const ordinals: number[] = [];
  for (let way = last; way !== undefined; way = way.from) ordinals.unshift(way.ordinal);
  let state = world.start;
  return ordinals.flatMap((ordinal) => {
    const step = world.steps(state)[ordinal]!;
    state = step.leadsTo;
    return step.says === undefined ? [] : [step.says()];
  });
}
