import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fillDatabase, startLatchkey } from "./harness/latchkey.mjs";
import { startLoadGenerator } from "./harness/load.mjs";
import { inRounds, spread } from "./harness/rounds.mjs";

const SESSIONS = 2048;
const CONNECTIONS = 32;
/** How many people log in at a time, the next when the one before is in; the hashing queue takes them all. */
const LOGINS_AT_ONCE = 32;
const STORM_LEAD_MS = 500;

/**
 * `ratio` divides the p99 of refreshes during the storm by the quiet one of the same round.
 * @typedef {import("./harness/rounds.mjs").Spread} Spread
 * @typedef {{ readonly database: string, readonly notRun: string } | { readonly database: string, readonly notRun: null,
 *   readonly quietPerSecond: Spread, readonly stormPerSecond: Spread, readonly loginsPerSecond: Spread,
 *   readonly quietP99Ms: Spread, readonly stormP99Ms: Spread, readonly ratio: Spread }} LoginStormResult
 */

/**
 * Refreshes while everybody logs in, and while nobody does, in turns.
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {import("./harness/postgres.mjs").BenchPostgres} postgres
 * @param {{ readonly rounds: number, readonly seconds: number }} plan
 * @param {string} folder
 * @returns {Promise<LoginStormResult[]>}
 */
export async function measureLoginStorm(generator, postgres, plan, folder) {
  const loginGenerator = startLoadGenerator();
  /** @type {LoginStormResult[]} */
  const results = [];
  try {
    for (const database of ["SQLite", "PostgreSQL"]) {
      const own = join(folder, `login-storm-${database}`);
      mkdirSync(own);
      try {
        const isPostgres = database === "PostgreSQL";
        const place = isPostgres ? await postgres.createDatabase() : join(own, "latchkey.db");
        results.push({ database, notRun: null, ...(await measureOne(place, plan, own, generator, loginGenerator)) });
      } catch (error) {
        results.push({ database, notRun: error instanceof Error ? error.message : String(error) });
      }
    }
  } finally {
    loginGenerator.stop();
  }
  return results;
}

/**
 * @param {string} database
 * @param {{ readonly rounds: number, readonly seconds: number }} plan
 * @param {string} folder
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {import("./harness/load.mjs").LoadGenerator} loginGenerator
 */
async function measureOne(database, { rounds, seconds }, folder, generator, loginGenerator) {
  const secret = randomBytes(32).toString("base64url");
  const tokensFile = join(folder, "tokens.json");
  const usernamesFile = join(folder, "usernames.json");
  await fillDatabase({ database, secret, sessions: SESSIONS, sample: SESSIONS, tokensFile });
  writeFileSync(usernamesFile, JSON.stringify(Array.from({ length: SESSIONS }, (_, nth) => `user-${nth}`)));
  const server = await startLatchkey({ database, secret, folder });

  const refreshing = () => {
    const request = {
      subject: folder,
      url: `${server.url}/auth/refresh`,
      wire: /** @type {const} */ ("json"),
      tokensFile,
    };
    return generator.run({ ...request, connections: CONNECTIONS, seconds });
  };
  async function storming() {
    const logins = loginGenerator.run({
      subject: folder,
      url: `${server.url}/auth/login`,
      wire: "login",
      tokensFile: usernamesFile,
      connections: LOGINS_AT_ONCE,
      seconds: seconds + (2 * STORM_LEAD_MS) / 1000,
    });
    // Whatever fails first is told, and the other one waited for.
    const [loggedIn, refreshed] = await Promise.allSettled([logins, wait(STORM_LEAD_MS).then(refreshing)]);
    if (loggedIn.status === "rejected") throw loggedIn.reason;
    if (refreshed.status === "rejected") throw refreshed.reason;
    return { ...refreshed.value, loginsPerSecond: loggedIn.value.perSecond };
  }

  try {
    await refreshing();
    const measured = await inRounds([refreshing, storming], rounds, async (read) => ({
      loginsPerSecond: 0,
      ...(await read()),
    }));
    const problem = [...measured.values()].find((one) => one.problem !== undefined)?.problem;
    if (problem !== undefined) throw new Error(problem);
    const quiet = measured.get(refreshing)?.readings ?? [];
    const storm = measured.get(storming)?.readings ?? [];
    return {
      quietPerSecond: spread(quiet.map(({ perSecond }) => perSecond)),
      stormPerSecond: spread(storm.map(({ perSecond }) => perSecond)),
      loginsPerSecond: spread(storm.map(({ loginsPerSecond }) => loginsPerSecond)),
      quietP99Ms: spread(quiet.map(({ p99Ms }) => p99Ms)),
      stormP99Ms: spread(storm.map(({ p99Ms }) => p99Ms)),
      ratio: spread(storm.map(({ p99Ms }, round) => p99Ms / (quiet[round]?.p99Ms ?? 0))),
    };
  } finally {
    await server.stop();
  }
}
