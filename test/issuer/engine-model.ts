import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TokenPair } from "../../src/index.ts";
import type { RotationState } from "../../src/rotation.ts";
import type { Store } from "../../src/store/store.ts";
import { createTestBed, type TestBed } from "../harness.ts";

const GRACE_SECONDS = 10;
const seed = Number(process.env.MODEL_SEED ?? Date.now() % 2 ** 31);

/** What can happen to one session. `lost` and `parallel` are refreshes; `restore` takes the database back. */
type Step =
  | { readonly act: "refresh" | "lost"; readonly by: "owner" | "thief" }
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
const contestedStep: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom("refresh" as const, "refresh" as const, "lost" as const),
  by: fc.constantFrom("owner" as const, "thief" as const),
});

/** One session on the real engine and store, and who holds what of it. */
async function openWorld(bed: TestBed) {
  const first = await bed.issuer.issue({ subject: "somebody" });
  const held: Record<"owner" | "thief", TokenPair> = { owner: first, thief: first };
  const lineage: RotationState[] = [];
  const read = async () => (await bed.store.findSession(first.sessionId))!;

  return {
    held,
    sessionId: first.sessionId,
    async play(step: Step): Promise<void> {
      switch (step.act) {
        case "refresh":
          held[step.by] = await bed.issuer.refresh(held[step.by].refreshToken);
          break;
        case "lost":
          await bed.issuer.refresh(held[step.by].refreshToken);
          break;
        case "parallel": {
          const { refreshToken } = held.owner;
          const pairs = await Promise.all(
            Array.from({ length: step.requests }, () => bed.issuer.refresh(refreshToken)),
          );
          expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1);
          held.owner = pairs[step.winner % pairs.length]!;
          break;
        }
        case "wait":
          bed.clock.advanceSeconds(step.seconds);
          break;
        case "restore": {
          const earlier = lineage.splice(-step.back)[0];
          if (earlier !== undefined) await bed.store.changeSessions([first.sessionId], () => ({ rotation: earlier }));
          return;
        }
      }
      lineage.push((await read()).rotation);
    },
    read,
  };
}

async function openBed(store: Store | undefined): Promise<TestBed> {
  const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }]));
  return createTestBed({
    ...(store && { store }),
    subjects,
    signingAlg: "HS256",
    sessionRefreshesPerMinute: 0,
    sessionsPerUser: 0,
    rotationGraceSeconds: GRACE_SECONDS,
  });
}

/** Plays random interleavings through the engine on a store. */
export function describeEngineModel(on: string, runs: number, openStore?: () => Promise<Store>): void {
  describe(`random interleavings through engine and store (${on}, ${runs} of each kind, seed ${seed})`, () => {
    it("never log a single holder out, whatever is lost, parallel, late or restored", {
      timeout: 600_000,
    }, async () => {
      const bed = await openBed(await openStore?.());
      await fc.assert(
        fc.asyncProperty(fc.array(honestStep, { minLength: 4, maxLength: 16 }), async (steps) => {
          const world = await openWorld(bed);
          for (const step of steps) await world.play(step);
          expect((await world.read()).revokedAt).toBeNull();
          await bed.issuer.refresh(world.held.owner.refreshToken);
        }),
        { numRuns: runs, seed },
      );
    });

    it("always detect two holders of one token, at the latest when each has refreshed twice", {
      timeout: 600_000,
    }, async () => {
      const bed = await openBed(await openStore?.());
      const before = fc.array(honestStep, { maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(
          before,
          fc.array(contestedStep, { minLength: 1, maxLength: 12 }),
          async (shared, contested) => {
            const world = await openWorld(bed);
            for (const step of shared) await world.play(step);
            world.held.thief = world.held.owner;
            const refreshed = { owner: 0, thief: 0 };
            // However it began, in the end both go on.
            const finale: Step[] = [1, 2].flatMap(
              () =>
                [
                  { act: "refresh", by: "owner" },
                  { act: "refresh", by: "thief" },
                ] as const,
            );
            for (const step of [...contested, ...finale]) {
              bed.clock.advanceSeconds(GRACE_SECONDS + 1);
              const before = refreshed.owner >= 2 && refreshed.thief >= 2;
              const answer = await world.play(step).then(
                () => "good",
                (error: { code?: string }) => error.code,
              );
              if (answer !== "good") {
                expect(answer).toBe("refresh_token_reused");
                expect((await world.read()).revokedFor).toBe("refresh_token_reused");
                return;
              }
              expect(before, "both had refreshed twice, and a third refresh was still answered").toBe(false);
              if (step.act === "refresh") refreshed[step.by] += 1;
            }
            expect(refreshed, "both have refreshed twice and the session goes on").toBe("detected");
          },
        ),
        { numRuns: runs, seed },
      );
    });
  });
}
