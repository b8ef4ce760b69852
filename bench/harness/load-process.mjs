// The load generator: a process of its own, told over IPC what to ask of whom. Every connection goes through its share of the
// tokens, one after the other, and sends the next request when the answer to the last is there (a closed loop).
import { readFileSync } from "node:fs";
import { openConnection } from "./connection.mjs";
import { createWire } from "./wires.mjs";

/**
 * @typedef {{ readonly id: number, readonly subject: string, readonly url: string, readonly wire: import("./wires.mjs").WireName,
 *   readonly tokensFile: string, readonly connections: number, readonly seconds: number }} LoadRequest
 * @typedef {{ readonly perSecond: number, readonly p50Ms: number, readonly p99Ms: number, readonly requests: number,
 *   readonly generatorCpu: number }} LoadResult `generatorCpu` is the share of one core that the generator itself used
 * @typedef {{ readonly id: number, readonly result: LoadResult } | { readonly id: number, readonly problem: string }} LoadAnswer
 */

/** @type {Map<string, string[]>} */
const tokensOf = new Map();

process.on("message", async (/** @type {LoadRequest} */ request) => {
  try {
    process.send?.({ id: request.id, result: await load(request) });
  } catch (error) {
    process.send?.({ id: request.id, problem: error instanceof Error ? error.message : String(error) });
  }
});
process.on("disconnect", () => process.exit());

/**
 * @param {LoadRequest} request
 * @returns {Promise<LoadResult>}
 */
async function load({ subject, url, wire: wireName, tokensFile, connections, seconds }) {
  const { hostname, port, host, pathname } = new URL(url);
  const wire = createWire(wireName, pathname, host);
  const tokens = tokensOf.get(subject) ?? /** @type {string[]} */ (JSON.parse(readFileSync(tokensFile, "utf8")));
  tokensOf.set(subject, tokens);
  /** @type {number[]} */
  const latencies = [];
  const opened = await Promise.all(Array.from({ length: connections }, () => openConnection(hostname, Number(port))));

  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const end = started + seconds * 1000;
  try {
    await Promise.all(
      opened.map(async (connection, nth) => {
        for (let at = nth; performance.now() < end; at += connections) {
          if (at >= tokens.length) at = nth;
          const token = /** @type {string} */ (tokens[at]);
          const bytes = wire.bytes(token);
          const sent = performance.now();
          const { status, body } = await connection.request(bytes);
          latencies.push(performance.now() - sent);
          const next = status === 200 ? wire.next(body, token) : undefined;
          if (next === undefined) throw new Error(`answered ${status}: ${body.slice(0, 200)}`);
          tokens[at] = next;
        }
      }),
    );
  } finally {
    for (const connection of opened) connection.close();
  }
  const elapsedMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpuBefore);
  const sorted = Float64Array.from(latencies).sort();
  return {
    perSecond: (latencies.length / elapsedMs) * 1000,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    requests: latencies.length,
    generatorCpu: (user + system) / 1000 / elapsedMs,
  };
}

/**
 * @param {Float64Array} sorted
 * @param {number} share
 */
function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
