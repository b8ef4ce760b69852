import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open, rename, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { systemEnvironment } from "../environment.ts";
import { copySqliteDatabase } from "../store/sqlite/copy.ts";
import { createRunner } from "../store/sqlite/retry.ts";
import { OperatorError, systemErrorCode } from "./failure.ts";

/** How long it is tried while another process has the database locked as a whole, as a restart does for a moment. */
const LOCK_TIMEOUT_SECONDS = 10;

/**
 * Copies a SQLite database as it is at one moment, regardless of writes meanwhile, into a new file with mode 0600. The
 * file appears whole and durable, or not at all.
 * @throws OperatorError where there is no database, or the file exists or cannot be written.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`: nothing is copied that is damaged.
 */
export async function backUpSqlite(
  databasePath: string,
  file: string,
): Promise<{ readonly path: string; readonly bytes: number }> {
  const [from, path] = [resolve(databasePath), resolve(file)];
  if (!existsSync(from)) {
    throw new OperatorError(
      `No database exists at ${from}. Run this where the server runs, or set LATCHKEY_DATABASE_URL to the same value as there.`,
    );
  }
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await reserve(path);
  try {
    await reserve(draft);
    const run = createRunner({
      place: from,
      lockTimeoutSeconds: LOCK_TIMEOUT_SECONDS,
      random: systemEnvironment.random,
    });
    await run(() => copySqliteDatabase(from, draft));
    await sync(draft);
    await rename(draft, path);
    await sync(dirname(path));
    return { path, bytes: (await stat(path)).size };
  } catch (error) {
    await Promise.all([unlink(draft).catch(() => {}), unlink(path).catch(() => {})]);
    throw error;
  }
}

/** Creates an empty file that only its owner may read, and that no other process can take meanwhile. */
async function reserve(path: string): Promise<void> {
  try {
    const file = await open(path, "wx", 0o600);
    await file.close();
  } catch (error) {
    const code = systemErrorCode(error);
    throw new OperatorError(
      code === "EEXIST"
        ? `${path} already exists, and a backup replaces nothing. Name another file, or move that one away.`
        : `${path} cannot be created (${code}). Create its directory, and give this user write permission on it.`,
    );
  }
}

async function sync(path: string): Promise<void> {
  const isDirectory = (await stat(path)).isDirectory();
  if (isDirectory && process.platform === "win32") return;
  const file = await open(path, isDirectory ? "r" : "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
