// Counts the bytes that a refresh allocates on the JavaScript heap, and prints them. Run with --expose-gc and a young generation so
// large that nothing is collected while it counts.
import { PerformanceObserver } from "node:perf_hooks";
import { createIssuer } from "../dist/index.js";
import { createSqliteStore } from "../dist/store/sqlite/sqlite.js";

const BATCH = 32;
const WARM_UP_BATCHES = 60;
const COUNTED_BATCHES = 20;

const issuer = await createIssuer({
  issuer: "http://127.0.0.1:4000",
  secret: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
  store: await createSqliteStore(":memory:"),
  subjects: async (ids) => new Map(ids.map((id) => [id, { roles: [] }])),
  sessionRefreshesPerMinute: 0,
});
const subjects = Array.from({ length: BATCH }, (_, nth) => `user-${nth}`);
let tokens = (await Promise.all(subjects.map((subject) => issuer.issue({ subject })))).map((pair) => pair.refreshToken);
let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ["gc"] });

/** @param {() => Promise<string[]>} refreshAll */
async function bytesEach(refreshAll) {
  for (let nth = 0; nth < WARM_UP_BATCHES; nth++) tokens = await refreshAll();
  /** @type {number[]} */
  const readings = [];
  globalThis.gc?.();
  await new Promise((resolve) => setTimeout(resolve, 20));
  collections = 0;
  for (let nth = 0; nth < COUNTED_BATCHES; nth++) {
    const before = process.memoryUsage().heapUsed;
    tokens = await refreshAll();
    readings.push((process.memoryUsage().heapUsed - before) / BATCH);
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  // The median bears a few of them.
  if (collections > COUNTED_BATCHES / 4) throw new Error(`${collections} collections came in between`);
  return Math.round(readings.sort((a, b) => a - b)[COUNTED_BATCHES / 2] ?? 0);
}

const refreshAll = async () => {
  const pairs = await Promise.all(tokens.map((token) => issuer.refresh(token)));
  return pairs.map(({ refreshToken }) => refreshToken);
};
process.stdout.write(String(await bytesEach(refreshAll)));
await issuer.close();
