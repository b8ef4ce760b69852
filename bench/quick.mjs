import { createIssuer } from "../dist/index.js";
import { createSqliteStore } from "../dist/store/sqlite.js";

const SESSIONS = 32;

/**
 * What a refresh may cost, in counts that no noise moves: `[what, counted, allowed]`.
 * @typedef {readonly [what: string, counted: number, allowed: number]} Count
 */

/**
 * Counts on the built package and a store in memory.
 * @returns {Promise<readonly Count[]>}
 */
export async function counts() {
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
      ["transactions, a lone refresh", lone.transactions, 1],
      ["row writes, a lone refresh", lone.writes, 1],
      ["row writes, a racing twin", late.writes, 0],
      [`transactions, ${SESSIONS} refreshes at once`, batch.transactions, 1],
      [`row writes, ${SESSIONS} refreshes at once`, batch.writes, SESSIONS],
      [`transactions, ${SESSIONS} twins at once`, twins.transactions, 1],
      [`row writes, ${SESSIONS} twins at once`, twins.writes, 1],
      [`transactions, ${SESSIONS} sign-ins at once`, signIns.transactions, 1],
      ["rows, all refreshes done, beyond one for each sign-in", liveSessions - (2 * SESSIONS + 2), 0],
    ];
  } finally {
    await issuer.close();
  }
}

/** The counts in words, and whether none is above what it may be. */
export async function countsReport() {
  const counted = await counts();
  const isGood = (/** @type {Count} */ [, count, allowed]) => count <= allowed;
  return {
    lines: counted.map((count) => `${isGood(count) ? "ok    " : "FAILED"}  ${count[0]}: ${count[1]} of ${count[2]}`),
    passed: counted.every(isGood),
  };
}
