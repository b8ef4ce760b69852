import { setTimeout } from "node:timers/promises";
import { jittered, pauseAfter } from "../../../backoff.ts";
import type { Random } from "../../../environment.ts";
import { failureOf, leavesConnectionUsable, ReadOnlyServerError, toStoreError } from "../errors.ts";
import type { Connection, ConnectionPool, Parameter, QueryResult } from "./pool.ts";

const MOST_ATTEMPTS = 12;
/** A lost connection is tried again this often: each try may wait for a connection. */
const MOST_LOST = 2;
const BACKOFF = { firstMs: 3, longestMs: 300 };

/** What an act does inside its transaction. */
export interface Transaction {
  /** Runs one statement. */
  query(sql: string, ...parameters: Parameter[]): Promise<QueryResult>;
  /** Runs the last statement, and commits with it in one round trip. */
  last(sql: string, ...parameters: Parameter[]): Promise<QueryResult>;
}

/**
 * An act inside a transaction, which may run more than once. `isUnknown`: a commit of it may already have happened, since the
 * connection was lost around it, so the act has to find out first.
 */
export type Act<T> = (transaction: Transaction, isUnknown: boolean) => Promise<T>;

/** Runs acts, and rejects with a `LatchkeyError` where PostgreSQL fails. */
export interface PostgresRunner {
  /** Tries again, a bounded number of times and with jitter, what was rolled back or whose outcome is unknown. */
  run<T>(act: Act<T>): Promise<T>;
  /** Runs the act once and rejects with what `pg` said. */
  attempt<T>(act: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Waits before try number `attempt`, counted from 1; longer each time, and jittered. */
  pause(attempt: number): Promise<void>;
  /** What to reject with. */
  explain(error: unknown): unknown;
}

export interface RunnerOptions {
  readonly pool: ConnectionPool;
  /** What the operator knows the database by. */
  readonly place: string;
  /** How long the server works on one statement, locks included. */
  readonly statementTimeoutSeconds: number;
  readonly random: Random;
}

/**
 * Every act is a transaction of its own, at READ COMMITTED regardless of the default, since it is made safe by
 * comparing and by locks. Its limits hold inside it alone, so no connection keeps a state, and PgBouncer may hand each
 * transaction another one. What begins and what ends it travels with its statements: an act of one statement takes one
 * round trip.
 */
export function createPostgresRunner({ pool, place, statementTimeoutSeconds, random }: RunnerOptions): PostgresRunner {
  const timeoutMs = statementTimeoutSeconds * 1000;
  const begin =
    `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = ${timeoutMs}; ` +
    `SET LOCAL idle_in_transaction_session_timeout = ${timeoutMs}; SHOW transaction_read_only`;

  async function attempt<T>(act: (transaction: Transaction) => Promise<T>): Promise<T> {
    const connection = await pool.acquire();
    const begun = connection.query(begin).then(refuseReadOnly);
    begun.catch(() => {}); // Told by the first statement.
    let isOver = false;
    let isBroken = false;

    const settled = async <Results extends unknown[]>(sent: { [At in keyof Results]: Promise<Results[At]> }) => {
      const results = await Promise.allSettled(sent);
      const failed = results.find((result) => result.status === "rejected");
      if (failed === undefined)
        return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as Results;
      isBroken ||= results.some((result) => result.status === "rejected" && !leavesConnectionUsable(result.reason));
      throw failed.reason;
    };
    const finish = async <Results extends unknown[]>(sent: { [At in keyof Results]: Promise<Results[At]> }) => {
      isOver = true;
      const results = await settled<[...Results, undefined]>([
        ...sent,
        connection.query("COMMIT").then(refuseRollback),
      ] as never);
      return results;
    };

    try {
      const result = await act({
        async query(sql, ...parameters) {
          const [, found] = await settled<[undefined, QueryResult]>([begun, connection.query(sql, parameters)]);
          return found;
        },
        async last(sql, ...parameters) {
          const [, found] = await finish<[undefined, QueryResult]>([begun, connection.query(sql, parameters)]);
          return found;
        },
      });
      if (!isOver) await finish<[undefined]>([begun]);
      return result;
    } catch (error) {
      if (!isOver && !isBroken) isBroken = !(await rolledBack(connection, begun));
      throw error;
    } finally {
      connection.release(isBroken);
    }
  }

  async function pause(attempts: number): Promise<void> {
    await setTimeout(jittered(pauseAfter(attempts, BACKOFF), random));
  }

  const explain = (error: unknown) => toStoreError(error, place);

  return {
    attempt,
    pause,
    explain,
    async run(act) {
      let lost = 0;
      for (let attempts = 1; ; attempts++) {
        try {
          return await attempt((transaction) => act(transaction, lost > 0));
        } catch (error) {
          const failure = failureOf(error);
          if (failure === "unknown") lost += 1;
          if (failure === "final" || attempts === MOST_ATTEMPTS || lost > MOST_LOST) throw explain(error);
        }
        await pause(attempts);
      }
    },
  };
}

async function rolledBack(connection: Connection, begun: Promise<unknown>): Promise<boolean> {
  const results = await Promise.allSettled([begun, connection.query("ROLLBACK")]);
  return results.every(({ status }) => status === "fulfilled");
}

/** The server itself reports whether this transaction may write: no standby ever decides anything. */
function refuseReadOnly(results: QueryResult | QueryResult[]): undefined {
  const row = [results].flat().at(-1)?.rows[0];
  if (row?.transaction_read_only !== "off") throw new ReadOnlyServerError();
}

/** PostgreSQL answers the COMMIT of a failed transaction with a rollback, and no error. */
function refuseRollback(result: QueryResult | QueryResult[]): void {
  if ([result].flat().at(-1)?.command !== "COMMIT") throw Object.assign(new Error("rolled back"), { code: "40000" });
}
