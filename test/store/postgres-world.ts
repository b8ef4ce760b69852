import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { createPostgresStore, type PostgresStoreOptions } from "../../src/store/postgres.ts";
import type { Store } from "../../src/store/store.ts";
import { type PostgresServer, startPostgres } from "../postgres-server.ts";
import { startProxy, type TcpProxy } from "../tcp-proxy.ts";

/** A server for the tests of a file, and an empty database for each of them. */
export interface PostgresWorld {
  readonly server: PostgresServer;
  readonly database: string;
  /** Opens a store on the test's database; it is closed when the test ends. */
  open(options?: PostgresStoreOptions, url?: string): Promise<Store>;
  /** Opens a store behind a proxy. */
  openBehindProxy(options?: PostgresStoreOptions): Promise<{ readonly store: Store; readonly proxy: TcpProxy }>;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  sql(text: string): Promise<any[]>;
}

export function postgresWorld(): PostgresWorld {
  let server: PostgresServer;
  let database: string;
  let cleanUps: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.remove());
  beforeEach(async () => {
    database = await server.createDatabase();
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
    cleanUps = [];
  });

  async function open(options: PostgresStoreOptions = {}, url = server.url(database)): Promise<Store> {
    const store = await createPostgresStore(url, options);
    cleanUps.push(() => store.close());
    return store;
  }

  return {
    get server() {
      return server;
    },
    get database() {
      return database;
    },
    open,
    async openBehindProxy(options = {}) {
      const proxy = await startProxy(server.port);
      cleanUps.push(() => proxy.close());
      const store = await open(options, server.url(database).replace(`:${server.port}/`, `:${proxy.port}/`));
      return { store, proxy };
    },
    sql: (text) => server.sql(text, database),
  };
}
