import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inRounds, spread } from "./harness/rounds.mjs";
import { startServerProcess } from "./harness/server-process.mjs";

const SESSIONS = 256;
const CONNECTIONS = 32;
const script = fileURLToPath(new URL("./subjects/guarded.mjs", import.meta.url));

/**
 * `cost` is the share of the unguarded route's rate that the guard takes, of the two runs of one round that stand side by side.
 * @typedef {import("./harness/rounds.mjs").Spread} Spread
 * @typedef {{ readonly framework: string, readonly open: Spread, readonly guarded: Spread, readonly cost: Spread }} GuardResult
 */

/**
 * Requests a second on a route behind a guard and on the same one without, with access tokens that have been seen before.
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {{ readonly rounds: number, readonly seconds: number }} plan
 * @param {string} folder
 * @returns {Promise<(GuardResult | { readonly framework: string, readonly notRun: string })[]>}
 */
export async function measureGuards(generator, { rounds, seconds }, folder) {
  const results = [];
  for (const framework of ["hono", "express", "fastify"]) {
    const own = join(folder, framework);
    const tokensFile = join(own, "tokens.json");
    mkdirSync(own);
    const server = await startServerProcess({
      file: process.execPath,
      args: [script, framework],
      environment: { BENCH_TOKENS: tokensFile, BENCH_SESSIONS: String(SESSIONS), NODE_ENV: "production" },
      folder: own,
    });
    const rate = async (/** @type {string} */ path, duration = seconds) => {
      const request = { subject: framework, wire: /** @type {const} */ ("bearer-get"), tokensFile };
      const url = server.url + path;
      return (await generator.run({ ...request, url, connections: CONNECTIONS, seconds: duration })).perSecond;
    };
    try {
      await rate("/open", 1);
      await rate("/guarded", 1);
      const measured = await inRounds(["/open", "/guarded"], rounds, (path) => rate(path));
      const of = (/** @type {string} */ path) => measured.get(path)?.readings ?? [];
      const problem = [...measured.values()].find((one) => one.problem !== undefined)?.problem;
      if (problem !== undefined) throw new Error(problem);
      const costs = of("/open").map((open, round) => 1 - (of("/guarded")[round] ?? 0) / open);
      results.push({ framework, open: spread(of("/open")), guarded: spread(of("/guarded")), cost: spread(costs) });
    } catch (error) {
      results.push({ framework, notRun: error instanceof Error ? error.message : String(error) });
    } finally {
      await server.stop();
    }
  }
  return results;
}
