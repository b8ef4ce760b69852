import { readFileSync } from "node:fs";

// This file and start.mjs, test.mjs and check.mjs are read by whatever Node is there, so they keep to old syntax.

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/**
 * Says in one line what is wrong with this Node, or `undefined` when it will do.
 * @param {string} found the version that runs, as in `process.versions.node`
 */
export function nodeVersionProblem(found) {
  const needed = manifest.engines.node.replace(">=", "");
  const [major = 0, minor = 0] = found.split(".").map(Number);
  const [neededMajor, neededMinor] = needed.split(".").map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return `Node.js ${needed} or later is needed, and this is ${found}. Install a newer one, then run this again.`;
}

/** Ends the process with that line when Node is too old. */
export function requireNode() {
  const problem = nodeVersionProblem(process.versions.node);
  if (problem === undefined) return;
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}
