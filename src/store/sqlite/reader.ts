import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { LatchkeyError } from "../../errors.ts";
import type { Parameter, Question } from "./database.ts";

/** A reading that waits behind so many others is refused. */
const MOST_WAITING = 100;
/** A thread that has failed is left alone for so long. */
const PAUSE_AFTER_FAILURE_MS = 60_000;

/** What the thread is asked: to run a query, to send what more there is of its rows, or to end. */
export type ReaderOrder =
  | { readonly id: number; readonly sql: string; readonly parameters: readonly Parameter[] }
  | { readonly id: number; readonly more: true }
  | { readonly close: true };

/** What it answers: some rows, as one JSON array, or SQLite's error. */
export type ReaderReport =
  | { readonly id: number; readonly rows: string; readonly isLast: boolean }
  | { readonly id: number; readonly error: ReaderError };

/** An error loses its properties on its way between threads. */
export type ReaderError = Pick<Error, "name" | "message"> & { readonly code?: unknown; readonly rawCode?: unknown };

/**
 * Runs reads that may return or scan many rows, on a connection and a thread of its own: the event loop continues
 * meanwhile, and parses what is found in slices. It sees what was committed before it was asked.
 */
export interface SqliteReader {
  /** All rows; `undefined` where the thread cannot be had, which the listener has then heard. Rejects as SQLite does. */
  all<Row>(question: Question<Row>): Promise<Row[] | undefined>;
  /** Ends the thread, after what it does now, and resolves when its connection is closed. */
  close(): Promise<void>;
}

export interface SqliteReaderParts {
  readonly path: string;
  readonly now: () => number;
  /** Called when the thread could not be started or has ended by itself. */
  readonly onFailure: (error: unknown) => void;
}

interface Waiting {
  take(report: ReaderReport): void;
  /** The thread has gone. */
  giveUp(): void;
}

interface Thread {
  send(order: ReaderOrder): void;
  /** Keeps the process alive for as long as something waits for the thread. */
  readonly waiting: Map<number, Waiting>;
  readonly ended: Promise<void>;
}

/** Creates the reader; the thread starts when something is first read. */
export function createSqliteReader({ path, now, onFailure }: SqliteReaderParts): SqliteReader {
  let thread: Thread | undefined;
  let lastId = 0;
  let restsUntil = Number.NEGATIVE_INFINITY;

  function fail(error: unknown): void {
    thread = undefined;
    restsUntil = now() + PAUSE_AFTER_FAILURE_MS;
    onFailure(error);
  }

  function running(): Thread | undefined {
    if (thread === undefined && now() >= restsUntil) {
      try {
        thread = startThread(path, fail);
      } catch (error) {
        fail(error);
      }
    }
    return thread;
  }

  return {
    async all<Row>({ sql, parameters, toRow }: Question<Row>) {
      const found = running();
      if (found === undefined) return undefined;
      if (found.waiting.size >= MOST_WAITING) throw tooManyError();
      const id = ++lastId;
      const rows: Row[] = [];
      return new Promise<Row[] | undefined>((resolve, reject) => {
        found.waiting.set(id, {
          take(report) {
            if ("error" in report) {
              found.waiting.delete(id);
              reject(Object.assign(new Error(report.error.message), report.error));
              return;
            }
            for (const json of JSON.parse(report.rows) as unknown[]) rows.push(toRow(json));
            if (!report.isLast) {
              found.send({ id, more: true });
              return;
            }
            found.waiting.delete(id);
            resolve(rows);
          },
          giveUp: () => resolve(undefined),
        });
        found.send({ id, sql, parameters });
      });
    },
    async close() {
      const ending = thread;
      thread = undefined;
      restsUntil = Number.POSITIVE_INFINITY;
      ending?.send({ close: true });
      await ending?.ended;
    },
  };
}

/** @throws what `Worker` throws. */
function startThread(path: string, onFailure: (error: unknown) => void): Thread {
  // Never created here: a file that is gone must not come back empty. The thread gets no settings, which hold the root secret.
  const url = `${pathToFileURL(path).href}?mode=ro`;
  const worker = new Worker(new URL("./reader-thread.mjs", import.meta.url), {
    name: "latchkey-reader",
    workerData: { url },
    env: {},
    execArgv: [],
  });
  const waiting = new Map<number, Waiting>();
  let isClosing = false;
  worker.unref();
  worker.on("message", (report: ReaderReport) => {
    waiting.get(report.id)?.take(report);
    if (waiting.size === 0 && !isClosing) worker.unref();
  });
  let failure: unknown;
  worker.on("error", (error) => {
    failure = error;
  });
  const ended = new Promise<void>((resolve) => {
    worker.once("exit", (code) => {
      if (!isClosing) onFailure(failure ?? new Error(`The thread for long reads ended with exit code ${code}.`));
      for (const { giveUp } of waiting.values()) giveUp();
      waiting.clear();
      resolve();
    });
  });
  return {
    waiting,
    ended,
    send(order) {
      if ("close" in order) isClosing = true;
      worker.ref();
      worker.postMessage(order);
    },
  };
}

function tooManyError(): LatchkeyError {
  return new LatchkeyError("store_unavailable", {
    detail: `${MOST_WAITING} long reads are already waiting. Try again in a moment.`,
    retryAfterSeconds: 1,
  });
}
