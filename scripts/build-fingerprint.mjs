import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { root } from "./root.mjs";

/** Where a finished build leaves the fingerprint of what it was made from. It is not published. */
export const fingerprintFile = "dist/.built-from";

const sources = [
  "src",
  "scripts/build.mjs",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "tsconfig.build.json",
];

/** Whether `dist` was built, to its end, from what stands in the sources now. */
export function buildIsCurrent() {
  try {
    return readFileSync(join(root, fingerprintFile), "utf8") === sourceFingerprint();
  } catch {
    return false;
  }
}

/** SHA-256 over the names and contents of everything that a build depends on. */
export function sourceFingerprint() {
  const hash = createHash("sha256");
  for (const file of sources.flatMap(filesIn)) {
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
