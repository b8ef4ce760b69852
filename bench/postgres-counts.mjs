import { AsyncLocalStorage } from "node:async_hooks";
import pg from "pg";
import { createIssuer } from "../dist/index.js";
import { createPostgresStore } from "../dist/store/postgres/postgres.js";
import { createBenchPostgres } from "./harness/postgres.mjs";

const SESSIONS = 32;

/**
 * What acts cost on PostgreSQL, counted at `pg`'s client: a round trip is whatever is sent while nothing sent before is still
 * unanswered on that connection, and the statements are those that do not begin or end a transaction.
 * @returns {Promise<readonly import("./quick.mjs").Count[]>}
 */
export async function postgresCounts() {
  const counter = countQueries();
  const postgres = createBenchPostgres();
  try {
    const issuer = await createIssuer({
      issuer: "http://127.0.0.1:4000",
      secret: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
      store: await createPostgresStore(await postgres.createDatabase()),
      subjects: async (ids) => new Map(ids.map((id) => [id, { roles: [] }])),
    });
    try {
      const many = Array.from({ length: SESSIONS }, (_, nth) => nth);
      const pairs = await Promise.all(many.map((nth) => issuer.issue({ subject: `user-${nth}` })));
      const lonePair = await issuer.issue({ subject: "somebody" });
      const twinPair = await issuer.issue({ subject: "somebody" });
      const lone = await counter.of(() => issuer.refresh(lonePair.refreshToken));
      const late = await counter.of(() => issuer.refresh(lonePair.refreshToken));
      const batch = await counter.of(() => Promise.all(pairs.map(({ refreshToken }) => issuer.refresh(refreshToken))));
      const twins = await counter.of(() => Promise.all(many.map(() => issuer.refresh(twinPair.refreshToken))));
      return [
        { what: "PostgreSQL: round trips, a lone refresh", counted: lone.trips, allowed: 2 },
        { what: "PostgreSQL: statements, a lone refresh", counted: lone.statements, allowed: 2 },
        { what: `PostgreSQL: round trips, ${SESSIONS} refreshes at once`, counted: batch.trips, allowed: 2 },
        { what: `PostgreSQL: statements, ${SESSIONS} refreshes at once`, counted: batch.statements, allowed: 2 },
        {
          what: `PostgreSQL: round trips of ${SESSIONS - 1} racing twins, beyond the first's`,
          counted: twins.trips - 2,
          allowed: 0,
        },
        {
          what: "PostgreSQL: round trips of a twin that comes later, beyond the read",
          counted: late.trips - 1,
          allowed: 0,
        },
      ];
    } finally {
      await issuer.close();
    }
  } finally {
    counter.stop();
    await postgres.remove();
  }
}

/** Counts only what an act itself has sent, not what the issuer does meanwhile by a clock. */
function countQueries() {
  /** @type {AsyncLocalStorage<{ trips: number, statements: number }>} */
  const acts = new AsyncLocalStorage();
  /** @type {WeakMap<object, number>} */
  const unanswered = new WeakMap();
  const { query } = pg.Client.prototype;

  /** @type {(this: pg.Client, ...args: any[]) => any} */
  function counted(...args) {
    const sent = Reflect.apply(query, this, args);
    const waiting = unanswered.get(this) ?? 0;
    const act = acts.getStore();
    // A new connection is asked once whether it leads to the primary.
    if (act !== undefined && !String(args[0]).startsWith("SHOW")) {
      if (waiting === 0) act.trips += 1;
      if (!/^(BEGIN|COMMIT|ROLLBACK)/.test(String(args[0]))) act.statements += 1;
    }
    unanswered.set(this, waiting + 1);
    const answered = () => unanswered.set(this, (unanswered.get(this) ?? 1) - 1);
    sent.then(answered, answered);
    return sent;
  }
  pg.Client.prototype.query = counted;

  return {
    /** @param {() => Promise<unknown>} act */
    async of(act) {
      const counts = { trips: 0, statements: 0 };
      await acts.run(counts, act);
      return counts;
    },
    stop() {
      pg.Client.prototype.query = query;
    },
  };
}
