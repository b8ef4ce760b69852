import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startServerProcess } from "./server-process.mjs";

const INSTALL_TIMEOUT_MS = 180_000;

const bench = fileURLToPath(new URL("..", import.meta.url));
const cache = fileURLToPath(new URL("../../.cache/bench", import.meta.url));

/**
 * Where peers can be run from, or why they cannot be had here.
 * @typedef {{ readonly home: string } | { readonly missing: string }} Installation
 */

/**
 * Installs the peers that run on Node.js, from their lock file and without install scripts.
 * @returns {Installation}
 */
export function installNodePeers() {
  return install("node", ["package.json", "package-lock.json"], (folder) => {
    const options = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"];
    return run("npm", ["ci", ...options], folder);
  });
}

/**
 * Installs the peers that run on Python, where there is one with pip.
 * @returns {Installation & { readonly python?: string }}
 */
export function installPythonPeers() {
  const installation = install("python", ["requirements.txt"], (folder) => {
    const environment = join(folder, "venv");
    return (
      run("python3", ["-m", "venv", "--copies", environment], folder) ??
      run(join(environment, "bin/python"), ["-m", "pip", "install", "--quiet", "-r", "requirements.txt"], folder)
    );
  });
  return "home" in installation
    ? { ...installation, python: join(installation.home, "venv/bin/python") }
    : installation;
}

/**
 * How a peer's program is started; where it could not be installed, starting it says why.
 * @param {Installation} installation
 * @param {string | undefined} program
 * @param {string} script
 * @returns {import("../refresh-subjects.mjs").Subject["start"]}
 */
export function peerProgram(installation, program, script) {
  return async (folder, environment) => {
    if ("missing" in installation) throw new Error(installation.missing);
    return startServerProcess({
      file: String(program),
      args: [join(installation.home, "peers", script)],
      environment: { ...environment, NODE_ENV: "production" },
      folder,
    });
  };
}

/**
 * Installs beside and moves into place, so that nothing half installed is ever taken for whole; then puts this checkout's
 * programs there, where they find what they import.
 * @param {string} name
 * @param {readonly string[]} manifests what the installation follows from
 * @param {(folder: string) => string | undefined} work gives what went wrong
 * @returns {Installation}
 */
function install(name, manifests, work) {
  try {
    return installed(name, manifests, work);
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

/** @type {typeof install} */
function installed(name, manifests, work) {
  const hash = createHash("sha256");
  for (const file of manifests) hash.update(readFileSync(join(bench, "peers", file)));
  const home = join(cache, `${name}-${hash.digest("hex").slice(0, 12)}`);
  if (!existsSync(home)) {
    mkdirSync(cache, { recursive: true });
    const beside = mkdtempSync(join(cache, "installing-"));
    try {
      for (const file of manifests) cpSync(join(bench, "peers", file), join(beside, file));
      const problem = work(beside);
      if (problem !== undefined) return { missing: problem };
      renameSync(beside, home);
    } finally {
      rmSync(beside, { recursive: true, force: true });
    }
  }
  for (const folder of ["peers", "subjects"]) cpSync(join(bench, folder), join(home, folder), { recursive: true });
  return { home };
}

/**
 * @param {string} file
 * @param {readonly string[]} args
 * @param {string} folder
 * @returns {string | undefined} what went wrong
 */
function run(file, args, folder) {
  const { status, stderr, error } = spawnSync(file, args, {
    cwd: folder,
    encoding: "utf8",
    timeout: INSTALL_TIMEOUT_MS,
  });
  if (status === 0) return undefined;
  if (error !== undefined)
    return "code" in error && error.code === "ENOENT" ? `there is no ${file} here` : error.message;
  return `${file} failed: ${stderr.split("\n").find((line) => /error/i.test(line)) ?? "it did not say why"}`;
}
