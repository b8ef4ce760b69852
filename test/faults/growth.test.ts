import { statSync } from "node:fs";
import Libsql from "libsql";
import { afterAll, beforeAll, expect, it } from "vitest";
import { decideRotation } from "../../src/records/rotation.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import type { FoundSession } from "../../src/store/session-store.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { report, seed, times } from "../support/long-run.ts";
import { newPath } from "../support/places.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { newSession, vouched } from "../support/records.ts";
import { type Below, seededRandom } from "../support/seeded-random.ts";

const SESSIONS = 1000;
const REFRESHES_OF_EACH = 1000;
/** SQLite overwrites a row where it stands, so that less shows as much. */
const REFRESHES_ON_SQLITE = times({ short: 250, long: REFRESHES_OF_EACH });
/** Those that arrive together are a part of those that are there. */
const BATCH = 125;
/** Of each session, where every refresh adds a row and the old ones are kept as evidence. */
const ROWS_OF_EACH = times({ short: 100, long: REFRESHES_OF_EACH });
const TIMEOUT = { timeout: 600_000 };

let postgres: PostgresServer;
beforeAll(async () => {
  // While autovacuum looks at a table, the versions that its snapshot may see cannot be cleared away, and new pages are taken. When
  // it comes is chance; the size must not need it either, since each refresh clears the page that it writes to.
  postgres = await startPostgres({ settings: { autovacuum: "off" } });
});
afterAll(() => postgres?.remove());

async function createSessions(store: Store): Promise<readonly string[]> {
  const sessions = Array.from({ length: SESSIONS }, () => newSession({ userAgent: "Mozilla/5.0", ip: "192.0.2.1" }));
  await store.createSessions(sessions.map((session) => vouched(session)));
  return sessions.map(({ id }) => id);
}

/** The newest token is presented, as by a client that misses no answer. */
function advanced(found: FoundSession | null) {
  const { rotation } = found!.session;
  const decision = decideRotation(rotation, rotation.pendingTo, rotation.rotatedAt + 900_000, {
    rotationGraceSeconds: 10,
    staleWithProof: "answer",
  });
  if (decision.kind !== "advance") throw new Error(decision.kind);
  return { rotation: decision.next };
}

/** Rotates each session so many times, in batches of any that arrive together. */
async function rotateAll(store: Store, ids: readonly string[], rounds: number, below: Below): Promise<void> {
  const order = [...ids];
  for (let round = 0; round < rounds; round++) {
    for (let at = order.length - 1; at > 0; at--) {
      const other = below(at + 1);
      [order[at], order[other]] = [order[other]!, order[at]!];
    }
    for (let at = 0; at < order.length; at += BATCH) {
      await store.changeSessions(order.slice(at, at + BATCH), (_, found) => advanced(found));
    }
  }
}

async function expectRotated(store: Store, ids: readonly string[], rounds: number): Promise<void> {
  for (const id of ids) {
    expect((await store.findSession(id))!.rotation).toMatchObject({
      confirmed: rounds,
      pendingFrom: rounds + 1,
      pendingTo: rounds + 1,
    });
  }
}

/** Says what was found, and that the table is as large as it was. */
function tell(
  on: string,
  refreshes: number,
  began: number,
  [before, after, rowEach]: readonly [number, number, number],
): void {
  const kilobytes = (bytes: number) => Math.round(bytes / 1024);
  report({
    run: `${refreshes.toLocaleString("en")} refreshes of each session, ${on}`,
    count: SESSIONS,
    seed,
    seconds: (performance.now() - began) / 1000,
    found: {
      "kB before": kilobytes(before),
      "kB after": kilobytes(after),
      [`kB with a row for each refresh, after ${ROWS_OF_EACH} of each session`]: kilobytes(rowEach),
    },
  });
  expect(after / before).toBeGreaterThan(0.8);
  expect(after / before).toBeLessThan(1.2);
  expect(rowEach).toBeGreaterThan(after * 10);
}

it(
  "a thousand refreshes of each of a thousand sessions leave the rows and the size of PostgreSQL's tables as they were",
  TIMEOUT,
  async () => {
    const database = await postgres.createDatabase();
    const store = await createPostgresStore(postgres.url(database));
    const sql = (text: string) => postgres.sql(text, database);
    try {
      const began = performance.now();
      const ids = await createSessions(store);
      const state = async () => {
        await sql("VACUUM latchkey.sessions");
        const [{ bytes }] = await sql("SELECT pg_total_relation_size('latchkey.sessions')::int AS bytes");
        const tables: readonly { name: string }[] = await sql(
          "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'latchkey' ORDER BY 1",
        );
        const counts = tables.map(({ name }) => `SELECT '${name}' AS name, count(*)::int FROM latchkey.${name}`);
        return { bytes, rows: await sql(counts.join(" UNION ALL ")) };
      };
      const before = await state();
      await rotateAll(store, ids, REFRESHES_OF_EACH, seededRandom(seed));
      const after = await state();
      expect(after.rows).toEqual(before.rows);
      await expectRotated(store, ids, REFRESHES_OF_EACH);

      await sql(
        "CREATE TABLE refresh_tokens (hash bytea PRIMARY KEY, session_id bytea NOT NULL, created_at bigint NOT NULL, used_at bigint)",
      );
      await sql(`INSERT INTO refresh_tokens SELECT sha256(convert_to(id::text || nth, 'UTF8')), id, created_at, created_at + nth
               FROM generate_series(1, ${ROWS_OF_EACH}) AS nth, latchkey.sessions`);
      await sql("VACUUM refresh_tokens");
      const [{ bytes }] = await sql("SELECT pg_total_relation_size('refresh_tokens')::int AS bytes");
      tell("PostgreSQL", REFRESHES_OF_EACH, began, [before.bytes, after.bytes, bytes]);
    } finally {
      await store.close();
    }
  },
);

it(
  `${REFRESHES_ON_SQLITE} refreshes of each of a thousand sessions leave a SQLite file as large as it was`,
  TIMEOUT,
  async () => {
    const path = newPath();
    /** Closing writes what has gathered beside the file into it. */
    async function used<T>(act: (store: Store) => Promise<T>): Promise<T> {
      const store = await createSqliteStore(path);
      try {
        return await act(store);
      } finally {
        await store.close();
      }
    }
    const began = performance.now();
    const ids = await used(createSessions);
    const before = statSync(path).size;
    await used((store) => rotateAll(store, ids, REFRESHES_ON_SQLITE, seededRandom(seed)));
    const after = statSync(path).size;
    await used(async (store) => {
      expect(await store.count(0)).toMatchObject({ liveSessions: SESSIONS, revokedSessions: 0 });
      await expectRotated(store, ids, REFRESHES_ON_SQLITE);
    });

    const tutorial = newPath();
    const database = new Libsql(tutorial);
    database.exec(`
    CREATE TABLE refresh_tokens (hash BLOB PRIMARY KEY, session_id BLOB NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER);
    WITH RECURSIVE nth (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM nth WHERE n < ${SESSIONS * ROWS_OF_EACH})
    INSERT INTO refresh_tokens SELECT randomblob(32), randomblob(16), ${Date.now()}, ${Date.now()} FROM nth`);
    database.close();
    tell("SQLite", REFRESHES_ON_SQLITE, began, [before, after, statSync(tutorial).size]);
  },
);
