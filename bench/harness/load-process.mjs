// The load generator: a process of its own, told over IPC what to ask of whom. Every connection goes through its share of the
// tokens, one after the other. Without a pace it sends the next request when the answer to the last is there (a closed loop); with
// one, requests are due at fixed times, whichever connection is free takes the next, and its latency begins when it was due.
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { openConnection } from "./connection.mjs";
import { createWire } from "./wires.mjs";

/**
 * `perSecond` is the pace, all connections together. `tolerates` are the statuses beside 200 that do not end the run; a token that
 * got one is sent again in its turn.
 * @typedef {{ readonly id: number, readonly subject: string, readonly url: string, readonly wire: import("./wires.mjs").WireName,
 *   readonly tokensFile: string, readonly connections: number, readonly seconds: number, readonly perSecond?: number,
 *   readonly tolerates?: readonly number[] }} LoadRequest
 * @typedef {{ readonly perSecond: number, readonly p50Ms: number, readonly p90Ms: number, readonly p99Ms: number,
 *   readonly p999Ms: number, readonly requests: number, readonly answers: Readonly<Record<number, number>>,
 *   readonly generatorCpu: number }} LoadResult `answers` counts them by status; `generatorCpu` is the share of one core that the
 *   generator itself used
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
async function load(request) {
  const { subject, url, wire: wireName, tokensFile, connections, seconds, perSecond, tolerates = [] } = request;
  const { hostname, port, host, pathname } = new URL(url);
  const wire = createWire(wireName, pathname, host);
  const tokens = tokensOf.get(subject) ?? /** @type {string[]} */ (JSON.parse(readFileSync(tokensFile, "utf8")));
  tokensOf.set(subject, tokens);
  /** @type {number[]} */
  const latencies = [];
  /** @type {Record<number, number>} */
  const answers = {};
  const opened = await Promise.all(Array.from({ length: connections }, () => openConnection(hostname, Number(port))));

  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const end = started + seconds * 1000;
  const turn = perSecond === undefined ? () => performance.now() : createPace(started, perSecond);
  /** @param {import("./connection.mjs").Connection} connection @param {number} at @param {number} due */
  async function present(connection, at, due) {
    const token = /** @type {string} */ (tokens[at]);
    const { status, body } = await connection.request(wire.bytes(token));
    latencies.push(performance.now() - due);
    answers[status] = (answers[status] ?? 0) + 1;
    const next = status === 200 ? wire.next(body, token) : undefined;
    if (next !== undefined) tokens[at] = next;
    else if (!tolerates.includes(status)) throw new Error(`answered ${status}: ${body.slice(0, 200)}`);
  }
  try {
    await Promise.all(
      opened.map(async (connection, nth) => {
        for (let at = nth; ; at += connections) {
          const due = turn();
          if (due >= end) return;
          const early = due - performance.now();
          if (early > 0) await wait(early);
          if (at >= tokens.length) at = nth;
          await present(connection, at, due);
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
    p90Ms: percentile(sorted, 0.9),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
    requests: latencies.length,
    answers,
    generatorCpu: (user + system) / 1000 / elapsedMs,
  };
}

/**
 * Gives the time of the next request, at even distances.
 * @param {number} started
 * @param {number} perSecond
 */
function createPace(started, perSecond) {
  let sent = 0;
  return () => started + (sent++ * 1000) / perSecond;
}

/**
 * @param {Float64Array} sorted
 * @param {number} share
 */
function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
