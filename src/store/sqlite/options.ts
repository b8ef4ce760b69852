import { type Environment, systemEnvironment } from "../../environment.ts";
import { anObject, createOptionSet, withDefault } from "../../option-rules.ts";

export interface SqliteStoreOptions {
  /** How long an act waits, without blocking, while another process holds the lock on the database. Default: 2. */
  readonly lockTimeoutSeconds?: number;
  /** Default: the machine's. */
  readonly environment?: Environment;
}

/** The options of `createSqliteStore`. */
export const sqliteStoreOptions = createOptionSet<SqliteStoreOptions, Required<SqliteStoreOptions>>({
  of: "createSqliteStore",
  rules: {
    lockTimeoutSeconds: withDefault(2, (value) =>
      typeof value === "number" && value >= 0 && value <= 60 ? undefined : "must be a number from 0 to 60",
    ),
    environment: withDefault(systemEnvironment, anObject),
  },
});
