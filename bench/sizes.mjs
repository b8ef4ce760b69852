import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fillDatabase, startLatchkey } from "./harness/latchkey.mjs";
import { inRounds, spread } from "./harness/rounds.mjs";
import { measureRefresh } from "./refresh.mjs";

/** How many sessions there are; the load goes round through so many of them, spread over the whole table. */
const SIZES = [10_000, 100_000, 1_000_000];
const SAMPLE = 10_000;
const CONNECTIONS = 32;
const STARTS = 5;

/**
 * `bytes` are on disk, indexes included; `ofSmallest` divides the rate by that with the fewest sessions in the same round;
 * `firstAnswerMs` is from the start of the process to its first refresh.
 * @typedef {import("./harness/rounds.mjs").Spread} Spread
 * @typedef {{ readonly database: DatabaseName, readonly sessions: number, readonly notRun: string }
 *   | { readonly database: DatabaseName, readonly sessions: number, readonly notRun: null, readonly perSecond: Spread,
 *     readonly p99Ms: Spread, readonly ofSmallest: Spread | null, readonly serverCpuMicroseconds: Spread | null,
 *     readonly databaseCpuMicroseconds: Spread | null, readonly rssMiB: number | null,
 *     readonly bytes: import("./harness/fill-sqlite.mjs").FilledBytes, readonly firstAnswerMs: Spread }} SizeResult
 * @typedef {"SQLite" | "PostgreSQL"} DatabaseName
 */

/**
 * Refreshes against the number of sessions, on both databases: three servers of one database in the same rounds.
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {import("./harness/postgres.mjs").BenchPostgres} postgres
 * @param {{ readonly rounds: number, readonly seconds: number, readonly sizes?: readonly number[] }} plan
 * @param {string} folder
 * @param {(line: string) => void} tell
 * @returns {Promise<SizeResult[]>}
 */
export async function measureSizes(generator, postgres, { rounds, seconds, sizes = SIZES }, folder, tell) {
  const results = [];
  for (const database of /** @type {const} */ (["SQLite", "PostgreSQL"])) {
    const all = sizes.map((sessions) => createSize(database, sessions, postgres, folder, tell));
    const plan = {
      levels: [CONNECTIONS],
      rounds,
      seconds,
      warmUpSeconds: 5,
      isReference: (/** @type {import("./refresh-subjects.mjs").Subject} */ subject) => subject === all[0]?.subject,
    };
    const subjects = all.map(({ subject }) => subject);
    const measured = await measureRefresh(subjects, generator, plan, folder, tell);
    const able = all.filter((_, nth) => measured[nth]?.notRun === null);
    tell(`${database}: starting`);
    const starts = await inRounds(able, STARTS, (size) => size.firstAnswer());
    for (const [nth, size] of all.entries()) {
      const { levels, rssMiB = null, notRun } = /** @type {(typeof measured)[number]} */ (measured[nth]);
      const [level] = levels;
      const { sessions } = size;
      const { readings = [], problem = null } = starts.get(size) ?? {};
      const reason = notRun ?? problem;
      if (reason !== null || level === undefined) {
        results.push({ database, sessions, notRun: reason ?? "it gave no figure" });
        continue;
      }
      const { perSecond, p99Ms, ofReference: ofSmallest, serverCpuMicroseconds, databaseCpuMicroseconds } = level;
      const bytes = size.bytes();
      const firstAnswerMs = spread(readings);
      const figures = { perSecond, p99Ms, ofSmallest, serverCpuMicroseconds, databaseCpuMicroseconds, rssMiB };
      results.push({ database, sessions, notRun: null, ...figures, bytes, firstAnswerMs });
    }
  }
  return results;
}

/**
 * @param {DatabaseName} database
 * @param {number} sessions
 * @param {import("./harness/postgres.mjs").BenchPostgres} postgres
 * @param {string} folder
 * @param {(line: string) => void} tell
 */
function createSize(database, sessions, postgres, folder, tell) {
  const secret = randomBytes(32).toString("base64url");
  const own = join(folder, `${database}-${sessions}`);
  const isPostgres = database === "PostgreSQL";
  /** @type {import("./harness/fill-sqlite.mjs").FilledBytes | undefined} */
  let filled;
  let at = join(own, "latchkey.db");
  /** @type {string[]} */
  let unused = [];

  const start = () =>
    startLatchkey({ database: at, secret, folder: own, ...(isPostgres ? { postgresPid: postgres.pid } : {}) });

  /** @type {import("./refresh-subjects.mjs").Subject} */
  const subject = {
    name: `${database}, ${sessions.toLocaleString("en-US")} sessions`,
    kind: "latchkey",
    stores: "one row a session",
    signs: "ES256",
    wire: "json",
    path: "/auth/refresh",
    async start(_, { BENCH_TOKENS: tokensFile = "" }) {
      tell(`${subject.name}: filling`);
      mkdirSync(own);
      if (isPostgres) at = await postgres.createDatabase();
      filled = await fillDatabase({ database: at, secret, sessions, sample: SAMPLE, tokensFile });
      const tokens = JSON.parse(readFileSync(tokensFile, "utf8"));
      unused = tokens.splice(-STARTS);
      writeFileSync(tokensFile, JSON.stringify(tokens));
      return start();
    },
  };

  return {
    sessions,
    subject,
    bytes: () => /** @type {import("./harness/fill-sqlite.mjs").FilledBytes} */ (filled),
    /** The milliseconds from the start of a process until it has refreshed a session. */
    async firstAnswer() {
      const started = performance.now();
      const server = await start();
      try {
        const response = await fetch(`${server.url}/auth/refresh`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ refresh_token: unused.pop() }),
        });
        if (!response.ok) throw new Error(`its first answer was ${response.status}`);
        await response.arrayBuffer();
        return performance.now() - started;
      } finally {
        await server.stop();
      }
    },
  };
}
