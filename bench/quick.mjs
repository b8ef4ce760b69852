import { fileURLToPath } from "node:url";
import { createIssuer } from "../dist/index.js";
import { createSqliteStore } from "../dist/store/sqlite/sqlite.js";
import { runQuietly } from "../scripts/programs.mjs";
import { postgresCounts } from "./postgres-counts.mjs";

const SESSIONS = 32;

const allocating = fileURLToPath(new URL("./allocation-process.mjs", import.meta.url));
/** Nothing is collected while it counts. */
const GENEROUS_HEAP = ["--expose-gc", "--min-semi-space-size=128", "--max-semi-space-size=256"];
/** A fifth more than it is, since versions of Node.js differ. */
const ALLOCATED_BYTES_ALLOWED = 21_000;

/**
 * What a refresh may cost, in counts that no noise moves. Bytes alone may be fewer than allowed.
 * @typedef {{ readonly what: string, readonly counted: number, readonly allowed: number, readonly unit?: "bytes" }} Count
 */

/**
 * Counts on the built package: transactions and writes in memory, round trips on PostgreSQL, and what is allocated.
 * @returns {Promise<readonly Count[]>}
 */
export async function counts() {
  return [...(await sqliteCounts()), ...(await postgresCounts()), await allocations()];
}

/** @returns {Promise<Count>} */
async function allocations() {
  const { code, output } = await runQuietly({ file: process.execPath, args: [...GENEROUS_HEAP, allocating] });
  if (code !== 0) throw new Error(`what is allocated could not be counted: ${output.trim()}`);
  const what = "bytes on the JavaScript heap, a refresh in a batch of 32";
  return { what, counted: Number(output), allowed: ALLOCATED_BYTES_ALLOWED, unit: "bytes" };
}

/** @returns {Promise<readonly Count[]>} */
async function sqliteCounts() {
  const store = await createSqliteStore(":memory:");
  const issuer = await createIssuer({
    issuer: "http://127.0.0.1:4000",
    secret: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
    store,
    subjects: async (ids) => new Map(ids.map((id) => [id, { roles: [] }])),
  });
  /** @param {() => Promise<unknown>} act */
  async function cost(act) {
    const before = { ...store.statistics };
    await act();
    return {
      transactions: store.statistics.transactions - before.transactions,
      writes: store.statistics.sessionWrites - before.sessionWrites,
    };
  }

  try {
    const subjects = Array.from({ length: SESSIONS }, (_, nth) => `user-${nth}`);
    const signIns = await cost(() => Promise.all(subjects.map((subject) => issuer.issue({ subject }))));
    const pair = await issuer.issue({ subject: "somebody" });
    const pairs = await Promise.all(subjects.map((subject) => issuer.issue({ subject })));
    const lone = await cost(() => issuer.refresh(pair.refreshToken));
    const late = await cost(() => issuer.refresh(pair.refreshToken));
    const batch = await cost(() => Promise.all(pairs.map(({ refreshToken }) => issuer.refresh(refreshToken))));
    const fresh = await issuer.issue({ subject: "somebody" });
    const twins = await cost(() =>
      Promise.all(Array.from({ length: SESSIONS }, () => issuer.refresh(fresh.refreshToken))),
    );
    const { liveSessions } = (await issuer.metrics()).store;
    return [
      { what: "transactions, a lone refresh", counted: lone.transactions, allowed: 1 },
      { what: "row writes, a lone refresh", counted: lone.writes, allowed: 1 },
      { what: "row writes, a racing twin", counted: late.writes, allowed: 0 },
      { what: `transactions, ${SESSIONS} refreshes at once`, counted: batch.transactions, allowed: 1 },
      { what: `row writes, ${SESSIONS} refreshes at once`, counted: batch.writes, allowed: SESSIONS },
      { what: `transactions, ${SESSIONS} twins at once`, counted: twins.transactions, allowed: 1 },
      { what: `row writes, ${SESSIONS} twins at once`, counted: twins.writes, allowed: 1 },
      { what: `transactions, ${SESSIONS} sign-ins at once`, counted: signIns.transactions, allowed: 1 },
      {
        what: "rows, all refreshes done, beyond one for each sign-in",
        counted: liveSessions - (2 * SESSIONS + 2),
        allowed: 0,
      },
    ];
  } finally {
    await issuer.close();
  }
}

/**
 * Whether a count is what it has to be.
 * @param {Count} count
 */
export function isGood({ counted, allowed, unit }) {
  return unit === "bytes" ? counted <= allowed : counted === allowed;
}

/** The counts in words, and whether all are as they have to be. */
export async function countsReport() {
  const counted = await counts();
  return {
    lines: counted.map(
      (count) => `${isGood(count) ? "ok    " : "FAILED"}  ${count.what}: ${count.counted} of ${count.allowed}`,
    ),
    passed: counted.every(isGood),
  };
}
