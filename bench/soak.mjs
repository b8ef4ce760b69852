import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { runQuietly } from "../scripts/programs.mjs";
import { cli, fillDatabase, settingsOf, startLatchkey } from "./harness/latchkey.mjs";
import { createBenchPostgres } from "./harness/postgres.mjs";
import { reasonIn } from "./harness/reason.mjs";
import { spread } from "./harness/rounds.mjs";
import { countRows } from "./harness/row-counts.mjs";
import { createWitness } from "./harness/witness.mjs";

const SESSIONS = 10_000;
const CONNECTIONS = 32;
const SHARE_OF_PEAK = 0.7;
const PEAK_RUNS = 3;
const PEAK_SECONDS = 5;
const WINDOW_SECONDS = 10;
/** A line is told for every so many of them. */
const WINDOWS_TOLD = 12;
const KEY_ROTATION_MS = 60_000;
/** None of them ends the run: they are counted, and one is enough to fail it. */
const COUNTED = [400, 401, 403, 429, 500, 503];
/** How much more memory the last third of the run may hold than the middle one, both by their medians. */
const MOST_GROWTH = 1.05;
/** Below that, thirds are too short for a garbage collector's ups and downs to even out. */
const JUDGED_FROM_MINUTES = 10;

/**
 * @typedef {{ readonly atSeconds: number, readonly perSecond: number, readonly p50Ms: number, readonly p99Ms: number,
 *   readonly rssMiB: number | null }} SoakWindow
 * @typedef {{ readonly sessions: number, readonly revocations: number }} Rows
 * @typedef {{ readonly date: string, readonly machine: ReturnType<typeof import("./harness/machine.mjs").describeMachine>,
 *   readonly database: "sqlite" | "postgres", readonly minutes: number, readonly peakPerSecond: import("./harness/rounds.mjs").Spread,
 *   readonly offeredPerSecond: number, readonly windows: readonly SoakWindow[],
 *   readonly answers: Readonly<Record<string, number>>, readonly keyRotations: number,
 *   readonly witness: { readonly refreshed: number, readonly verified: number, readonly refused: number },
 *   readonly rows: { readonly before: Rows, readonly after: Rows },
 *   readonly memory: { readonly middleMiB: number, readonly lastMiB: number } | null, readonly problems: readonly string[] }} Soak
 *   `windows` are ten seconds each; `witness` counts access tokens of every age, verified in another process and at the server
 */

/**
 * Keeps a server under most of what it can do for so many minutes, while its signing keys change every minute.
 * @param {{ readonly minutes: number, readonly database: "sqlite" | "postgres" }} plan
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {string} folder
 * @param {(line: string) => void} tell
 * @returns {Promise<Omit<Soak, "date" | "machine">>}
 */
export async function soak({ minutes, database }, generator, folder, tell) {
  const postgres = createBenchPostgres();
  const tokensFile = join(folder, "tokens.json");
  const secret = randomBytes(32).toString("base64url");
  const place = {
    database: database === "postgres" ? await postgres.createDatabase() : join(folder, "latchkey.db"),
    secret,
  };
  await fillDatabase({ ...place, sessions: SESSIONS, sample: SESSIONS, tokensFile });
  const server = await startLatchkey({ ...place, folder });
  const load = { subject: "soak", url: `${server.url}/auth/refresh`, wire: /** @type {const} */ ("json"), tokensFile };
  const witness = await createWitness(server.url, "user-1");
  /** @type {string[]} */
  const problems = [];
  try {
    tell("soak: its peak");
    const peaks = [];
    await generator.run({ ...load, connections: CONNECTIONS, seconds: PEAK_SECONDS });
    for (let nth = 0; nth < PEAK_RUNS; nth++) {
      peaks.push((await generator.run({ ...load, connections: CONNECTIONS, seconds: PEAK_SECONDS })).perSecond);
    }
    const peakPerSecond = spread(peaks);
    const offeredPerSecond = Math.round(peakPerSecond.median * SHARE_OF_PEAK);
    const before = await countRows(place.database, postgres);

    tell(`soak: ${minutes} minutes at ${offeredPerSecond} refreshes a second`);
    const over = new AbortController();
    const keys = rotateKeys(place, over.signal, problems);
    const samples = sampleMemory(server, over.signal);
    const watched = witness.watch(over.signal, problems);
    /** @type {SoakWindow[]} */
    const windows = [];
    /** @type {Record<string, number>} */
    const answers = {};
    const started = performance.now();
    const end = started + minutes * 60_000;
    while (performance.now() < end && problems.length === 0) {
      try {
        const request = { ...load, connections: CONNECTIONS, seconds: WINDOW_SECONDS, perSecond: offeredPerSecond };
        const { perSecond, p50Ms, p99Ms, answers: found } = await generator.run({ ...request, tolerates: COUNTED });
        const atSeconds = Math.round((performance.now() - started) / 1000);
        const held = samples.take();
        windows.push({ atSeconds, perSecond, p50Ms, p99Ms, rssMiB: held.length === 0 ? null : spread(held).median });
        if (windows.length % WINDOWS_TOLD === 0) tell(`soak: ${atSeconds} s, p99 ${p99Ms.toFixed(1)} ms`);
        for (const [status, count] of Object.entries(found)) answers[status] = (answers[status] ?? 0) + count;
      } catch (error) {
        problems.push(`the load ended: ${error instanceof Error ? error.message : error}`);
      }
    }
    over.abort();
    const keyRotations = await keys;
    await watched;
    const after = await countRows(place.database, postgres);
    return {
      database,
      minutes,
      peakPerSecond,
      offeredPerSecond,
      windows,
      answers,
      keyRotations,
      witness: witness.counts(),
      rows: { before, after },
      memory: memoryOf(windows),
      problems,
    };
  } finally {
    await server.stop();
    await postgres.remove();
  }
}

/**
 * What a soak is for, and whether each of it held.
 * @param {Omit<Soak, "date" | "machine">} soak
 * @returns {readonly (readonly [claim: string, holds: boolean])[]}
 */
export function soakClaims({ answers, witness, rows, memory, problems, keyRotations, minutes }) {
  const { before, after } = rows;
  const others = Object.entries(answers).filter(([status]) => status !== "200");
  const refused = others.reduce((sum, [, count]) => sum + count, 0);
  return [
    [
      `${(answers["200"] ?? 0).toLocaleString("en-US")} refreshes answered 200, ${refused} anything else`,
      refused === 0,
    ],
    [
      `${witness.verified.toLocaleString("en-US")} access tokens of every age verified, ${witness.refused} refused`,
      witness.refused === 0 && witness.verified > 0,
    ],
    [`${keyRotations} changes of the signing key`, keyRotations >= Math.floor(minutes) - 1],
    [
      `${before.sessions.toLocaleString("en-US")} rows of sessions before, ${after.sessions.toLocaleString("en-US")} after; ` +
        `${after.revocations - before.revocations} revocations`,
      after.sessions === before.sessions && after.revocations === before.revocations,
    ],
    memoryClaim(memory, minutes),
    ...problems.map((problem) => /** @type {const} */ ([problem, false])),
  ];
}

/**
 * @param {Soak["memory"]} memory
 * @param {number} minutes
 * @returns {readonly [claim: string, holds: boolean]}
 */
function memoryClaim(memory, minutes) {
  if (memory === null) return ["what memory the server holds is not told here", false];
  const { middleMiB, lastMiB } = memory;
  const found = `memory ${middleMiB.toFixed(0)} MiB in the middle third, ${lastMiB.toFixed(0)} MiB in the last (medians)`;
  if (minutes < JUDGED_FROM_MINUTES) return [`${found}; not judged in less than ${JUDGED_FROM_MINUTES} minutes`, true];
  return [`${found}, at most ${Math.round((MOST_GROWTH - 1) * 100)} % more`, lastMiB <= middleMiB * MOST_GROWTH];
}

/** @param {readonly SoakWindow[]} windows */
function memoryOf(windows) {
  const third = Math.floor(windows.length / 3);
  const held = (/** @type {readonly SoakWindow[]} */ some) => some.flatMap(({ rssMiB }) => rssMiB ?? []);
  const middle = held(windows.slice(third, 2 * third));
  const last = held(windows.slice(2 * third));
  return middle.length === 0 ? null : { middleMiB: spread(middle).median, lastMiB: spread(last).median };
}

/**
 * Has the command line change the signing key every minute, beside the running server, and gives how often.
 * @param {import("./harness/latchkey.mjs").Place} place
 * @param {AbortSignal} over
 * @param {string[]} problems
 */
async function rotateKeys(place, over, problems) {
  let rotations = 0;
  // At even distances, however long the command takes.
  for (let due = performance.now() + KEY_ROTATION_MS; ; due += KEY_ROTATION_MS) {
    await wait(Math.max(0, due - performance.now()), undefined, { signal: over }).catch(() => {});
    if (over.aborted) return rotations;
    const { code, output } = await runQuietly({
      file: process.execPath,
      args: [cli, "key", "rotate", "--force"],
      environment: { PATH: process.env.PATH, ...settingsOf(place) },
      // Starting a program takes half a second of a core that the server is measured on.
      yields: true,
    });
    if (code === 0) rotations += 1;
    else problems.push(`the signing key could not be changed: ${reasonIn(output)}`);
  }
}

/**
 * Reads what the server holds every second.
 * @param {import("./harness/server-process.mjs").ServerProcess} server
 * @param {AbortSignal} over
 */
function sampleMemory(server, over) {
  /** @type {number[]} */
  let held = [];
  const timer = setInterval(() => {
    const rss = server.rssMiB();
    if (rss !== undefined) held.push(rss);
  }, 1000);
  over.addEventListener("abort", () => clearInterval(timer));
  return {
    take() {
      const taken = held;
      held = [];
      return taken;
    },
  };
}
