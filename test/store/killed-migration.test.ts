import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import Libsql from "libsql";
import { describe, expect, it, onTestFinished } from "vitest";
import { deriveRefreshToken } from "../../src/secrets/refresh-token.ts";
import { deriveRootKeys } from "../../src/secrets/root-secret.ts";
import { migrations as postgresMigrations } from "../../src/store/postgres/schema.ts";
import { APPLICATION_ID, migrations as sqliteMigrations } from "../../src/store/sqlite/schema.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { newPath } from "../support/places.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { CLI } from "../support/server-process.ts";
import { createTestBed, SECRET } from "../support/test-bed.ts";

// A database of version 0.1, with so much in it that bringing it up to date takes a while, and a process that is killed meanwhile.

const ROWS = 10_000;
/** Of them SQLite makes an index, which is what takes a while. */
const REVOCATIONS = 1_000_000;
/** How often in a row the file is to be found locked. */
const LOOKS = 8;
const HOUR = 3_600_000;
const NOW = Date.now() - HOUR;
const END = NOW + 24 * HOUR;
const ID = Buffer.alloc(16, 7);
const SALT = Buffer.alloc(16, 9);
const session = { id: ID.toString("base64url"), salt: new Uint8Array(SALT) };
const SESSION_COLUMNS =
  "id, subject, client_id, salt, confirmed, pending_from, pending_to, rotated_at, created_at, auth_time, expires_at";
const SESSION_VALUES = `'first-party', SALT, 0, 1, 1, ${NOW}, ${NOW}, ${NOW}, ${END}`;

/** Runs `latchkey migrate`, as an upgrade would. */
function startMigrating(databaseUrl: string): ChildProcess {
  return spawn(process.execPath, [CLI, "migrate"], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      LATCHKEY_DATABASE_URL: databaseUrl,
      LATCHKEY_SECRET: SECRET,
    },
    stdio: "ignore",
  });
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Expects that nothing is missing, and that the person's refresh token is as good as before. */
async function expectNothingLost(store: Store): Promise<void> {
  const { users, liveSessions } = await store.count(NOW);
  expect({ users, liveSessions }).toEqual({ users: ROWS, liveSessions: ROWS });
  expect(await store.findUser("user-1")).toMatchObject({ passwordHash: "hash", credentialsVersion: 1 });
  const { issuer } = await createTestBed({ store, sweepIntervalSeconds: 0 }, {}, clockAt(NOW + 1000));
  const pair = await issuer.refresh(deriveRefreshToken(deriveRootKeys(SECRET).current, session, 1));
  expect(pair.sessionId).toBe(session.id);
  expect(await issuer.verify(pair.accessToken)).toMatchObject({ sub: "user-1", sid: session.id });
}

function clockAt(now: number) {
  return { now: () => now, advanceSeconds() {}, set() {} };
}

describe("a migration of SQLite that is killed", () => {
  it("loses nothing and logs nobody out, and is done by whoever opens the database next", async () => {
    const [full, path] = [newPath(), newPath()];
    const old = new Libsql(full);
    const known = sqliteMigrations.slice(0, 4);
    old.exec("PRAGMA journal_mode = WAL");
    for (const { sql } of known) old.exec(sql);
    old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${known.length};
      INSERT INTO users (id, username, canonical_username, password_hash, roles, created_at, updated_at)
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
      SELECT 'user-' || i, 'user-' || i, 'user-' || i, 'hash', '[]', ${NOW}, ${NOW} FROM n;
      INSERT INTO sessions (${SESSION_COLUMNS})
      SELECT randomblob(16), id, ${SESSION_VALUES.replace("SALT", "randomblob(16)")} FROM users WHERE id <> 'user-1';
      INSERT INTO sessions (${SESSION_COLUMNS})
      SELECT x'${ID.toString("hex")}', 'user-1', ${SESSION_VALUES.replace("SALT", `x'${SALT.toString("hex")}'`)};`);
    old.exec(`INSERT INTO revocations (session_id, at)
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${REVOCATIONS}) SELECT x'00', ${NOW} - i FROM n`);
    old.close();

    let found = "";
    for (let attempt = 1; attempt <= 10 && found !== "in the middle"; attempt++) {
      copyFileSync(full, path);
      chmodSync(path, 0o600);
      const child = startMigrating(`sqlite:${path}`);
      onTestFinished(() => void child.kill("SIGKILL"));
      const database = new Libsql(path);
      // What it looks at before and after holds the lock for a moment; only a step of the migration holds it for longer.
      let lockedLooks = 0;
      while (child.exitCode === null && lockedLooks < LOOKS) {
        await wait(5);
        lockedLooks = isLocked(database) ? lockedLooks + 1 : 0;
      }
      await killed(child);
      database.close();
      found = lockedLooks === LOOKS && !isUpToDate(path) ? "in the middle" : "before or after";
    }
    expect(found, "where the migration was killed").toBe("in the middle");
    const store = await createSqliteStore(path);
    const fresh = newPath();
    await (await createSqliteStore(fresh)).close();
    expect(namesIn(path)).toEqual(namesIn(fresh));
    await expectNothingLost(store);
    expect(await store.listRevocations(REVOCATIONS - 1, 0, 10)).toHaveLength(1);
  }, 300_000);
});

/** The tables, indexes and triggers of a database. */
function namesIn(path: string): readonly unknown[] {
  const database = new Libsql(path);
  const names = database.prepare("SELECT type, name FROM sqlite_schema ORDER BY type, name").all();
  database.close();
  return names;
}

/** Whether another process is in the middle of writing. */
function isLocked(database: Libsql.Database): boolean {
  try {
    database.exec("BEGIN IMMEDIATE");
  } catch {
    return true;
  }
  database.exec("ROLLBACK");
  return false;
}

function isUpToDate(path: string): boolean {
  const database = new Libsql(path);
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema WHERE name = 'operator_events'").get();
  database.close();
  return (tables as { count: number }).count > 0;
}

describe("a migration of PostgreSQL that is killed", () => {
  const world = postgresWorld();

  it("loses nothing and logs nobody out, and is done by whoever opens the database next", async () => {
    await world.sql(`CREATE SCHEMA latchkey; ${postgresMigrations[0]!.sql}
      UPDATE latchkey.schema_version SET version = 1, works_from = 1;
      INSERT INTO latchkey.users (id, username, canonical_username, password_hash, roles, is_admin, created_at, updated_at)
      SELECT 'user-' || i, 'user-' || i, 'user-' || i, 'hash', '[]', false, ${NOW}, ${NOW} FROM generate_series(1, ${ROWS}) AS i;
      INSERT INTO latchkey.sessions (${SESSION_COLUMNS})
      SELECT uuid_send(gen_random_uuid()), id, ${SESSION_VALUES.replace("SALT", "uuid_send(gen_random_uuid())")}
      FROM latchkey.users WHERE id <> 'user-1';
      INSERT INTO latchkey.sessions (${SESSION_COLUMNS})
      SELECT '\\x${ID.toString("hex")}', 'user-1', ${SESSION_VALUES.replace("SALT", `'\\x${SALT.toString("hex")}'::bytea`)}`);
    // The users' table has been changed by then, and that of the sessions is next.
    const holder = await world.hold("LOCK TABLE latchkey.sessions IN ACCESS SHARE MODE");
    const child = startMigrating(world.server.url(world.database));
    onTestFinished(() => void child.kill("SIGKILL"));
    await holder.heldUp(1);
    await killed(child);
    await holder.letGo();
    expect(await world.sql("SELECT version FROM latchkey.schema_version")).toEqual([{ version: 1 }]);
    const columns = "SELECT FROM information_schema.columns WHERE table_schema = 'latchkey' AND column_name";
    expect(await world.sql(`${columns} = 'credentials_version'`)).toEqual([]);
    await expectNothingLost(await world.open());
  });
});
