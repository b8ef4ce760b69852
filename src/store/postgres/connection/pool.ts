import { readFileSync } from "node:fs";
import type { PoolClient as PoolClientOfPg, Pool as PoolOfPg } from "pg";
import { LatchkeyError } from "../../../errors.ts";
import { ReadOnlyServerError, unusable, whileConnecting } from "../errors.ts";
import type { ListeningClient } from "./listener.ts";
import type { PostgresTarget, PostgresTls } from "./url.ts";

/** What may be bound: a value, or a list of them for a column of a batch. */
export type Parameter = PlainParameter | readonly PlainParameter[];
type PlainParameter = string | number | boolean | Uint8Array | null;

export interface QueryResult {
  readonly command: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a statement gives is known where it is written.
  readonly rows: any[];
  readonly rowCount: number | null;
}

/** As much of a connection of `pg` as is used. Statements that are sent one after the other are answered in that order. */
export interface Connection {
  /** Several statements without parameters give several results. */
  query(sql: string): Promise<QueryResult | QueryResult[]>;
  query(sql: string, parameters: readonly Parameter[]): Promise<QueryResult>;
  /** Hands the connection back to the pool; with `true` it is cut. */
  release(cut?: boolean): void;
}

export interface ConnectionPool {
  /** Rejects within the time given, and at once where too many wait already. */
  acquire(): Promise<Connection>;
  /** A client outside of the pool, not yet connected, for what needs a connection for itself. It is the caller's to end. */
  client(): ListeningClient;
  /** Waits for what is in flight. */
  close(): Promise<void>;
}

export interface PoolLimits {
  readonly maxConnections: number;
  readonly connectTimeoutSeconds: number;
  readonly statementTimeoutSeconds: number;
}

/** How many acts may wait for a connection, for each connection there may be. */
const MOST_WAITING = 100;
/** A connection is given up after this long, so that a pool finds the machines that were added. */
const MAX_LIFETIME_SECONDS = 1800;
/** The server ends a slow statement itself; this much later it is given up for dead. */
const SILENCE_MS = 1000;
const INT8 = 20;

/** Opens no connection yet. */
export async function createPool(target: PostgresTarget, limits: PoolLimits): Promise<ConnectionPool> {
  const pg = await loadPg();
  let preferred = 0;
  const types = {
    getTypeParser(oid: number, format?: "text" | "binary") {
      return oid === INT8 && format !== "binary" ? safeInteger : pg.types.getTypeParser(oid, format as "text");
    },
  };
  const config = {
    user: target.user,
    ...(target.password === undefined ? {} : { password: target.password }),
    database: target.database,
    application_name: target.applicationName,
    ssl: target.tls === null ? false : readCertificates(target.tls),
    enableChannelBinding: target.channelBinding && target.tls !== null,
    types: types as never,
    pipeline: true,
    connectionTimeoutMillis: limits.connectTimeoutSeconds * 1000,
    query_timeout: limits.statementTimeoutSeconds * 1000 + SILENCE_MS,
    keepAlive: true,
  };
  class RotatingClient extends pg.Client {
    readonly turn = preferred;
    constructor() {
      super({ ...config, ...target.hosts[preferred % target.hosts.length] });
      // Where `pg` itself gives up while connecting, it leaves the socket open.
      this.connection.once("error", () => this.connection.stream.destroy());
    }
  }
  const turnFrom = (turn: number) => {
    if (preferred === turn) preferred += 1;
  };
  const pool: PoolOfPg = new pg.Pool({
    Client: RotatingClient as never,
    onConnect: refuseReadOnly,
    max: limits.maxConnections,
    connectionTimeoutMillis: limits.connectTimeoutSeconds * 1000,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: MAX_LIFETIME_SECONDS,
    allowExitOnIdle: true,
  });
  // A connection that breaks while it is idle has been removed already.
  pool.on("error", () => {});
  let closing: Promise<void> | undefined;

  async function connect(): Promise<Connection> {
    const turn = preferred;
    try {
      const client = (await pool.connect()) as PoolClientOfPg & { readonly turn: number };
      // A break is reported by the query during which it happens; without a listener, `pg` would end the process over
      // the event.
      client.on("error", ignore);
      return {
        query: (sql: string, parameters?: readonly Parameter[]) =>
          client.query(sql, parameters as unknown[] | undefined) as Promise<never>,
        release(cut = false) {
          // The next one may be elsewhere: this server does not answer, or may not be written.
          if (cut) turnFrom(client.turn);
          client.off("error", ignore);
          client.release(cut);
        },
      };
    } catch (error) {
      turnFrom(turn);
      throw whileConnecting(error);
    }
  }

  return {
    async acquire() {
      if (closing !== undefined) throw closedError();
      if (pool.waitingCount >= limits.maxConnections * MOST_WAITING) {
        throw new LatchkeyError("store_unavailable", {
          detail: `${pool.waitingCount} operations already wait for a connection to the database.`,
          retryAfterSeconds: 1,
        });
      }
      for (let triesLeft = target.hosts.length - 1; triesLeft > 0; triesLeft--) {
        try {
          return await connect();
        } catch {}
      }
      return connect();
    },
    client: () => new RotatingClient(),
    close() {
      closing ??= pool.end();
      return closing;
    },
  };
}

async function refuseReadOnly(client: { query(sql: string): Promise<QueryResult> }): Promise<void> {
  const { rows } = await client.query("SHOW transaction_read_only");
  if (rows[0]?.transaction_read_only !== "off") throw new ReadOnlyServerError();
}

async function loadPg() {
  try {
    return (await import("pg")).default;
  } catch (error) {
    throw unusable("The package pg, which talks to PostgreSQL, is not installed. Run: npm install pg", error);
  }
}

function readCertificates({ mode, rootCertificatePath, certificatePath, keyPath }: PostgresTls) {
  const ca =
    rootCertificatePath === undefined || rootCertificatePath === "system" ? {} : { ca: read(rootCertificatePath) };
  const own =
    certificatePath === undefined || keyPath === undefined ? {} : { cert: read(certificatePath), key: read(keyPath) };
  return {
    ...ca,
    ...own,
    rejectUnauthorized: mode !== "require",
    ...(mode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(`A certificate or key that the database URL names cannot be read (${code}). Correct its path.`);
  }
}

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError("A number in the database is beyond 2^53 - 1.");
  return value;
}

function ignore(): void {}

function closedError(): LatchkeyError {
  return new LatchkeyError("store_unavailable", { detail: "The store has been closed.", retryAfterSeconds: 1 });
}
