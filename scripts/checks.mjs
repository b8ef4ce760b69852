import { stripVTControlCharacters } from "node:util";
import { checkPackages } from "./package-check.mjs";
import { packageCommand, runQuietly } from "./programs.mjs";
import { seconds } from "./progress.mjs";

/** @typedef {{ readonly passed: boolean, readonly output: string }} Result What a check found, and what it printed */
/** @typedef {() => Promise<Result>} Check */

/** The checks that run none of our code, in the order in which they are reported. */
export const checkNames = /** @type {const} */ (["types", "style", "imports", "dead-code", "package"]);

/** @typedef {(typeof checkNames)[number]} CheckName */

/** The two rules of import direction; the check of style is everything else that Biome looks at. */
const importRules = ["lint/style/noRestrictedImports", "lint/suspicious/noImportCycles"];

const TYPES = ["-p", "tsconfig.json", "--incremental", "--tsBuildInfoFile", ".cache/types.tsbuildinfo"];

const DEAD_CODE = ["--no-progress", "--treat-config-hints-as-errors", "--cache", "--cache-location", ".cache/knip"];

/**
 * Runs checks side by side, all of them whatever fails, and shows each under a heading, in order, with its own time.
 * @param {readonly CheckName[]} names
 * @returns {Promise<{ readonly failed: readonly string[], readonly lines: readonly string[] }>} the names of those that failed, and
 *   a line for each
 */
export async function runChecks(names) {
  const wanted = new Set(names);
  const biome = wanted.has("style") || wanted.has("imports") ? runBiome(wanted) : undefined;
  /** @type {Record<CheckName, Check>} */
  const checks = {
    types: () => run(packageCommand("typescript", TYPES, "tsc")),
    style: async () => (await biome)?.style ?? { passed: false, output: "" },
    imports: async () => (await biome)?.imports ?? { passed: false, output: "" },
    "dead-code": () => run(packageCommand("knip", DEAD_CODE)),
    package: checkPackages,
  };
  const running = names.map((name) => timed(name, checks[name]));
  const lines = [];
  const failed = [];
  for (const check of running) {
    const { name, passed, output, took } = await check;
    const line = `${passed ? "passed" : "FAILED"}  ${name}  ${took}\n`;
    process.stdout.write(`\n── ${name}\n${output}${line}`);
    lines.push(line);
    if (!passed) failed.push(name);
  }
  return { failed, lines };
}

/**
 * One run of Biome for both of its checks. What it found is counted to the one or the other by its rule.
 * @param {ReadonlySet<string>} wanted
 * @returns {Promise<{ readonly style: Result, readonly imports: Result }>}
 */
async function runBiome(wanted) {
  const only = importRules.map((rule) => rule.replace("lint/", ""));
  const rules = wanted.has("style")
    ? ["check", ...(wanted.has("imports") ? [] : only.map((rule) => `--skip=${rule}`))]
    : ["lint", ...only.map((rule) => `--only=${rule}`)];
  const options = ["--error-on-warnings", "--max-diagnostics=none", "."];
  const { passed, output } = await run(packageCommand("@biomejs/biome", [...rules, ...options], "biome"));
  return sortFindings(passed, output);
}

/**
 * Tells what Biome printed about import direction from the rest. A failure of which nothing is known is one of style.
 * @param {boolean} passed
 * @param {string} output
 */
export function sortFindings(passed, output) {
  if (passed) return { style: { passed, output: "" }, imports: { passed, output: "" } };
  const headings = stripVTControlCharacters(output).match(/^\S.* ━+$/gm) ?? [];
  const findings = headings.filter((heading) => !/^(?:check|lint|ci) ━/.test(heading));
  const aboutImports = findings.filter((heading) => importRules.some((rule) => heading.includes(` ${rule} `)));
  const style = findings.length === 0 || findings.length > aboutImports.length;
  const imports = aboutImports.length > 0;
  return {
    style: { passed: !style, output: style ? output : "" },
    imports: { passed: !imports, output: imports && !style ? output : imports ? "See the findings above.\n" : "" },
  };
}

/** @param {import("./programs.mjs").Program} program */
async function run(program) {
  const { code, output } = await runQuietly(program);
  return { passed: code === 0, output };
}

/**
 * @param {CheckName} name
 * @param {Check} check
 */
async function timed(name, check) {
  const started = performance.now();
  const { passed, output } = await check();
  return {
    name,
    passed,
    output: output === "" || output.endsWith("\n") ? output : `${output}\n`,
    took: seconds(started),
  };
}
