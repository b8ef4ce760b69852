import { describe, expect, it } from "vitest";
import { report, seed, times } from "../support/long-run.ts";
import { type Below, pick, seededRandom } from "../support/seeded-random.ts";
import { createStillClock, type StillClock } from "./still-clock.ts";
import { createSubjects, openTwoProcesses, type TwoProcesses, withTwoProcesses } from "./two-processes.ts";
import type { Wire, WireAnswer } from "./wire.ts";

withTwoProcesses();

const interleavings = times({ short: 2000, long: 100_000 });
/** So many sessions are played at once, in step: every step of theirs is answered before the clock goes on. */
const AT_ONCE = 125;
const GRACE_SECONDS = 10;
const WAITS_SECONDS = [0, 1, GRACE_SECONDS, GRACE_SECONDS + 1, 3600, -300];

type Holder = "owner" | "thief";

/** One session, the refresh tokens that its holders have, and what has become of them. */
interface Played {
  readonly sessionId: string;
  readonly held: Record<Holder, string>;
  readonly refreshed: Record<Holder, number>;
  isOver: boolean;
}

/** What was done, for the figures. */
const done = { refreshes: 0, "answers lost": 0, "parallel refreshes": 0 };

interface Game extends TwoProcesses {
  readonly below: Below;
  readonly clock: StillClock;
  readonly subjects: readonly string[];
  /** One more session, whose refreshes say that a server has read what was sent to it before. */
  readonly keeper: { token: string };
}

async function openGame(clock: StillClock, stream: number): Promise<Game> {
  const processes = await openTwoProcesses({
    clock,
    settings: { LATCHKEY_ROTATION_GRACE_SECONDS: String(GRACE_SECONDS) },
  });
  const subjects = await createSubjects(processes, 500);
  const keeper = await processes.issuer.issue({ subject: subjects[0]! });
  return { ...processes, below: seededRandom(seed + stream), clock, subjects, keeper: { token: keeper.refreshToken } };
}

async function openSessions({ issuer, below, subjects }: Game, count: number): Promise<readonly Played[]> {
  const pairs = await Promise.all(
    Array.from({ length: count }, () => issuer.issue({ subject: pick(below, subjects) })),
  );
  return pairs.map(({ sessionId, refreshToken }) => ({
    sessionId,
    held: { owner: refreshToken, thief: refreshToken },
    refreshed: { owner: 0, thief: 0 },
    isOver: false,
  }));
}

function refresh(wire: Wire, bearer: string): Promise<WireAnswer> {
  done.refreshes += 1;
  return wire.send({ path: "/auth/refresh", bearer });
}

/** Whatever answers were not waited for, the servers have done with: both have answered what was sent after it. */
async function settle({ wires, keeper }: Game): Promise<void> {
  for (const wire of wires) {
    const { status, body } = await refresh(wire, keeper.token);
    expect([status, body.error]).toEqual([200, undefined]);
    keeper.token = body.refresh_token;
  }
}

/** A refresh whose answer never comes. */
async function lose({ below, wires }: Game, bearer: string): Promise<void> {
  done["answers lost"] += 1;
  const wire = pick(below, wires);
  if (below(3) === 0) await refresh(wire, bearer);
  else await wire.lose({ path: "/auth/refresh", bearer }, below(2) === 0 ? "at the answer" : "behind the request");
}

/** Something that a single holder does. Gives the answers that were not 200. */
async function playHonestly(game: Game, played: Played): Promise<readonly string[]> {
  const { below, wires } = game;
  const chosen = below(6);
  if (chosen < 2) {
    await lose(game, played.held.owner);
    return [];
  }
  const requests = chosen < 4 ? 1 : 2 + below(3);
  const first = below(2);
  const answers = await Promise.all(
    Array.from({ length: requests }, (_, nth) => refresh(wires[(first + nth) % 2]!, played.held.owner)),
  );
  if (requests > 1) done["parallel refreshes"] += requests;
  const refused = answers.filter(({ status }) => status !== 200);
  played.held.owner = pick(below, answers).body?.refresh_token;
  const successors = new Set(answers.map(({ body }) => body?.refresh_token)).size;
  return [
    ...refused.map(({ status, body }) => `${status} ${body?.error}`),
    ...(successors > 1 ? [`${successors} successors of one token`] : []),
  ];
}

async function playHonestRound(game: Game, sessions: readonly Played[]): Promise<void> {
  const wrong = await Promise.all(sessions.map((played) => playHonestly(game, played)));
  expect(wrong.flat()).toEqual([]);
  await settle(game);
}

function ends({ sql }: Game, sessions: readonly Played[]): Promise<readonly { revoked_for: string | null }[]> {
  const ids = sessions.map(({ sessionId }) => `'\\x${Buffer.from(sessionId, "base64url").toString("hex")}'`);
  return sql(`SELECT revoked_for FROM latchkey.sessions WHERE id IN (${ids.join()})`);
}

/** A refresh by one of two who hold the session, more than a grace window after the one before. Gives whether it was detected. */
async function contend(game: Game, played: Played, by: Holder, act: "refresh" | "lose"): Promise<boolean> {
  if (act === "lose") {
    await lose(game, played.held[by]);
    return false;
  }
  const { owner, thief } = played.refreshed;
  const { status, body } = await refresh(pick(game.below, game.wires), played.held[by]);
  if (status === 200) {
    expect(owner < 2 || thief < 2, "both had refreshed twice, and a third refresh was still answered").toBe(true);
    played.held[by] = body.refresh_token;
    played.refreshed[by] += 1;
    return false;
  }
  // Where the answer that told of the reuse was one of those lost, the session is only known to have ended.
  expect([status, ["refresh_token_reused", "session_revoked"].includes(body.error)]).toEqual([401, true]);
  played.isOver = true;
  return true;
}

/** Every way on for either holder, at either process; gives how many refreshes were answered. */
async function refreshAfterReuse({ wires }: Game, { held }: Played): Promise<number> {
  const answers = await Promise.all(
    [held.owner, held.thief].flatMap((token) => wires.map((wire) => refresh(wire, token))),
  );
  expect(new Set(answers.map(({ status, body }) => (status === 200 ? "200" : body.error)))).toEqual(
    new Set(["session_revoked"]),
  );
  return answers.filter(({ status }) => status === 200).length;
}

type Contention = readonly [Holder, "refresh" | "lose"];

/** At first either may do anything; however that goes, in the end both go on. */
function contest(below: Below): readonly ((below: Below) => Contention)[] {
  const anything = (of: Below): Contention => [
    pick(of, ["owner", "thief"] as const),
    pick(of, ["refresh", "refresh", "lose"] as const),
  ];
  const both: readonly Holder[] = ["owner", "thief", "owner", "thief"];
  return [...Array.from({ length: below(5) }, () => anything), ...both.map((by) => (): Contention => [by, "refresh"])];
}

/** Gives how many refreshes were answered after the reuse had been detected. */
async function playContested(game: Game, played: Played, [by, act]: Contention): Promise<number> {
  if (played.isOver || !(await contend(game, played, by, act))) return 0;
  return refreshAfterReuse(game, played);
}

/** Plays `count` in batches, and reports what was found. */
async function playAll(
  by: string,
  count: number,
  stream: number,
  play: (game: Game, batch: number) => Promise<object>,
) {
  const clock = createStillClock();
  try {
    const game = await openGame(clock, stream);
    for (const what of Object.keys(done) as (keyof typeof done)[]) done[what] = 0;
    const began = performance.now();
    let found: Record<string, number> = {};
    for (let played = 0; played < count; played += AT_ONCE) {
      const more = await play(game, Math.min(AT_ONCE, count - played));
      found = Object.fromEntries(Object.entries(more).map(([what, many]) => [what, (found[what] ?? 0) + many]));
    }
    const [{ deadlocks }] = await game.sql(
      "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()",
    );
    expect(deadlocks).toBe(0);
    report({
      run: `random interleavings by ${by} over HTTP, two server processes, PostgreSQL`,
      count,
      seed,
      seconds: (performance.now() - began) / 1000,
      found: { ...done, ...found },
    });
    return found;
  } finally {
    clock.close();
  }
}

describe(`random interleavings over HTTP with two server processes on PostgreSQL (${interleavings}, seed ${seed})`, () => {
  const timeout = 120_000 + interleavings * 30;

  it("never log a single holder out, whatever is lost, parallel or late", { timeout }, async () => {
    const found = await playAll("one holder", interleavings / 2, 0, async (game, size) => {
      const sessions = await openSessions(game, size);
      for (let rounds = 4 + game.below(6); rounds > 0; rounds--) {
        await playHonestRound(game, sessions);
        game.clock.advanceSeconds(pick(game.below, WAITS_SECONDS));
      }
      const last = await Promise.all(sessions.map(({ held }) => refresh(pick(game.below, game.wires), held.owner)));
      const revoked = (await ends(game, sessions)).filter(({ revoked_for }) => revoked_for !== null);
      return { "honest logouts": Math.max(revoked.length, last.filter(({ status }) => status !== 200).length) };
    });
    expect(found).toEqual({ "honest logouts": 0 });
  });

  it("always detect two holders of one token, at the latest when each has refreshed twice, and answer no refresh after it", {
    timeout,
  }, async () => {
    const found = await playAll("two holders", interleavings / 2, 1, async (game, size) => {
      const { below, clock } = game;
      const sessions = await openSessions(game, size);
      for (let rounds = below(4); rounds > 0; rounds--) {
        await playHonestRound(game, sessions);
        clock.advanceSeconds(pick(below, WAITS_SECONDS));
      }
      for (const { held } of sessions) held.thief = held.owner;
      let afterReuse = 0;
      for (const act of contest(below)) {
        clock.advanceSeconds(GRACE_SECONDS + 1);
        const answered = await Promise.all(sessions.map((played) => playContested(game, played, act(below))));
        afterReuse += answered.reduce((sum, many) => sum + many, 0);
        await settle(game);
      }
      const reasons = new Set((await ends(game, sessions)).map(({ revoked_for }) => revoked_for));
      expect(reasons).toEqual(new Set(["refresh_token_reused"]));
      return {
        "not detected": sessions.filter(({ isOver }) => !isOver).length,
        "refreshes after reuse": afterReuse,
      };
    });
    expect(found).toEqual({ "not detected": 0, "refreshes after reuse": 0 });
  });
});
