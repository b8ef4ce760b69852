import { createPostgresStore } from "../store/postgres/postgres.ts";
import { createSqliteStore } from "../store/sqlite/sqlite.ts";
import type { Store } from "../store/store.ts";
import { OperatorError } from "./failure.ts";
import { openToEverybody } from "./file-modes.ts";
import type { DatabaseLocation } from "./settings/setting-values.ts";

/**
 * Opens the store that the configuration names; an older database is brought up to date, a missing one is made.
 * @throws OperatorError where every user of the machine can read it.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`.
 */
export async function openStore(database: DatabaseLocation): Promise<Store> {
  if (database.kind === "postgres") return createPostgresStore(database.url);
  const problem = openToEverybody(database.path);
  if (problem !== undefined) throw new OperatorError(problem);
  return createSqliteStore(database.path);
}
