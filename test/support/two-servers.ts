import { afterAll, afterEach, beforeAll } from "vitest";
import { type PostgresServer, startPostgres } from "./postgres.ts";
import { latchkey, PASSWORD, type ServerProcess, startServer } from "./server-process.ts";

export const ISSUER = "http://127.0.0.1:4000";

/** Server processes on one PostgreSQL database. */
export interface World {
  readonly database: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly servers: readonly [ServerProcess, ServerProcess, ...ServerProcess[]];
  sql(text: string): ReturnType<PostgresServer["sql"]>;
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  readonly body: any;
  readonly headers: Headers;
}

let postgres: PostgresServer | undefined;
const running: ServerProcess[] = [];
const databases: string[] = [];

/** Gives each test of the file a PostgreSQL server to make its own databases on. To be called once, at its top. */
export function withPostgres(): void {
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.remove());
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.kill()));
    for (const database of databases.splice(0)) await postgres?.dropDatabase(database);
  });
}

/** The settings of a server on a new, empty database. */
export async function newDatabase(settings: Readonly<Record<string, string>> = {}) {
  if (postgres === undefined) throw new Error("withPostgres was not called.");
  const server = postgres;
  const database = await server.createDatabase();
  databases.push(database);
  return {
    database,
    settings: {
      LATCHKEY_DATABASE_URL: server.url(database),
      LATCHKEY_SECRET: "Yq3mB8xW1nR6tKz0uHc5jLp2dVs9eGa7iTfQoXy4CMw",
      LATCHKEY_ISSUER: ISSUER,
      ...settings,
    },
    sql: (text: string) => server.sql(text, database),
  };
}

/** Starts a server process, which ends with the test. */
export async function start(settings: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const server = await startServer(settings);
  running.push(server);
  return server;
}

/** Two server processes on one new database, with the user `ada`. */
export async function twoServers(given: Readonly<Record<string, string>> = {}): Promise<World> {
  const { database, settings, sql } = await newDatabase(given);
  await addUser("ada", settings);
  const servers = await Promise.all([start(settings), start(settings)]);
  return { database, settings, servers, sql };
}

export async function addUser(username: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const { code, stderr } = await latchkey(["user", "add", username, "--password-stdin"], settings, `${PASSWORD}\n`);
  if (code !== 0) throw new Error(`'latchkey user add' ended with ${code}: ${stderr}`);
}

export async function post(
  server: ServerProcess,
  path: string,
  { bearer, json }: { readonly bearer?: string; readonly json?: unknown } = {},
): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method: "POST",
    headers: {
      ...(json !== undefined && { "content-type": "application/json" }),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
}

export function login(server: ServerProcess, username = "ada", password = PASSWORD): Promise<Answer> {
  return post(server, "/auth/login", { json: { username, password } });
}

export function refresh(server: ServerProcess, refreshToken: string): Promise<Answer> {
  return post(server, "/auth/refresh", { bearer: refreshToken });
}

/** What `/auth/me` says of an access token. */
export async function me(server: ServerProcess, accessToken: string): Promise<Answer> {
  const response = await fetch(`${server.url}/auth/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
