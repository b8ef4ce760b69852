import { SqliteDatabase } from "./database.ts";
import { recogniseVersion } from "./open.ts";

/**
 * Copies the database at `path`, as it is at one moment, into the empty file `copy`. Both paths are absolute. Others may go on
 * reading and writing. Throws SQLite's own error where the database is damaged.
 */
export function copySqliteDatabase(path: string, copy: string): void {
  const database = new SqliteDatabase(path);
  try {
    recogniseVersion(database, path);
    database.execute(`PRAGMA cell_size_check = ON; VACUUM INTO '${copy.replaceAll("'", "''")}'`);
  } finally {
    database.close();
  }
}
