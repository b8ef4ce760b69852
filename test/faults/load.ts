import { setTimeout as wait } from "node:timers/promises";
import { type Below, seededRandom } from "../support/seeded-random.ts";
import { createAttempts } from "./attempts.ts";
import { createHonestClient, generationOf } from "./honest-client.ts";
import { commitRobbery } from "./robbery.ts";
import { createTally, type Summary } from "./tally.ts";

export interface LoadOptions {
  /** Where servers are now; none at all where all are down. */
  readonly urls: () => readonly string[];
  /** The `LATCHKEY_ROTATION_GRACE_SECONDS` of the servers: what thieves have to wait for. */
  readonly graceSeconds: number;
  readonly seed: number;
  /** A user who can sign in with the tests' password. Default `ada`. */
  readonly username?: string;
  /** Honest clients. Default 8. */
  readonly clients?: number;
  /** Owners who are robbed, over and over, each in sessions of their own. Default 2. */
  readonly thieves?: number;
  /** An attempt without an answer is abandoned after this long. Default 5000. */
  readonly timeoutMs?: number;
  /** How long an honest client waits between two refreshes, on average. Default 20. */
  readonly pauseMs?: number;
  /** One in this many acts of an honest client is a logout and a new sign-in. Default 100. */
  readonly logoutOneIn?: number;
}

/** A sign-in hashes a password, which would leave the processor to nothing else. */
const ROBBERY_PAUSE_MS = 200;

/** Honest clients and thieves at work over HTTP, whatever befalls the servers meanwhile. */
export interface Load {
  /** A fault begins, or ends, now: the time until the next success is measured. */
  markFault(): void;
  /** Resolves once this many more rotations have been acknowledged. */
  progress(rotations: number): Promise<void>;
  /** Resolves once this many more answers have been 503. */
  refusals(count: number): Promise<void>;
  /**
   * Counts what clients have been told of and the database does not know. `read` gives the newest generation issued in each
   * session, by session id; those asked for suffice.
   */
  compare(read: (sessionIds: readonly string[]) => Promise<ReadonlyMap<string, number>>): Promise<void>;
  /**
   * The database goes back to an older state: what was acknowledged before may be undone. To be called before the servers take
   * requests on that state, and again, with the sessions that are in it, once they are known: those signed in before the call
   * and not among them are lost, and their clients excused.
   */
  databaseWentBack(sessionIds?: ReadonlySet<string>): void;
  /** Ends the load: every client sees whether its newest refresh token is good. The servers must be up. */
  stop(): Promise<Summary>;
}

/** Signs every client in, and goes on in the background. Rejects where that fails. */
export async function startLoad({
  urls,
  graceSeconds,
  seed,
  username = "ada",
  clients = 8,
  thieves = 2,
  timeoutMs = 5000,
  pauseMs = 20,
  logoutOneIn = 100,
}: LoadOptions): Promise<Load> {
  const tally = createTally();
  const seeds = seededRandom(seed);
  let epoch = 0;
  let isOver = false;
  const optionsOf = (below: Below) => ({
    username,
    below,
    tally,
    epoch: () => epoch,
    attempts: createAttempts({ urls, below, tally, timeoutMs }),
  });
  const honest = Array.from({ length: clients }, () => createHonestClient(optionsOf(seededRandom(seeds(2 ** 31)))));
  await Promise.all(honest.map((client) => client.begin()));

  async function rob(below: Below): Promise<void> {
    const options = { ...optionsOf(below), graceSeconds };
    while (!isOver) {
      await commitRobbery(options);
      await wait(below(2 * ROBBERY_PAUSE_MS));
    }
  }
  const over = () => isOver;
  const running = Promise.all([
    ...honest.map((client) => client.run(over, pauseMs, logoutOneIn)),
    ...Array.from({ length: thieves }, () => rob(seededRandom(seeds(2 ** 31)))),
  ]);
  running.catch(() => {}); // Told by whoever waits for it next.
  async function counted(count: () => number, more: number): Promise<void> {
    const target = count() + more;
    let timer: NodeJS.Timeout | undefined;
    const reached = new Promise<void>((resolve) => {
      timer = setInterval(() => count() >= target && resolve(), 10);
    });
    await Promise.race([reached, running]).finally(() => clearInterval(timer));
  }
  const held = () => honest.flatMap((client) => client.held() ?? []);

  return {
    markFault: tally.markFault,
    progress: (rotations) => counted(() => tally.summary().acknowledged, rotations),
    refusals: (count) => counted(() => tally.summary().unavailable, count),
    async compare(read) {
      const told = held().map(({ sessionId, refreshToken }) => ({ sessionId, generation: generationOf(refreshToken) }));
      const known = await read(told.map(({ sessionId }) => sessionId));
      for (const { sessionId, generation } of told) {
        const newest = known.get(sessionId);
        if (newest === undefined || newest < generation) {
          tally.wrong("forgotten", `${sessionId}: told of ${generation}, the database knows ${newest}`);
        }
      }
    },
    databaseWentBack(sessionIds) {
      epoch += 1;
      if (sessionIds !== undefined) tally.excuseAllBut(sessionIds);
    },
    async stop() {
      isOver = true;
      await running;
      return tally.summary();
    },
  };
}
