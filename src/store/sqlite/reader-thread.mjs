// The thread of sqlite-reader.ts. It is JavaScript because Node.js 20 runs no TypeScript: so it is the same file in src/ and in dist/.
import { parentPort, workerData } from "node:worker_threads";
import Libsql from "libsql";

/**
 * @typedef {import("./reader.ts").ReaderOrder} ReaderOrder
 * @typedef {import("./reader.ts").ReaderReport} ReaderReport
 */

/** What the other thread parses at once: less than a millisecond's work. */
const SLICE_BYTES = 32 * 1024;

const port = /** @type {import("node:worker_threads").MessagePort} */ (parentPort);
const connection = new Libsql(workerData.url, { timeout: 1000 });
connection.exec(
  "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -16000",
);
/** @type {Map<string, Libsql.Statement>} */
const statements = new Map();
/** @type {Map<number, Buffer[]>} Rows that are not sent yet, the last ones first. */
const unsent = new Map();

port.on("message", (/** @type {ReaderOrder} */ order) => {
  if ("close" in order) {
    connection.close();
    port.close();
    return;
  }
  try {
    if ("sql" in order) unsent.set(order.id, read(order.sql, order.parameters).reverse());
    sendSlice(order.id);
  } catch (error) {
    unsent.delete(order.id);
    const { name, message, code, rawCode } = /** @type {import("./reader.ts").ReaderError} */ (error);
    send({ id: order.id, error: { name, message, code, rawCode } });
  }
});

/**
 * @param {string} sql
 * @param {readonly unknown[]} parameters
 */
function read(sql, parameters) {
  let statement = statements.get(sql);
  if (statement === undefined) {
    statement = connection.prepare(sql).raw();
    statements.set(sql, statement);
  }
  return /** @type {[Buffer][]} */ (statement.all(parameters)).map(([bytes]) => bytes);
}

/** @param {number} id */
function sendSlice(id) {
  const rows = unsent.get(id) ?? [];
  /** @type {string[]} */
  const slice = [];
  for (let bytes = 0; bytes < SLICE_BYTES && rows.length > 0; ) {
    const row = /** @type {Buffer} */ (rows.pop());
    bytes += row.length;
    slice.push(row.toString());
  }
  if (rows.length === 0) unsent.delete(id);
  send({ id, rows: `[${slice.join(",")}]`, isLast: rows.length === 0 });
}

/** @param {ReaderReport} report */
function send(report) {
  port.postMessage(report);
}
