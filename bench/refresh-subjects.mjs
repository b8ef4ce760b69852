import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installNodePeers, installPythonPeers } from "./harness/peer-installation.mjs";
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

/** The ceiling of the load generator: no subject that comes near it says anything about itself. */
export const generatorCeiling = /** @type {Subject} */ ({
  name: "constant bytes",
  kind: "generator",
  stores: "nothing; does not read the request",
  signs: "nothing",
  wire: "json",
  path: "/auth/refresh",
  start: nodeProgram("subjects/constant.mjs"),
});

/** What does not have to be installed first. */
export const ownSubjects = /** @type {readonly Subject[]} */ ([
  {
    name: "the limit",
    kind: "limit",
    stores: "nothing: no session, no reuse detection, no revocation",
    signs: "ES256",
    wire: "json",
    path: "/auth/refresh",
    start: nodeProgram("subjects/limit.mjs"),
  },
  {
    name: "Latchkey, SQLite",
    kind: "latchkey",
    stores: "one row a session, synced to disk before every answer (synchronous=FULL)",
    signs: "ES256",
    wire: "json",
    path: "/auth/refresh",
    start: startLatchkey,
  },
]);

/**
 * What people would use instead. Where one cannot be installed, starting it says why.
 * @returns {readonly Subject[]}
 */
export function peerSubjects() {
  const node = installNodePeers();
  const python = installPythonPeers();
  const nodePeer = (/** @type {string} */ script) => peer(node, process.execPath, script);
  const pythonPeer = (/** @type {string} */ script) =>
    peer(python, "python" in python ? python.python : undefined, script);
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

/**
 * @param {import("./harness/peer-installation.mjs").Installation} installation
 * @param {string | undefined} program
 * @param {string} script
 * @returns {Subject["start"]}
 */
function peer(installation, program, script) {
  return async (folder, environment) => {
    if ("missing" in installation) throw new Error(installation.missing);
    const args = [join(installation.home, "peers", script)];
    return startServerProcess({
      file: String(program),
      args,
      environment: { ...environment, NODE_ENV: "production" },
      folder,
    });
  };
}

/**
 * Latchkey's own server from the build, as `npm start` runs it, on a database that is filled first. All settings are the
 * defaults but the limit of refreshes per session, which is there to stop exactly this.
 * @param {string} folder
 * @param {Readonly<Record<string, string>>} environment
 */
async function startLatchkey(folder, environment) {
  const secret = randomBytes(32).toString("base64url");
  const database = join(folder, "latchkey.db");
  const { status, stderr } = spawnSync(process.execPath, [here("subjects/seed-latchkey.mjs")], {
    env: { ...environment, PATH: process.env.PATH, LATCHKEY_SECRET: secret, BENCH_DATABASE: database },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the database could not be filled: ${stderr.trim().split("\n").at(-1)}`);
  return startServerProcess({
    file: process.execPath,
    args: [...(process.env.BENCH_NODE_OPTIONS?.split(" ") ?? []), here("../dist/server/cli.js"), "start"],
    environment: {
      LATCHKEY_PORT: "0",
      LATCHKEY_SECRET: secret,
      LATCHKEY_DATABASE_URL: `sqlite:${database}`,
      LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0",
    },
    folder,
  });
}
