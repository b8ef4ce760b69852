import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { createPostgresStore, type PostgresStoreOptions } from "../../src/store/postgres/postgres.ts";
import type { Store } from "../../src/store/store.ts";
import { type PostgresServer, startPostgres } from "./postgres.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

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
  /** Runs SQL in a transaction of its own, and keeps what that locks. */
  hold(sql: string): Promise<HeldTransaction>;
}

export interface HeldTransaction {
  /** Resolves when `count` statements in this database wait for a lock. */
  heldUp(count: number): Promise<void>;
  /** Commits. */
  letGo(): Promise<void>;
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
    async hold(sql) {
      const client = new pg.Client(server.url(database));
      // The server may be taken away under it.
      client.on("error", () => {});
      await client.connect();
      let isHeld = true;
      const letGo = async () => {
        if (!isHeld) return;
        isHeld = false;
        await client.query("COMMIT");
        await client.end();
      };
      cleanUps.push(letGo);
      await client.query(`BEGIN; ${sql}`);
      return {
        async heldUp(count) {
          const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
          await expect.poll(async () => (await server.sql(waiting, database)).length, { interval: 5 }).toBe(count);
        },
        letGo,
      };
    },
  };
}
