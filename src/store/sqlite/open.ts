import { accessSync, chmodSync, constants, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { LatchkeyError } from "../../errors.ts";
import { SqliteDatabase } from "./database.ts";
import type { Runner } from "./retry.ts";
import { APPLICATION_ID, migrations, VERSION_IN_TABLE } from "./schema.ts";

/** A database up to this size is checked for damage when it is opened, which takes some tens of milliseconds. */
const EXAMINED_UP_TO_BYTES = 64 * 1024 * 1024;

const CONNECTION_SETTINGS = `
  PRAGMA synchronous = FULL;
  PRAGMA trusted_schema = OFF;
  PRAGMA cell_size_check = ON;
  PRAGMA journal_size_limit = 67108864;
`;

/** The path that means a database in memory. */
export const IN_MEMORY = ":memory:";

/**
 * Opens the database at `path`, an absolute path or `:memory:`, creates it where there is none, and brings it to the newest
 * version. Two processes may do so at once. Nothing is ever written to a file that is not Latchkey's.
 */
export async function openSqliteDatabase(path: string, run: Runner): Promise<SqliteDatabase> {
  if (path !== IN_MEMORY) prepareFile(path);
  const database = connect(path);
  try {
    await run(() => database.execute(CONNECTION_SETTINGS));
    await run(() => database.transaction(() => recogniseVersion(database, path)));
    await run(() => examine(database, path));
    for (const _ of migrations) await run(() => database.longTransaction(() => migrateOnce(database, path)));
    await run(() => useWriteAheadLog(database, path));
    await run(() => proveWritable(database, path));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Commits a write that changes nothing. Fails where a newer Latchkey has brought the database to a version of its own. */
export function proveWritable(database: SqliteDatabase, path: string): Promise<void> {
  return database.transactionAside(() => {
    recogniseVersion(database, path);
    // Unlike an UPDATE to the same values, this always dirties a page.
    database.execute(`PRAGMA user_version = ${Number(database.pragma("user_version"))}`);
  });
}

/** Which file is at the path: a different one means that the database was deleted or replaced while it was open. */
export function identifyFile(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}

/**
 * Creates the file, readable only by its owner regardless of the umask, since it contains password hashes; SQLite gives
 * the files beside it the same mode. Where a file is there, finds out what SQLite would only say as "unable to open".
 * An existing file is never opened here: closing it would drop the locks of this process's other connections to it.
 */
function prepareFile(path: string): void {
  try {
    try {
      writeFileSync(path, "", { flag: "wx", mode: 0o600 });
      chmodSync(path, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (!statSync(path).isFile()) throw unusable(`${path} is not a file but a directory or a device. Name a file.`);
    accessSync(path, constants.R_OK | constants.W_OK);
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw error instanceof LatchkeyError ? error : fileError(path, error as NodeJS.ErrnoException);
  }
}

function fileError(path: string, error: NodeJS.ErrnoException): LatchkeyError {
  switch (error.code) {
    case "ENOENT":
    case "ENOTDIR":
      return unusable(
        `${path} cannot be opened: its directory does not exist, or the path is a broken link. Create the directory, or correct the path.`,
        error,
      );
    case "EACCES":
    case "EPERM":
      return unusable(
        `The user that runs Latchkey may not read and write ${path}. Make that user the owner of the file and its directory.`,
        error,
      );
    case "EROFS":
      return unusable(
        `${path} is on a read-only file system. Mount it writable, or name a file elsewhere; SQLite writes even to read.`,
        error,
      );
    case "ENOSPC":
    case "EDQUOT":
      return new LatchkeyError("store_unavailable", {
        detail: `${path} cannot be created: the disk is full. Free some space, then start again.`,
        cause: error,
        retryAfterSeconds: 5,
      });
    default:
      return unusable(`${path} cannot be used (${error.code}). Correct the path.`, error);
  }
}

function connect(path: string): SqliteDatabase {
  try {
    return new SqliteDatabase(path);
  } catch (error) {
    throw unusable(
      `${path} could not be opened. Check its permissions, those of its directory, and how many files the process may open.`,
      error,
    );
  }
}

/**
 * The version of the schema, 0 for an empty database. Refuses what Latchkey did not make, and what a newer one made so that this
 * one cannot work with it. Runs in a transaction, lest another process create the tables between one question and the next.
 */
export function recogniseVersion(database: SqliteDatabase, path: string): number {
  const worksFrom = Number(database.pragma("user_version"));
  const application = Number(database.pragma("application_id"));
  if (application === 0 && worksFrom === 0 && Number(database.pragma("schema_version")) === 0) return 0;
  if (application !== APPLICATION_ID) {
    throw unusable(`${path} is a SQLite database, but not one of Latchkey's. It was not changed. Name another file.`);
  }
  if (worksFrom > migrations.length) {
    throw unusable(
      `${path} needs a Latchkey that knows schema version ${worksFrom}; this one knows versions up to ${migrations.length}. Upgrade Latchkey, or restore the backup from before the upgrade.`,
    );
  }
  return versionInTable(database) ?? worksFrom;
}

/** Older schemas keep their version in `PRAGMA user_version` alone, which then says both. */
function versionInTable(database: SqliteDatabase): number | undefined {
  const hasTable = database.query<[], number>("'1'", "FROM sqlite_schema WHERE name = 'schema_version'").first();
  if (hasTable === null) return undefined;
  return database.query<[], number>("json_quote(version)", "FROM schema_version").first() ?? undefined;
}

async function examine(database: SqliteDatabase, path: string): Promise<void> {
  const bytes = Number(database.pragma("page_count")) * Number(database.pragma("page_size"));
  if (bytes > EXAMINED_UP_TO_BYTES) return;
  // Parallel work returns no rows, so it leaves them in a table of this connection's own.
  await database.executeAside(
    "CREATE TEMP TABLE faults AS SELECT quick_check FROM pragma_quick_check(1, 'main') WHERE quick_check <> 'ok'",
  );
  const faults = database.query<[], number>("count(*)", "FROM temp.faults").first();
  database.execute("DROP TABLE temp.faults");
  if (faults === 0) return;
  throw unusable(
    `${path} is damaged. Keep a copy of the file and of those beside it, and restore a backup; 'sqlite3 FILE .recover' saves what is readable.`,
  );
}

/** Runs the next migration, where there is one: another process may be doing the same. */
async function migrateOnce(database: SqliteDatabase, path: string): Promise<void> {
  const version = recogniseVersion(database, path);
  const migration = migrations[version];
  if (migration === undefined) return;
  await database.executeAside(migration.sql);
  if (version + 1 >= VERSION_IN_TABLE) database.execute(`UPDATE schema_version SET version = ${version + 1}`);
  database.execute(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migration.worksFrom}`);
}

function useWriteAheadLog(database: SqliteDatabase, path: string): void {
  const mode = database.pragma("journal_mode = WAL");
  if (mode === "wal" || path === IN_MEMORY) return;
  throw unusable(
    `${path} is on a file system that cannot hold a write-ahead log (no shared memory), like many network file systems. Name a file on a local disk.`,
  );
}

function unusable(detail: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError("store_unusable", { detail, cause });
}
