import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiReferenceIsHere, downloadApiReference } from "./api-reference.mjs";
import { buildIsCurrent, declarationsAreCurrent } from "./build-fingerprint.mjs";
import { explainFailure, registryIsUnreachable } from "./failure.mjs";
import { npm, runQuietly } from "./programs.mjs";
import { showProgress } from "./progress.mjs";
import { root } from "./root.mjs";

const record = "node_modules/.package-lock.json";

/**
 * How much is installed and built: what the server runs on, or everything, which is what the checks, the tests and a release need.
 * @typedef {"serving" | "everything"} Extent
 */

/**
 * Installs and builds what is missing. Ends the process with one line on failure.
 * @param {Extent} extent
 */
export async function prepare(extent) {
  await preparePackages(extent);
  if (!buildIsCurrent()) await runBuild("javascript");
  if (extent === "everything" && !declarationsAreCurrent()) await runBuild("declarations");
}

/**
 * Installs the packages that are missing. Ends the process with one line on failure.
 * @param {Extent} extent
 */
export async function preparePackages(extent) {
  const locked = readPackages("package-lock.json");
  const needed = extent === "everything" ? locked : servingPackages(locked);
  const installed = existsSync(join(root, record)) ? readPackages(record) : undefined;
  const script = extent === "everything" || apiReferenceIsHere();
  if (installed !== undefined && packagesAreCurrent(needed, installed) && script) return;

  const missing = Object.keys(needed).filter((path) => isMissingHere(needed, installed ?? {}, path));
  const what = extent === "everything" ? "what the checks and the tests need" : "what the server needs";
  const title = `Installing ${what}, ${missing.length} packages`;
  await orEnd(title, "install", () => install(extent, installed !== undefined));
}

/**
 * Compiles, in a process of its own, whose output is kept.
 * @param {"javascript" | "declarations" | "checked"} kind
 */
export async function runBuild(kind) {
  const program = { file: process.execPath, args: [join(root, "scripts/compile.mjs"), kind] };
  await orEnd(kind === "declarations" ? "Building the declarations" : "Building", "build", () => runQuietly(program));
}

/**
 * Where npm has finished an installation before, only what is missing is added: a server may run from what is there. Its record
 * is removed first, so that after an interruption all is installed again.
 * @param {Extent} extent
 * @param {boolean} add
 */
async function install(extent, add) {
  // A network that is not there is found out in a second this way; "npm ci" would ask for every package first. What npm
  // has in its cache may still be enough.
  const ping = await runQuietly(npm(["ping", "--fetch-retries=0", "--fetch-timeout=10000"]));
  const offline = ping.code !== 0 && registryIsUnreachable(ping.output);
  const network = offline ? ["--offline"] : ["--prefer-offline"];
  const common = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=warn", ...network];
  // Without its peers, which are the frameworks that it has adapters for, the product needs none of their packages.
  const product = ["--workspaces=false", "--legacy-peer-deps"];
  const options = ["--include=dev", "--include=optional", ...(extent === "serving" ? product : []), ...common];
  if (add) rmSync(join(root, record), { force: true });
  const [packages, script] = await Promise.all([
    runQuietly(npm([...(add ? ["install", "--no-save"] : ["ci"]), ...options])),
    extent === "everything" || apiReferenceIsHere() ? { code: 0, output: "" } : downloadApiReference(common),
  ]);
  const failed = packages.code !== 0 ? packages : script;
  const output = (offline ? ping.output : "") + packages.output + script.output;
  // npm calls it a success when the disk was full.
  const incomplete = output.includes("TAR_ENTRY_ERROR");
  if (incomplete || failed.code !== 0) rmSync(join(root, record), { force: true });
  return { code: incomplete ? 1 : failed.code, output };
}

/** @typedef {Readonly<Record<string, string>>} Ranges by the name of a package */
/**
 * @typedef {{ version?: string, integrity?: string, link?: boolean, optional?: boolean, devOptional?: boolean,
 *   os?: readonly string[], cpu?: readonly string[], dependencies?: Ranges, devDependencies?: Ranges,
 *   optionalDependencies?: Ranges }} LockedPackage
 */
/** @typedef {Readonly<Record<string, LockedPackage>>} LockedPackages by where they stand, as in "node_modules/zod" */

/**
 * Whether what is installed has every package that the lock file asks for, but those for other systems.
 * @param {LockedPackages} locked the `packages` of package-lock.json
 * @param {LockedPackages} installed those of npm's own record of what it installed
 */
export function packagesAreCurrent(locked, installed) {
  return Object.keys(locked).every((path) => !isPackage(path) || isCurrent(locked, installed, path));
}

/**
 * Of a lock file, what the product itself depends on, and what compiles it: no workspace and no peer.
 * @param {LockedPackages} locked
 */
export function servingPackages(locked) {
  /** @type {Record<string, LockedPackage>} */
  const needed = {};
  /**
   * @param {string} path
   * @param {Ranges | undefined} ranges
   */
  const need = (path, ranges = {}) => {
    for (const name of Object.keys(ranges)) {
      const at = whereFound(locked, path, name);
      const found = at === undefined ? undefined : locked[at];
      if (at === undefined || found === undefined || at in needed) continue;
      needed[at] = found;
      need(at, { ...found.dependencies, ...found.optionalDependencies });
    }
  };
  const product = locked[""] ?? {};
  need("", { ...product.dependencies, ...product.optionalDependencies, ...product.devDependencies });
  return needed;
}

/**
 * Where Node finds the package `name` from the one at `path`.
 * @param {LockedPackages} locked
 * @param {string} path
 * @param {string} name
 * @returns {string | undefined}
 */
function whereFound(locked, path, name) {
  const at = path === "" ? `node_modules/${name}` : `${path}/node_modules/${name}`;
  if (at in locked) return at;
  if (path === "") return undefined;
  const parent = path.lastIndexOf("/node_modules/");
  return whereFound(locked, parent === -1 ? "" : path.slice(0, parent), name);
}

/** @param {string} path */
function isPackage(path) {
  return path.includes("node_modules/");
}

/**
 * @param {LockedPackages} locked
 * @param {LockedPackages} installed
 * @param {string} path
 */
function isCurrent(locked, installed, path) {
  const { version, integrity, optional, devOptional } = locked[path] ?? {};
  const found = installed[path];
  if (found === undefined) return optional === true || devOptional === true;
  return found.version === version && found.integrity === integrity;
}

/**
 * Whether a package is missing that this system needs.
 * @param {LockedPackages} locked
 * @param {LockedPackages} installed
 * @param {string} path
 */
function isMissingHere(locked, installed, path) {
  const { link, os = [process.platform], cpu = [process.arch] } = locked[path] ?? {};
  if (!isPackage(path) || link || !os.includes(process.platform) || !cpu.includes(process.arch)) return false;
  return locked[path]?.version !== installed[path]?.version;
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
  process.stderr.write(
    `${title.replace(/ what .*/, "")} failed: ${cause}. ${remedy}, then run this again.${keepLog(logName, output)}\n`,
  );
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
