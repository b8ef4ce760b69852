import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildIsCurrent } from "./build-fingerprint.mjs";
import { explainFailure, registryIsUnreachable } from "./failure.mjs";
import { npm, runQuietly } from "./programs.mjs";
import { showProgress } from "./progress.mjs";
import { root } from "./root.mjs";

const record = "node_modules/.package-lock.json";

/** Installs the packages and builds, each only where it is not done yet. Ends the process with one line on failure. */
export async function prepare() {
  if (!existsSync(join(root, record)) || !packagesAreCurrent(readPackages("package-lock.json"), readPackages(record))) {
    await orEnd("Installing packages", "install", install);
  }
  if (!buildIsCurrent()) await orEnd("Building", "build", build);
}

async function install() {
  // A network that is not there is found out in a second this way; "npm ci" would ask for every package first. What npm
  // has in its cache may still be enough.
  const ping = await runQuietly(npm(["ping", "--fetch-retries=0", "--fetch-timeout=10000"]));
  const offline = ping.code !== 0 && registryIsUnreachable(ping.output);
  const options = ["--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=warn"];
  const { code, output } = await runQuietly(npm(["ci", ...options, ...(offline ? ["--offline"] : [])]));
  // npm calls it a success when the disk was full.
  const incomplete = output.includes("TAR_ENTRY_ERROR");
  if (incomplete) rmSync(join(root, record), { force: true });
  return { code: incomplete ? 1 : code, output: offline ? ping.output + output : output };
}

function build() {
  return runQuietly({ file: process.execPath, args: [join(root, "scripts/build.mjs")] });
}

/** @typedef {{ version?: string, integrity?: string, optional?: boolean, devOptional?: boolean }} LockedPackage */
/** @typedef {Readonly<Record<string, LockedPackage>>} LockedPackages by where they stand, as in "node_modules/zod" */

/**
 * Whether what is installed has every package that the lock file asks for, but those for other systems.
 * @param {LockedPackages} locked the `packages` of package-lock.json
 * @param {LockedPackages} installed those of npm's own record of what it installed
 */
export function packagesAreCurrent(locked, installed) {
  return Object.entries(locked).every(([path, { version, integrity, optional, devOptional }]) => {
    if (!path.includes("node_modules/")) return true;
    const found = installed[path];
    if (found === undefined) return optional === true || devOptional === true;
    return found.version === version && found.integrity === integrity;
  });
}

/** @param {string} lockFile */
function readPackages(lockFile) {
  return JSON.parse(readFileSync(join(root, lockFile), "utf8")).packages;
}

/**
 * @param {string} title
 * @param {string} logName
 * @param {() => ReturnType<typeof runQuietly>} work
 */
async function orEnd(title, logName, work) {
  const { code, output } = await showProgress(title, work);
  if (code === 0) return;
  const { cause, remedy, show } = explainFailure(code, output);
  if (show) process.stderr.write(`\n${output.trim()}\n\n`);
  process.stderr.write(`${title} failed: ${cause}. ${remedy}, then run this again.${keepLog(logName, output)}\n`);
  process.exit(1);
}

/**
 * Keeps the whole output, and says where; on a full disk it cannot be kept.
 * @param {string} name
 * @param {string} output
 */
function keepLog(name, output) {
  try {
    mkdirSync(join(root, ".cache"), { recursive: true });
    writeFileSync(join(root, `.cache/${name}.log`), output);
    return ` Log: .cache/${name}.log`;
  } catch {
    return "";
  }
}
