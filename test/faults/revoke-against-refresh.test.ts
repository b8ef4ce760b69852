import { expect, it } from "vitest";
import type { TokenPair } from "../../src/index.ts";
import { report, seed, times } from "../support/long-run.ts";
import { type Below, pick, seededRandom } from "../support/seeded-random.ts";
import { createSubjects, openTwoProcesses, type TwoProcesses, withTwoProcesses } from "./two-processes.ts";
import type { WireAnswer, WireRequest } from "./wire.ts";

withTwoProcesses();

const races = times({ short: 2000, long: 100_000 });
const AT_ONCE = 50;

/** The ways in which a person ends a session of theirs. */
const revokes: readonly ((first: TokenPair, newest: string) => WireRequest)[] = [
  (_, newest) => ({ path: "/auth/logout", bearer: newest }),
  ({ refreshToken }) => ({ path: "/auth/logout", bearer: refreshToken }),
  ({ accessToken }) => ({ path: "/auth/logout", bearer: accessToken }),
  ({ accessToken, sessionId }) => ({ method: "DELETE", path: `/auth/sessions/${sessionId}`, bearer: accessToken }),
];

/** What one race showed. */
interface Outcome {
  readonly refreshes: number;
  /** Of them, those that were answered while the revoke was under way, or whose answer came after it. */
  readonly "during the revoke": number;
  /** Refreshes that were sent after the revoke had been acknowledged, and were answered. */
  readonly "after the acknowledgement": number;
}

/**
 * A client refreshes without a pause, at either process or at both at once, until it is refused. Somewhere in between the session
 * is revoked. In the end every token that was ever handed out is presented.
 */
async function race({ wires }: TwoProcesses, first: TokenPair, below: Below): Promise<Outcome> {
  const tokens = [first.refreshToken];
  const revokedAfter = below(3);
  let [refreshes, during, after] = [0, 0, 0];
  let revoking: Promise<void> | undefined;
  let isAcknowledged = false;

  async function refresh(bearer: string, at: readonly number[]): Promise<readonly WireAnswer[]> {
    const isLate = isAcknowledged;
    const answers = await Promise.all(at.map((index) => wires[index]!.send({ path: "/auth/refresh", bearer })));
    for (const { status, body } of answers) {
      if (status !== 200) {
        expect([status, body.error]).toEqual([401, "session_revoked"]);
        continue;
      }
      refreshes += 1;
      if (isLate) after += 1;
      else if (revoking !== undefined) during += 1;
      tokens.push(body.refresh_token);
    }
    return answers;
  }

  async function revoke(): Promise<void> {
    const { status } = await pick(below, wires).send(pick(below, revokes)(first, tokens.at(-1)!));
    expect(status).toBe(204);
    isAcknowledged = true;
  }

  for (let round = 0; ; round++) {
    if (round === revokedAfter) revoking = revoke();
    const answers = await refresh(tokens.at(-1)!, pick(below, [[0], [1], [0, 1]]));
    if (after > 0 || answers.some(({ status }) => status !== 200)) break;
  }
  await revoking;
  await Promise.all([...new Set(tokens)].map((token, nth) => refresh(token, nth === 0 ? [0, 1] : [below(2)])));
  return { refreshes, "during the revoke": during, "after the acknowledgement": after };
}

it(`${races} times a revoke races a refresh across two processes: none is good after the acknowledgement (seed ${seed})`, {
  timeout: 60_000 + races * 30,
}, async () => {
  const below = seededRandom(seed);
  const processes = await openTwoProcesses();
  const subjects = await createSubjects(processes, 500);
  const began = performance.now();
  const found = { refreshes: 0, "during the revoke": 0, "after the acknowledgement": 0 };
  for (let run = 0; run < races; run += AT_ONCE) {
    const pairs = await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, races - run) }, () =>
        processes.issuer.issue({ subject: pick(below, subjects) }),
      ),
    );
    for (const outcome of await Promise.all(pairs.map((pair) => race(processes, pair, below)))) {
      for (const what of Object.keys(found) as (keyof Outcome)[]) found[what] += outcome[what];
    }
    expect(found["after the acknowledgement"]).toBe(0);
  }
  report({
    run: "revoke against refresh, two server processes, PostgreSQL",
    count: races,
    seed,
    seconds: (performance.now() - began) / 1000,
    found,
  });
  // Else they never met.
  expect(found["during the revoke"]).toBeGreaterThan(races / 50);
});
