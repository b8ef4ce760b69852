import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { runQuietly } from "../../scripts/programs.mjs";
import { cpuMsOf } from "./process-tree.mjs";
import { reasonIn } from "./reason.mjs";
import { startServerProcess } from "./server-process.mjs";

/** The built command line. */
export const cli = fileURLToPath(new URL("../../dist/server/cli.js", import.meta.url));
const filling = fileURLToPath(new URL("../subjects/fill-latchkey.mjs", import.meta.url));

/** What a million sessions and their people take at most on either database, its log included. */
const MOST_BYTES_EACH = 4000;
const GIB = 2 ** 30;

/**
 * A database of Latchkey's: a path, or a PostgreSQL URL. The settings are those of the server's environment.
 * @typedef {{ readonly database: string, readonly secret: string }} Place
 */

/**
 * Fills an empty database, and writes refresh tokens of `sample` of its sessions to `tokensFile`.
 * @param {Place & { readonly sessions: number, readonly sample: number, readonly tokensFile: string }} plan
 * @returns {Promise<import("./fill-sqlite.mjs").FilledBytes>}
 */
export async function fillDatabase({ database, secret, sessions, sample, tokensFile }) {
  refuseLittleDisk(sessions * MOST_BYTES_EACH);
  const { code, output } = await runQuietly({
    file: process.execPath,
    args: [filling],
    environment: {
      PATH: process.env.PATH,
      LATCHKEY_SECRET: secret,
      BENCH_DATABASE: database,
      BENCH_SESSIONS: String(sessions),
      BENCH_SAMPLE: String(sample),
      BENCH_TOKENS: tokensFile,
    },
  });
  if (code !== 0) throw new Error(`the database could not be filled: ${reasonIn(output)}`);
  return JSON.parse(output);
}

/**
 * Where the databases are, there has to be room for them.
 * @param {number} needed bytes
 * @param {string} [folder]
 */
function refuseLittleDisk(needed, folder = tmpdir()) {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= needed) return;
  const gib = (/** @type {number} */ bytes) => `${(bytes / GIB).toFixed(1)} GiB`;
  throw new Error(`too little disk: it takes ${gib(needed)} in ${folder}, where ${gib(free)} are free`);
}

/**
 * The settings by which any command of Latchkey's finds the database.
 * @param {Place} place
 */
export function settingsOf({ database, secret }) {
  return {
    LATCHKEY_SECRET: secret,
    LATCHKEY_DATABASE_URL: database.startsWith("postgres:") ? database : `sqlite:${database}`,
  };
}

/**
 * Latchkey's own server from the build, as `npm start` runs it. All settings are the defaults but the limit of refreshes per
 * session, which is there to stop exactly such a load.
 * @param {Place & { readonly folder: string, readonly workers?: number, readonly postgresPid?: () => number | undefined }} options
 * @returns {Promise<import("./server-process.mjs").ServerProcess>}
 */
export async function startLatchkey({ folder, database, secret, workers = 1, postgresPid }) {
  const server = await startServerProcess({
    file: process.execPath,
    args: [...(process.env.BENCH_NODE_OPTIONS?.split(" ") ?? []), cli, "start"],
    environment: {
      ...settingsOf({ database, secret }),
      LATCHKEY_PORT: "0",
      LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0",
      LATCHKEY_LOGINS_PER_HOUR: "0",
      LATCHKEY_WORKERS: String(workers),
    },
    folder,
  });
  return postgresPid === undefined ? server : { ...server, databaseCpuMs: () => cpuMsOf(postgresPid()) };
}
