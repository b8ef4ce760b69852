import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { systemEnvironment } from "../environment.ts";
import { SqliteDatabase } from "../store/sqlite-database.ts";
import { proveWritable } from "../store/sqlite-open.ts";
import { createRunner } from "../store/sqlite-retry.ts";
import { migrations } from "../store/sqlite-schema.ts";
import type { DatabaseLocation } from "./setting-values.ts";

/** The schema version that this version of Latchkey brings a database to. */
export const NEWEST_SCHEMA_VERSION = migrations.length;

/** What there is to know of a database without changing it. */
export interface DatabaseInspection {
  /** 0 for an empty file. */
  readonly schemaVersion: number;
  /** What SQLite finds damaged; empty where it finds nothing. Looked for only when asked. */
  readonly faults: readonly string[];
}

/**
 * Looks into a database without bringing it up to date, and proves that it can be written; `undefined` where there is no file.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`, saying why it cannot be used.
 */
export async function inspectDatabase(
  { path }: DatabaseLocation,
  { lookForFaults = false } = {},
): Promise<DatabaseInspection | undefined> {
  const place = resolve(path);
  if (!existsSync(place)) return undefined;
  const run = createRunner({ place, lockTimeoutSeconds: 2, random: systemEnvironment.random });
  const database = await run(() => new SqliteDatabase(place));
  try {
    await run(() => proveWritable(database, place));
    return {
      schemaVersion: await run(() => Number(database.pragma("user_version"))),
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
