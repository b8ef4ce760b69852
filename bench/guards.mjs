import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installNodePeers, peerProgram } from "./harness/peer-installation.mjs";
import { inRounds, spread } from "./harness/rounds.mjs";
import { startServerProcess } from "./harness/server-process.mjs";

const SESSIONS = 256;
const CONNECTIONS = 32;
const script = fileURLToPath(new URL("./subjects/guarded.mjs", import.meta.url));
const OWN = "ES256 access token, seen before; revocations from memory";

/**
 * `how` is what the guard does at every request; `cost` is the share of the unguarded route's rate that it takes, of the two runs
 * of one round that stand side by side.
 * @typedef {import("./harness/rounds.mjs").Spread} Spread
 * @typedef {{ readonly name: string, readonly how: string, readonly open: Spread, readonly guarded: Spread, readonly cost: Spread }
 *   | { readonly name: string, readonly how: string, readonly notRun: string }} GuardResult
 * @typedef {{ readonly name: string, readonly how: string, readonly wire: import("./harness/wires.mjs").WireName,
 *   readonly start: import("./refresh-subjects.mjs").Subject["start"] }} GuardSubject
 */

/** @returns {readonly GuardSubject[]} */
function subjects() {
  const own = ["hono", "express", "fastify"].map((framework) => ({
    name: `Latchkey, ${framework}`,
    how: OWN,
    wire: /** @type {const} */ ("bearer-get"),
    start: (/** @type {string} */ folder, /** @type {Readonly<Record<string, string>>} */ environment) =>
      startServerProcess({ file: process.execPath, args: [script, framework], environment, folder }),
  }));
  const betterAuth = {
    name: "Better Auth get-session, express",
    how: "reads the session and the person from SQLite",
    wire: /** @type {const} */ ("cookie-get"),
    start: peerProgram(installNodePeers(), process.execPath, "better-auth-session.mjs"),
  };
  return [...own, betterAuth];
}

/**
 * Requests a second on a route behind a guard and on the same one without.
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {{ readonly rounds: number, readonly seconds: number }} plan
 * @param {string} folder
 * @returns {Promise<GuardResult[]>}
 */
export async function measureGuards(generator, plan, folder) {
  const results = [];
  for (const subject of subjects()) {
    const { name, how } = subject;
    try {
      results.push({ name, how, ...(await measureOne(subject, generator, plan, folder)) });
    } catch (error) {
      results.push({ name, how, notRun: error instanceof Error ? error.message : String(error) });
    }
  }
  return results;
}

/**
 * @param {GuardSubject} subject
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {{ readonly rounds: number, readonly seconds: number }} plan
 * @param {string} folder
 */
async function measureOne({ name, wire, start }, generator, { rounds, seconds }, folder) {
  const own = join(folder, name.replace(/\W+/g, "-"));
  const tokensFile = join(own, "tokens.json");
  mkdirSync(own);
  const server = await start(own, {
    BENCH_TOKENS: tokensFile,
    BENCH_SESSIONS: String(SESSIONS),
    NODE_ENV: "production",
  });
  const rate = async (/** @type {string} */ path, duration = seconds) => {
    const url = server.url + path;
    const request = { subject: name, wire, tokensFile, url, connections: CONNECTIONS, seconds: duration };
    return (await generator.run(request)).perSecond;
  };
  try {
    await rate("/open", 1);
    await rate("/guarded", 1);
    const measured = await inRounds(["/open", "/guarded"], rounds, (path) => rate(path));
    const of = (/** @type {string} */ path) => measured.get(path)?.readings ?? [];
    const problem = [...measured.values()].find((one) => one.problem !== undefined)?.problem;
    if (problem !== undefined) throw new Error(problem);
    const costs = of("/open").map((open, round) => 1 - (of("/guarded")[round] ?? 0) / open);
    return { open: spread(of("/open")), guarded: spread(of("/guarded")), cost: spread(costs) };
  } finally {
    await server.stop();
  }
}
