// npm run bench: measures refresh, sessions by the million, logins, guards and verification beside what people would use instead.
// With --quick it checks counts only, never times; with --soak it keeps a server under load for as long as it is told.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireNode } from "../scripts/node-version.mjs";

requireNode();
const { prepare } = await import("../scripts/prepare.mjs");
await prepare("everything");
const { readOptions } = await import("./options.mjs");
const options = readOptions(process.argv.slice(2));
if ("problem" in options) {
  process.stderr.write(`${options.problem}\n`);
  process.exit(1);
}
if (options.mode === "quick") {
  const { countsReport } = await import("./quick.mjs");
  const { lines, passed } = await countsReport();
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  process.exit(passed ? 0 : 1);
}

const folder = mkdtempSync(join(tmpdir(), "latchkey-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const { describeMachine } = await import("./harness/machine.mjs");
const { startLoadGenerator } = await import("./harness/load.mjs");
const machine = describeMachine(folder);
const date = new Date().toISOString().slice(0, 10);
const generator = startLoadGenerator();
try {
  process.exitCode = await (options.mode === "soak" ? soakAndWrite(options) : measureAndWrite(options));
} finally {
  generator.stop();
}

/** @param {Extract<import("./options.mjs").BenchOptions, { mode: "soak" }>} plan */
async function soakAndWrite(plan) {
  const { soak, soakClaims } = await import("./soak.mjs");
  const { soakChart } = await import("./charts/charts.mjs");
  const { writePage } = await import("./page.mjs");
  const found = { date, machine, ...(await soak(plan, generator, folder, tell)) };
  write("bench/soak.json", json(found));
  write("docs/performance-soak.svg", soakChart(found));
  writePage();
  const claims = soakClaims(found);
  for (const [claim, holds] of claims) process.stdout.write(`${holds ? "ok    " : "FAILED"}  ${claim}\n`);
  return claims.every(([, holds]) => holds) ? 0 : 1;
}

/** @param {Extract<import("./options.mjs").BenchOptions, { mode: "measure" }>} plan */
async function measureAndWrite(plan) {
  const { aims } = await import("./aims.mjs");
  const { measure } = await import("./measure.mjs");
  const { tables } = await import("./report.mjs");
  const { charts } = await import("./charts/charts.mjs");
  const { writePage } = await import("./page.mjs");
  /** @type {import("./report.mjs").Results} */
  const results = JSON.parse(json({ date, machine, ...(await measure(plan, generator, folder, tell)) }));
  process.stdout.write(`\n${tables(results)}\n\n`);
  for (const { aim, found, isReached } of aims(results))
    tell(`${isReached ? "reached" : "missed "}  ${aim}; found ${found}`);
  if (plan.only !== undefined) {
    process.stdout.write("\nNothing was written: only a whole run makes bench/results.json new.\n");
    return 0;
  }
  write("bench/results.json", json(results));
  for (const [name, svg] of Object.entries(charts(results))) write(`docs/${name}`, svg);
  writePage();
  process.stdout.write("\nbench/results.json, docs/performance.md and its charts are new.\n");
  return 0;
}

/** @param {string} line */
function tell(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * @param {string} path in the repository
 * @param {string} text
 */
function write(path, text) {
  writeFileSync(new URL(`../${path}`, import.meta.url), text);
}

/**
 * Four significant digits are more than the noise leaves.
 * @param {object} value
 */
function json(value) {
  const rounded = (/** @type {string} */ _, /** @type {unknown} */ one) =>
    typeof one === "number" && !Number.isInteger(one) ? Number(one.toPrecision(4)) : one;
  return `${JSON.stringify(value, rounded, 2)}\n`;
}
