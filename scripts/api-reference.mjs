import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { npm, runQuietly } from "./programs.mjs";
import { root } from "./root.mjs";

// Of openapi-explorer the page at /docs needs one file, which imports nothing. Installed as a package it would bring 80 others, so
// `npm start` downloads it alone: the version and the content that package-lock.json fixes.
const name = "openapi-explorer";
const script = "dist/browser/openapi-explorer.min.js";
const licence = "LICENSE";

const installed = join(root, "node_modules", name);

/** Whether the script is here, installed as a package or downloaded. */
export function apiReferenceIsHere() {
  return existsSync(join(installed, script)) || downloaded() !== undefined;
}

/**
 * Downloads the package into .cache.
 * @param {readonly string[]} options of npm
 */
export function downloadApiReference(options) {
  mkdirSync(join(root, ".cache"), { recursive: true });
  return runQuietly(npm(["pack", `${name}@${locked().version}`, "--pack-destination", ".cache", ...options]));
}

/** The script and its licence. */
export function apiReference() {
  if (existsSync(join(installed, script))) {
    return { script: readFileSync(join(installed, script)), licence: readFileSync(join(installed, licence)) };
  }
  const archive = downloaded();
  if (archive === undefined)
    throw new Error(`${name} is neither installed nor downloaded. Run 'npm start' or 'npm test'.`);
  const tar = gunzipSync(archive);
  return { script: fileIn(tar, `package/${script}`), licence: fileIn(tar, `package/${licence}`) };
}

/** What was downloaded, if it is here and is what the lock file fixes. */
function downloaded() {
  const { version, integrity } = locked();
  const file = join(root, `.cache/${name}-${version}.tgz`);
  if (!existsSync(file)) return undefined;
  const archive = readFileSync(file);
  return `sha512-${createHash("sha512").update(archive).digest("base64")}` === integrity ? archive : undefined;
}

/** @returns {{ version: string, integrity: string }} */
function locked() {
  return JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages[`node_modules/${name}`];
}

/**
 * One file of a tar archive, whose entries are a block of 512 bytes that names the file and its size, and then its content.
 * @param {Buffer} tar
 * @param {string} path
 */
function fileIn(tar, path) {
  const text = (/** @type {number} */ from, /** @type {number} */ to) =>
    tar.toString("latin1", from, to).split("\0")[0] ?? "";
  for (let at = 0; at < tar.length; ) {
    const size = Number.parseInt(text(at + 124, at + 136), 8) || 0;
    const content = at + 512;
    if (text(at, at + 100) === path) return tar.subarray(content, content + size);
    at = content + Math.ceil(size / 512) * 512;
  }
  throw new Error(`${path} is missing from the package ${name}.`);
}
