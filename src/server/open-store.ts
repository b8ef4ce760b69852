import { createPostgresStore } from "../store/postgres.ts";
import { createSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import type { DatabaseLocation } from "./setting-values.ts";

/**
 * Opens the store that the configuration names; an older database is brought up to date, a missing one is made.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`.
 */
export function openStore(database: DatabaseLocation): Promise<Store> {
  return database.kind === "sqlite" ? createSqliteStore(database.path) : createPostgresStore(database.url);
}
