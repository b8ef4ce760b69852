import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { npm, packageCommand, runQuietly, runShown } from "./programs.mjs";
import { seconds } from "./progress.mjs";

/** @typedef {Readonly<Record<string, () => Promise<boolean>>>} Checks by name; each says whether it passed */

// The two rules of import direction; the check of style is everything else that Biome looks at.
const importRules = ["style/noRestrictedImports", "suspicious/noImportCycles"];

/**
 * Every check that runs none of our code, in order.
 * @type {Checks}
 */
export const staticChecks = {
  types: () => runShown(packageCommand("typescript", ["-p", "tsconfig.json"], "tsc")),
  style: () => biome("check", ...importRules.map((rule) => `--skip=${rule}`)),
  imports: () => biome("lint", ...importRules.map((rule) => `--only=${rule}`)),
  "dead-code": () => runShown(packageCommand("knip", ["--no-progress", "--treat-config-hints-as-errors"])),
  package: checkPackage,
};

/**
 * Runs checks one after the other, all of them whatever fails, each under a heading and with its own time.
 * @param {Checks} checks
 * @returns {Promise<string[]>} the names of those that failed
 */
export async function runChecks(checks) {
  const results = [];
  for (const [name, check] of Object.entries(checks)) {
    process.stdout.write(`\n── ${name}\n`);
    const started = performance.now();
    const passed = await check();
    const line = `${passed ? "passed" : "FAILED"}  ${name}  ${seconds(started)}\n`;
    process.stdout.write(line);
    results.push({ name, passed, line });
  }
  process.stdout.write(`\n── summary\n${results.map(({ line }) => line).join("")}`);
  return results.filter(({ passed }) => !passed).map(({ name }) => name);
}

/** @param {readonly string[]} args */
function biome(...args) {
  return runShown(packageCommand("@biomejs/biome", [...args, "--error-on-warnings", "."], "biome"));
}

/** Packs what would be published, and lets both judges of packages look at exactly that. */
async function checkPackage() {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-pack-"));
  try {
    if (!(await runShownOnFailure(npm(["pack", "--ignore-scripts", "--pack-destination", folder])))) return false;
    const packed = join(folder, ...readdirSync(folder));
    const attwOptions = ["--profile", "esm-only", "--no-emoji"];
    const exportsAreSound = await runShownOnFailure(packageCommand("publint", ["run", "--strict", packed]));
    const typesAreSound = await runShownOnFailure(
      packageCommand("@arethetypeswrong/cli", [packed, ...attwOptions], "attw"),
    );
    return exportsAreSound && typesAreSound;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {import("./programs.mjs").Program} program */
async function runShownOnFailure(program) {
  const { code, output } = await runQuietly(program);
  if (code !== 0) process.stdout.write(output);
  return code === 0;
}
