import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer, type Issuer, type TokenPair } from "../../src/index.ts";
import type { RotationState } from "../../src/records/rotation.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { report, seed } from "../support/long-run.ts";
import { createTestClock, ISSUER, SECRET, type TestClock } from "../support/test-bed.ts";

const GRACE_SECONDS = 10;
/** A new engine after so many keeps a million of them from filling the memory. */
const RUNS_OF_AN_ENGINE = 2500;

interface ContestedStep {
  readonly act: "refresh" | "lost";
  readonly by: "owner" | "thief";
}

/** What can happen to one session. `lost` and `parallel` are refreshes; `restore` takes the database back. */
type Step =
  | ContestedStep
  | { readonly act: "parallel"; readonly requests: number; readonly winner: number }
  | { readonly act: "wait"; readonly seconds: number }
  | { readonly act: "restore"; readonly back: number };

const byOwner = { by: fc.constant("owner" as const) };
const honestStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ act: fc.constantFrom("refresh" as const, "lost" as const), ...byOwner }) },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant("parallel" as const),
      requests: fc.integer({ min: 2, max: 6 }),
      winner: fc.nat(5),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant("wait" as const),
      seconds: fc.constantFrom(1, GRACE_SECONDS, GRACE_SECONDS + 1, 3600, -300),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("restore" as const), back: fc.integer({ min: 1, max: 6 }) }) },
);
const contestedStep: fc.Arbitrary<ContestedStep> = fc.record({
  act: fc.constantFrom("refresh" as const, "refresh" as const, "lost" as const),
  by: fc.constantFrom("owner" as const, "thief" as const),
});

/** An engine on a store, with a clock in hand. */
interface Engine {
  readonly issuer: Issuer;
  readonly store: Store;
  readonly clock: TestClock;
  refreshes: number;
}

/** One session on the real engine and store, and who holds what of it. */
async function openWorld(engine: Engine) {
  const { issuer, store, clock } = engine;
  const first = await issuer.issue({ subject: `somebody ${engine.refreshes}` });
  const held: Record<"owner" | "thief", TokenPair> = { owner: first, thief: first };
  const lineage: RotationState[] = [];
  const read = async () => (await store.findSession(first.sessionId))!;
  const refresh = (refreshToken: string) => {
    engine.refreshes += 1;
    return issuer.refresh(refreshToken);
  };

  return {
    held,
    refresh,
    async play(step: Step): Promise<void> {
      switch (step.act) {
        case "refresh":
          held[step.by] = await refresh(held[step.by].refreshToken);
          break;
        case "lost":
          await refresh(held[step.by].refreshToken);
          break;
        case "parallel": {
          const { refreshToken } = held.owner;
          const pairs = await Promise.all(Array.from({ length: step.requests }, () => refresh(refreshToken)));
          expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1);
          held.owner = pairs[step.winner % pairs.length]!;
          break;
        }
        case "wait":
          clock.advanceSeconds(step.seconds);
          break;
        case "restore": {
          const earlier = lineage.splice(-step.back)[0];
          if (earlier !== undefined) await store.changeSessions([first.sessionId], () => ({ rotation: earlier }));
          return;
        }
      }
      lineage.push((await read()).rotation);
    },
    read,
  };
}

async function openEngine(openStore: () => Promise<Store>): Promise<Engine> {
  const store = await openStore();
  const clock = createTestClock();
  const issuer = await createIssuer({
    issuer: ISSUER,
    secret: SECRET,
    store,
    environment: { ...systemEnvironment, clock },
    subjects: async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }])),
    signingAlg: "HS256",
    sessionRefreshesPerMinute: 0,
    sessionsPerUser: 0,
    rotationGraceSeconds: GRACE_SECONDS,
  });
  return { issuer, store, clock, refreshes: 0 };
}

/** How much is played, and on what. */
export interface EngineModel {
  readonly on: string;
  /** Half of them by a single holder, half by two. */
  readonly interleavings: number;
  /** How many are played at once, each on an engine and a clock of its own. Default: 1. */
  readonly lanes?: number;
  /** Default: SQLite in memory. */
  readonly openStore?: () => Promise<Store>;
}

/** Plays random interleavings through the engine on a store. */
export function describeEngineModel({
  on,
  interleavings,
  lanes = 1,
  openStore = () => createSqliteStore(":memory:"),
}: EngineModel): void {
  const runs = interleavings / 2;
  const timeout = 120_000 + interleavings * 20;

  /** Plays `runs` of them, each kind of which needs a name of its own in the figures. */
  async function playAll<Steps>(
    by: string,
    steps: fc.Arbitrary<Steps>,
    play: (engine: Engine, steps: Steps) => Promise<void>,
    passed: Readonly<Record<string, number>>,
  ): Promise<void> {
    const began = performance.now();
    let refreshes = 0;
    const playLane = async (lane: number) => {
      const share = Math.floor((runs + lane) / lanes);
      for (let played = 0; played < share; played += RUNS_OF_AN_ENGINE) {
        const engine = await openEngine(openStore);
        try {
          await fc.assert(
            fc.asyncProperty(steps, (given) => play(engine, given)),
            { numRuns: Math.min(RUNS_OF_AN_ENGINE, share - played), seed: seed + lane * runs + played },
          );
        } finally {
          refreshes += engine.refreshes;
          await engine.issuer.close();
        }
      }
    };
    await Promise.all(Array.from({ length: lanes }, (_, lane) => playLane(lane)));
    report({
      run: `random interleavings by ${by} through engine and store, ${on}`,
      count: runs,
      seed,
      seconds: (performance.now() - began) / 1000,
      found: { refreshes, ...passed },
    });
  }

  describe(`random interleavings through engine and store (${on}, ${runs} of each kind, seed ${seed})`, () => {
    it("never log a single holder out, whatever is lost, parallel, late or restored", { timeout }, async () => {
      const play = async (engine: Engine, steps: readonly Step[]) => {
        const world = await openWorld(engine);
        for (const step of steps) await world.play(step);
        expect((await world.read()).revokedAt).toBeNull();
        await world.refresh(world.held.owner.refreshToken);
      };
      await playAll("one holder", fc.array(honestStep, { minLength: 4, maxLength: 16 }), play, { "honest logouts": 0 });
    });

    it("always detect two holders of one token, at the latest when each has refreshed twice", { timeout }, async () => {
      const steps = fc.tuple(
        fc.array(honestStep, { maxLength: 8 }),
        fc.array(contestedStep, { minLength: 1, maxLength: 12 }),
      );
      await playAll("two holders", steps, playContest, { "not detected": 0 });
    });
  });
}

// However it began, in the end both go on.
const finale: readonly ContestedStep[] = [
  { act: "refresh", by: "owner" },
  { act: "refresh", by: "thief" },
  { act: "refresh", by: "owner" },
  { act: "refresh", by: "thief" },
];

async function playContest(
  engine: Engine,
  [shared, contested]: readonly [readonly Step[], readonly ContestedStep[]],
): Promise<void> {
  const world = await openWorld(engine);
  for (const step of shared) await world.play(step);
  world.held.thief = world.held.owner;
  const refreshed = { owner: 0, thief: 0 };
  for (const step of [...contested, ...finale]) {
    engine.clock.advanceSeconds(GRACE_SECONDS + 1);
    const both = refreshed.owner >= 2 && refreshed.thief >= 2;
    const answer = await world.play(step).then(
      () => "good",
      (error: { code?: string }) => error.code,
    );
    if (answer !== "good") {
      expect(answer).toBe("refresh_token_reused");
      expect((await world.read()).revokedFor).toBe("refresh_token_reused");
      for (const { refreshToken } of Object.values(world.held)) {
        await expect(world.refresh(refreshToken)).rejects.toMatchObject({ code: "session_revoked" });
      }
      return;
    }
    expect(both, "both had refreshed twice, and a third refresh was still answered").toBe(false);
    if (step.act === "refresh") refreshed[step.by] += 1;
  }
  expect(refreshed, "both have refreshed twice and the session goes on").toBe("detected");
}
