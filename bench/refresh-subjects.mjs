import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fillDatabase, startLatchkey } from "./harness/latchkey.mjs";
import { installNodePeers, installPythonPeers, peerProgram } from "./harness/peer-installation.mjs";
import { startServerProcess } from "./harness/server-process.mjs";

/**
 * What is measured, and what has to be known of it to read its figure.
 * @typedef {{ readonly name: string, readonly kind: "generator" | "limit" | "latchkey" | "peer", readonly stores: string,
 *   readonly signs: string, readonly wire: import("./harness/wires.mjs").WireName, readonly path: string,
 *   start(folder: string, environment: Readonly<Record<string, string>>): Promise<import("./harness/server-process.mjs").ServerProcess> }} Subject
 */

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** @param {string} script */
function nodeProgram(script) {
  return (/** @type {string} */ folder, /** @type {Readonly<Record<string, string>>} */ environment) =>
    startServerProcess({ file: process.execPath, args: [here(script)], environment, folder });
}

const SESSIONS = 2048;

/**
 * What the others are measured by: the ceiling of the load generator, so that no subject that comes near it says anything about
 * itself, and the limit of Node.js.
 */
export const yardsticks = /** @type {readonly Subject[]} */ ([
  {
    name: "constant bytes",
    kind: "generator",
    stores: "nothing; does not read the request",
    signs: "nothing",
    wire: "json",
    path: "/auth/refresh",
    start: nodeProgram("subjects/constant.mjs"),
  },
  {
    name: "the limit",
    kind: "limit",
    stores: "nothing: no session, no reuse detection, no revocation",
    signs: "ES256",
    wire: "json",
    path: "/auth/refresh",
    start: nodeProgram("subjects/limit.mjs"),
  },
]);

/**
 * Latchkey's server on either database, and as two processes.
 * @param {import("./harness/postgres.mjs").BenchPostgres} postgres
 * @returns {readonly Subject[]}
 */
export function latchkeySubjects(postgres) {
  const onPostgres = "one row a session, synced to disk before every answer (fsync and synchronous_commit on)";
  return [
    {
      name: "Latchkey, SQLite",
      stores: "one row a session, synced to disk before every answer (synchronous=FULL)",
      start: startOn({ place: async (folder) => join(folder, "latchkey.db") }),
    },
    {
      name: "Latchkey, PostgreSQL",
      stores: onPostgres,
      start: startOn({ place: () => postgres.createDatabase(), postgresPid: postgres.pid }),
    },
    {
      name: "Latchkey, PostgreSQL, 2 workers",
      stores: onPostgres,
      start: startOn({ place: () => postgres.createDatabase(), postgresPid: postgres.pid, workers: 2 }),
    },
  ].map((subject) => ({ ...subject, kind: "latchkey", signs: "ES256", wire: "json", path: "/auth/refresh" }));
}

/**
 * @param {{ readonly place: (folder: string) => Promise<string>, readonly workers?: number,
 *   readonly postgresPid?: () => number | undefined }} options
 * @returns {Subject["start"]}
 */
function startOn({ place, ...options }) {
  return async (folder, { BENCH_TOKENS: tokensFile = "" }) => {
    const at = { database: await place(folder), secret: randomBytes(32).toString("base64url") };
    await fillDatabase({ ...at, sessions: SESSIONS, sample: SESSIONS, tokensFile });
    return startLatchkey({ ...at, ...options, folder });
  };
}

/**
 * What people would use instead. Where one cannot be installed, starting it says why.
 * @returns {readonly Subject[]}
 */
export function peerSubjects() {
  const node = installNodePeers();
  const python = installPythonPeers();
  const nodePeer = (/** @type {string} */ script) => peerProgram(node, process.execPath, script);
  const pythonPeer = (/** @type {string} */ script) =>
    peerProgram(python, "python" in python ? python.python : undefined, script);
  return [
    {
      name: "node-oidc-provider",
      kind: "peer",
      stores: "every refresh token, used ones too, and the grant: in memory, lost when it stops",
      signs: "ES256",
      wire: "form",
      path: "/token",
      start: nodePeer("oidc-provider.mjs"),
    },
    {
      name: "Better Auth",
      kind: "peer",
      stores: "one more row for every rotation, synced to disk (synchronous=FULL); detects reuse",
      signs: "ES256",
      wire: "form",
      path: "/api/auth/oauth2/token",
      start: nodePeer("better-auth.mjs"),
    },
    {
      name: "Express tutorial",
      kind: "peer",
      stores: "one more row for every rotation, synced to disk (synchronous=FULL); detects reuse",
      signs: "ES256 and HS256",
      wire: "json",
      path: "/refresh",
      start: nodePeer("express-tutorial.mjs"),
    },
    {
      name: "FastAPI tutorial",
      kind: "peer",
      stores: "the ids of used refresh tokens: in memory, for ever; a used one is refused, its session goes on",
      signs: "ES256 and HS256",
      wire: "json",
      path: "/refresh",
      start: pythonPeer("fastapi_tutorial.py"),
    },
    {
      name: "AuthX",
      kind: "peer",
      stores: "a blocklist of used refresh tokens: in memory, for ever; a used one is refused, its session goes on",
      signs: "ES256, both tokens",
      wire: "bearer",
      path: "/refresh",
      start: pythonPeer("authx_flow.py"),
    },
  ];
}
