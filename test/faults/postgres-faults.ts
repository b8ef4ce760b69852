import { afterAll, beforeAll, type TestContext } from "vitest";
import { seed } from "../support/long-run.ts";
import { type PostgresServer, type Settings, startPostgres } from "../support/postgres.ts";
import { addUser } from "../support/server-process.ts";
import { type Load, type LoadOptions, startLoad } from "./load.ts";
import { GRACE_SECONDS, loadSettings, type Servers, startServers } from "./servers.ts";

/** As an operator runs it: what is acknowledged has been written to the disk. */
export const durable: Settings = { fsync: "on", synchronous_commit: "on", full_page_writes: "on" };

/** Server processes on a database of their own, with the user `ada`. */
export interface FaultWorld {
  readonly postgres: PostgresServer;
  readonly database: string;
  readonly servers: Servers;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  sql(text: string): Promise<any[]>;
  /** The newest generation issued in each session that the database knows, by session id. */
  generations(): Promise<ReadonlyMap<string, number>>;
  /** Forgets failed sign-ins: one that a kill has cut off counts as such, and many kills would look like guessing. */
  forgetFailures(): Promise<void>;
  /** Starts a load on the servers. */
  load(options?: Partial<LoadOptions>): Promise<Load>;
}

export interface FaultWorldOptions {
  /** Default 2. */
  readonly servers?: number;
  /** Who the servers are to PostgreSQL. Default: its superuser. */
  readonly role?: { readonly user: string; readonly password: string };
  /** The port under which servers find PostgreSQL, where something stands in between. */
  readonly port?: number;
  /** Added to what each server is told. */
  readonly settings?: (index: number) => Readonly<Record<string, string>>;
}

const TEMPLATE = "with_ada";

/** A PostgreSQL server with a database that has the tables and `ada`, to be copied. It is the caller's to remove. */
export async function startSeeded(settings: Settings = {}, within?: string): Promise<PostgresServer> {
  const postgres = await startPostgres({ settings, ...(within !== undefined && { within }) });
  await postgres.sql(`CREATE DATABASE ${TEMPLATE}`);
  await addUser("ada", { ...loadSettings, LATCHKEY_DATABASE_URL: postgres.url(TEMPLATE) });
  return postgres;
}

/** Gives the tests of a file a PostgreSQL server. To be called once, at its top. */
export function withSeeded(settings: Settings = {}): () => PostgresServer {
  let postgres: PostgresServer | undefined;
  beforeAll(async () => {
    postgres = await startSeeded(settings);
  });
  afterAll(() => postgres?.remove());
  return () => {
    if (postgres === undefined) throw new Error("PostgreSQL has not been started.");
    return postgres;
  };
}

/** Starts servers on a new database of this PostgreSQL, until the test ends. */
export async function createFaultWorld(
  test: TestContext,
  postgres: PostgresServer,
  { servers: count = 2, role, port = postgres.port, settings = () => ({}) }: FaultWorldOptions = {},
): Promise<FaultWorld> {
  const database = await postgres.createDatabase(`TEMPLATE ${TEMPLATE}`);
  const url = postgres.url(database, role).replace(`:${postgres.port}/`, `:${port}/`);
  const sql = (text: string) => postgres.sql(text, database);
  if (role !== undefined) await sql(rightsOf(role.user));
  const servers = await startServers(
    test,
    Array.from({ length: count }, (_, index) => ({
      ...loadSettings,
      LATCHKEY_DATABASE_URL: url,
      ...settings(index),
    })),
  );
  return {
    postgres,
    database,
    servers,
    sql,
    generations: () => generationsIn(sql),
    async forgetFailures() {
      await sql("DELETE FROM latchkey.attempts");
    },
    load: (options = {}) => startLoad({ urls: servers.urls, graceSeconds: GRACE_SECONDS, seed, ...options }),
  };
}

function rightsOf(user: string): string {
  return `GRANT USAGE ON SCHEMA latchkey TO ${user}; GRANT ALL ON ALL TABLES IN SCHEMA latchkey TO ${user};
    GRANT ALL ON ALL SEQUENCES IN SCHEMA latchkey TO ${user}`;
}

const NEWEST = `
  SELECT translate(encode(id, 'base64'), '+/=', '-_') AS id, pending_to::int AS newest FROM latchkey.sessions`;

/** The newest generation issued in each session that a database knows, by session id. */
export async function generationsIn(
  sql: (text: string) => Promise<readonly { readonly id: string; readonly newest: number }[]>,
): Promise<ReadonlyMap<string, number>> {
  return new Map((await sql(NEWEST)).map(({ id, newest }) => [id, newest]));
}
