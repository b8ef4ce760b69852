import Libsql from "libsql";
import LibsqlOnThreads from "libsql/promise";

/** Runs statements on a thread of libsql's own. Both of its interfaces have connections of one kind. */
const execOnThread: (this: Libsql.Database, sql: string) => Promise<void> = LibsqlOnThreads.prototype.exec;

/** What may be bound. Integers only: libsql aborts on booleans and silently hides `undefined`. */
export type Parameter = string | number | Uint8Array | null;

/** A prepared statement that changes rows. */
export interface Command<P extends readonly Parameter[]> {
  /** Returns the number of rows changed, without those that triggers changed. */
  run(...parameters: P): number;
}

/** A prepared statement that reads rows. Text that cannot be stored is equal to nothing, so asking for it finds no row. */
export interface Query<P extends readonly Parameter[], Row> {
  first(...parameters: P): Row | null;
  all(...parameters: P): Row[];
  /** The same question for another connection, its parameters checked; `null` where it finds no row. */
  elsewhere(...parameters: P): Question<Row> | null;
}

/** A query and its parameters. Each row is one JSON value in one BLOB, which `toRow` turns into the row once it is parsed. */
export interface Question<Row> {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
  toRow(json: unknown): Row;
}

/** U+0000 and lone surrogates: PostgreSQL refuses the one, UTF-8 the other, and a lookup that alters them finds someone else. */
const unstorable = /\0|\p{Surrogate}/u;

/**
 * One connection to a SQLite database: a thin layer over libsql that leaves out all that makes libsql 0.5 abort the process or
 * answer wrongly. Parameters are counted and checked. Rows come as one JSON value in one BLOB, because libsql aborts on a text
 * that is not UTF-8 and cuts one short at U+0000; measured, this is as fast as reading the columns by name. Synchronous.
 */
export class SqliteDatabase {
  #connection: Libsql.Database | null;
  #statements: Prepared[] = [];
  /** The transaction that runs in parallel with the event loop. */
  #busy: Promise<unknown> | undefined;

  /** `path` is absolute, or `:memory:`. Never waits for a lock: SQLite would do so on the event loop. */
  constructor(path: string) {
    this.#connection = new Libsql(path, { timeout: 0 });
  }

  get isOpen(): boolean {
    return this.#connection !== null;
  }

  command<P extends readonly Parameter[]>(sql: string): Command<P> {
    const prepared = this.#prepare(sql);
    return { run: (...parameters) => prepared.run(parameters) };
  }

  /** Prepares `SELECT row rest`, where `row` is a SQL expression that makes JSON; `read` turns the parsed value into the row. */
  query<P extends readonly Parameter[], Row, Json = Row>(
    row: string,
    rest: string,
    read?: (json: Json) => Row,
  ): Query<P, Row> {
    const sql = `SELECT CAST(${row} AS BLOB) ${rest}`;
    const prepared = this.#prepare(sql);
    const toRow = (json: unknown): Row => (read === undefined ? (json as Row) : read(json as Json));
    const parse = (bytes: Buffer): Row => toRow(JSON.parse(bytes.toString()));
    return {
      first: (...parameters) => {
        if (parameters.some(isUnstorable)) return null;
        const found = prepared.first(parameters);
        return found === undefined ? null : parse(found);
      },
      all: (...parameters) => (parameters.some(isUnstorable) ? [] : prepared.all(parameters).map(parse)),
      elsewhere: (...parameters) => {
        if (parameters.some(isUnstorable)) return null;
        prepared.check(parameters);
        return { sql, parameters, toRow };
      },
    };
  }

  /** Runs statements without parameters and without rows. */
  execute(sql: string): void {
    this.#open().exec(sql);
  }

  /** Runs a pragma that returns a number or one word of SQLite's own, and returns that value. */
  pragma(source: string): unknown {
    const row = this.#open().prepare(`PRAGMA ${source}`).raw().get([]) as unknown[] | undefined;
    return row?.[0];
  }

  /** Runs `work` as one transaction that holds the write lock from its start. Whatever fails, no transaction stays open. */
  transaction<T>(work: () => T): T {
    const connection = this.#open();
    connection.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      connection.exec("COMMIT");
      return result;
    } catch (error) {
      rollBack(connection);
      throw error;
    }
  }

  /**
   * The same, but the event loop continues while the disk syncs. `work` still runs at once; until the commit is
   * through, nothing else may be asked of the database: callers that share it ask by way of
   * {@link SqliteDatabase.whenFree}.
   */
  async transactionAside<T>(work: () => T): Promise<T> {
    const connection = this.#open();
    connection.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#busy = execOnThread.call(connection, "COMMIT");
      await this.#busy;
      return result;
    } catch (error) {
      rollBack(connection);
      throw error;
    } finally {
      this.#busy = undefined;
    }
  }

  /**
   * The same for work that looks at many rows: it pauses between them, so that the event loop continues, and nothing
   * else is asked of the database until it is through. Other processes cannot write meanwhile.
   */
  async longTransaction<T>(work: () => Promise<T>): Promise<T> {
    const connection = this.#open();
    connection.exec("BEGIN IMMEDIATE");
    const whole = work().then(async (result) => {
      await execOnThread.call(connection, "COMMIT");
      return result;
    });
    this.#busy = whole;
    try {
      return await whole;
    } catch (error) {
      rollBack(connection);
      throw error;
    } finally {
      this.#busy = undefined;
    }
  }

  /** Runs statements without parameters and without rows on a thread, inside {@link SqliteDatabase.longTransaction} alone. */
  executeAside(sql: string): Promise<void> {
    return execOnThread.call(this.#open(), sql);
  }

  /** Runs `act` as soon as no transaction is in flight, at once where none is. */
  async whenFree<T>(act: () => T | Promise<T>): Promise<T> {
    while (this.#busy !== undefined) await this.#busy.catch(() => {});
    return act();
  }

  /** libsql lets go of the file only when the last statement has been collected, so none is kept. */
  close(): void {
    this.#connection?.close();
    this.#connection = null;
    for (const statement of this.#statements) statement.release();
    this.#statements = [];
  }

  #prepare(sql: string): Prepared {
    const prepared = new Prepared(this.#open(), sql);
    this.#statements.push(prepared);
    return prepared;
  }

  #open(): Libsql.Database {
    if (this.#connection === null) throw new Error("The SQLite database has been closed.");
    return this.#connection;
  }
}

class Prepared {
  readonly #parameterCount: number;
  #statement: Libsql.Statement | null;

  constructor(connection: Libsql.Database, sql: string) {
    this.#statement = connection.prepare(sql);
    this.#parameterCount = sql.split("?").length - 1;
    if (this.#statement.reader) this.#statement.raw();
  }

  run(parameters: readonly Parameter[]): number {
    this.check(parameters);
    return this.#open().run(parameters).changes;
  }

  first(parameters: readonly Parameter[]): Buffer | undefined {
    this.check(parameters);
    return (this.#open().get(parameters) as [Buffer] | undefined)?.[0];
  }

  all(parameters: readonly Parameter[]): Buffer[] {
    this.check(parameters);
    return (this.#open().all(parameters) as [Buffer][]).map(([bytes]) => bytes);
  }

  release(): void {
    this.#statement = null;
  }

  /** Refuses what libsql would abort at, or bind as something else. */
  check(parameters: readonly Parameter[]): void {
    if (parameters.length !== this.#parameterCount) {
      throw new TypeError(`The statement has ${this.#parameterCount} parameters, not ${parameters.length}.`);
    }
    for (const parameter of parameters) {
      if (!isBindable(parameter)) {
        throw new TypeError(
          "SQLite stores integers up to 2^53 - 1, bytes, null, and text without U+0000 and lone surrogates.",
        );
      }
    }
  }

  #open(): Libsql.Statement {
    if (this.#statement === null) throw new Error("The SQLite database has been closed.");
    return this.#statement;
  }
}

/** SQLite itself has rolled back after a full disk or a failed write. */
function rollBack(connection: Libsql.Database): void {
  if (connection.inTransaction) connection.exec("ROLLBACK");
}

/** Bytes that a query's JSON holds as `hex(…)`, in memory of their own, unlike a Buffer, which shares its memory with others. */
export function bytesFromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

function isBindable(parameter: unknown): boolean {
  if (typeof parameter === "number") return Number.isSafeInteger(parameter);
  if (typeof parameter === "string") return !unstorable.test(parameter);
  return parameter === null || parameter instanceof Uint8Array;
}

function isUnstorable(parameter: Parameter): boolean {
  return typeof parameter === "string" && unstorable.test(parameter);
}
