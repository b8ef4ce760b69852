import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { root } from "./root.mjs";

/** Where a finished build leaves the fingerprint of what it was made from. It is not published. */
export const fingerprintFile = "dist/.built-from";

/** The same for the declarations, and for @latchkey/verify: what the server runs without. */
export const declarationsFingerprintFile = "dist/.declared-from";

/** All that a build depends on. */
export const sources = [
  "src",
  "scripts/compile.mjs",
  "scripts/api-reference.mjs",
  "scripts/verify-package.mjs",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "tsconfig.build.json",
];

/** Whether `dist` was built, to its end, from what stands in the sources now. */
export function buildIsCurrent() {
  return isCurrent(fingerprintFile);
}

/** Whether the declarations of that build, and @latchkey/verify, were made from it. */
export function declarationsAreCurrent() {
  return isCurrent(declarationsFingerprintFile);
}

/** @param {string} file */
function isCurrent(file) {
  try {
    return readFileSync(join(root, file), "utf8") === sourceFingerprint();
  } catch {
    return false;
  }
}

/** The fingerprint of everything that a build depends on. */
export function sourceFingerprint() {
  return fingerprintOf(sources);
}

/**
 * SHA-256 over the names and contents of files, and of all files in folders.
 * @param {readonly string[]} paths
 */
export function fingerprintOf(paths) {
  const hash = createHash("sha256");
  for (const file of paths.flatMap(filesIn)) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/**
 * @param {string} path
 * @returns {string[]}
 */
function filesIn(path) {
  if (statSync(join(root, path)).isFile()) return [path];
  const names = readdirSync(join(root, path)).sort();
  return names.flatMap((name) => filesIn(`${path}/${name}`));
}
