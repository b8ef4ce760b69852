import { inject } from "vitest";
import {
  type PostgresServer,
  type PostgresServerOptions,
  type Settings,
  startPostgresServer,
} from "./postgres-server.mjs";

export type { PostgresServer, Settings };

/** What it lacks is durability through a crash of the machine, which no test has. */
const FAST: Settings = {
  fsync: "off",
  full_page_writes: "off",
  shared_buffers: "32MB",
  max_connections: 100,
  max_wal_size: "256MB",
  autovacuum_naptime: "5s",
};

/** Starts a server for tests. It ends with this process, whatever happens. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const withDefaults = (settings: Settings = {}) => ({ ...FAST, ...settings });
  const server = await startPostgresServer({
    // Another version begins with data of its own.
    ...(options.programsFolder === undefined && { shared: inject("postgresCluster") }),
    ...options,
    settings: withDefaults(options.settings),
  });
  return { ...server, start: (settings) => server.start(settings && withDefaults(settings)) };
}
