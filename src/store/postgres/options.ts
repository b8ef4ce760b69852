import { type Environment, systemEnvironment } from "../../environment.ts";
import { anObject, createOptionSet, wholeNumber, withDefault } from "../../option-rules.ts";

export interface PostgresStoreOptions {
  /**
   * How many connections this process may open. Refreshes need one; more are for parallel sign-ins and lists.
   * Default: 10.
   */
  readonly maxConnections?: number;
  /** How long an act waits for a connection. Default: 3. */
  readonly connectTimeoutSeconds?: number;
  /** How long the server may work on one statement, including waits for locks. Default: 5. */
  readonly statementTimeoutSeconds?: number;
  /** Default: the machine's. */
  readonly environment?: Environment;
}

/** The options of `createPostgresStore`. */
export const postgresStoreOptions = createOptionSet<PostgresStoreOptions, Required<PostgresStoreOptions>>({
  of: "createPostgresStore",
  rules: {
    maxConnections: withDefault(10, wholeNumber(1, 1000)),
    connectTimeoutSeconds: withDefault(3, wholeNumber(1, 60)),
    statementTimeoutSeconds: withDefault(5, wholeNumber(1, 60)),
    environment: withDefault(systemEnvironment, anObject),
  },
});
