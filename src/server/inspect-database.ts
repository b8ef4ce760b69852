import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { systemEnvironment } from "../environment.ts";
import { inspectPostgresDatabase } from "../store/postgres/postgres.ts";
import { NEWEST_POSTGRES_SCHEMA_VERSION } from "../store/postgres/schema.ts";
import { SqliteDatabase } from "../store/sqlite/database.ts";
import { proveWritable, recogniseVersion } from "../store/sqlite/open.ts";
import { createRunner } from "../store/sqlite/retry.ts";
import { migrations } from "../store/sqlite/schema.ts";
import type { DatabaseLocation } from "./settings/setting-values.ts";

/** What there is to know of a database without changing it. */
export interface DatabaseInspection {
  /** 0 for an empty file. */
  readonly schemaVersion: number;
  /** The version that this version of Latchkey brings a database of its kind to. */
  readonly newestVersion: number;
  /** What SQLite finds damaged; empty where it finds nothing. Looked for only when asked, and only by SQLite. */
  readonly faults: readonly string[];
  /** What it runs on, where that is a server. */
  readonly server?: string;
}

/**
 * Looks into a database without bringing it up to date, and finds out whether it can be written; `undefined` where there is
 * no file, or no tables of Latchkey's.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`, saying why it cannot be used.
 */
export async function inspectDatabase(
  database: DatabaseLocation,
  { lookForFaults = false } = {},
): Promise<DatabaseInspection | undefined> {
  return database.kind === "sqlite" ? inspectSqlite(database.path, lookForFaults) : inspectPostgres(database.url);
}

async function inspectPostgres(url: string): Promise<DatabaseInspection | undefined> {
  const { schemaVersion, serverVersion } = await inspectPostgresDatabase(url);
  if (schemaVersion === 0) return undefined;
  return {
    schemaVersion,
    newestVersion: NEWEST_POSTGRES_SCHEMA_VERSION,
    faults: [],
    server: `PostgreSQL ${serverVersion}`,
  };
}

async function inspectSqlite(path: string, lookForFaults: boolean): Promise<DatabaseInspection | undefined> {
  const place = resolve(path);
  if (!existsSync(place)) return undefined;
  const run = createRunner({ place, lockTimeoutSeconds: 2, random: systemEnvironment.random });
  const database = await run(() => new SqliteDatabase(place));
  try {
    await run(() => proveWritable(database, place));
    return {
      schemaVersion: await run(() => database.transaction(() => recogniseVersion(database, place))),
      newestVersion: migrations.length,
      faults: lookForFaults ? await run(() => readFaults(database)) : [],
    };
  } finally {
    database.close();
  }
}

function readFaults(database: SqliteDatabase): readonly string[] {
  return database
    .query<[], string>("json_quote(quick_check)", "FROM pragma_quick_check(20) WHERE quick_check <> 'ok'")
    .all();
}
