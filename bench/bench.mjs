// npm run bench: measures refresh, verification and guards beside what people would use instead. With --quick it checks counts
// only, never times.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { requireNode } from "../scripts/node-version.mjs";

requireNode();
const { prepare } = await import("../scripts/prepare.mjs");
await prepare();
const { root } = await import("../scripts/root.mjs");
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
  },
});
if (values.quick) {
  const { countsReport } = await import("./quick.mjs");
  const { lines, passed } = await countsReport();
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  process.exit(passed ? 0 : 1);
}

const rounds = wholeNumber("rounds", 1, 50);
const seconds = wholeNumber("seconds", 1, 30);
const folder = mkdtempSync(join(tmpdir(), "latchkey-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const { describeMachine } = await import("./harness/machine.mjs");
const { startLoadGenerator } = await import("./harness/load.mjs");
const { generatorCeiling, ownSubjects, peerSubjects } = await import("./refresh-subjects.mjs");
const { measureRefresh } = await import("./refresh.mjs");
const { measureVerification } = await import("./verification.mjs");
const { measureGuards } = await import("./guards.mjs");
const { tables } = await import("./report.mjs");
const { charts } = await import("./chart.mjs");
const { writePage } = await import("./page.mjs");

tell("installing what is measured beside Latchkey");
const subjects = [generatorCeiling, ...ownSubjects, ...peerSubjects()];
const machine = describeMachine(folder);
const generator = startLoadGenerator();
try {
  const refresh = await measureRefresh(subjects, generator, { levels: [1, 32, 128], rounds, seconds }, folder, tell);
  tell("guards");
  const guards = await measureGuards(generator, { rounds, seconds }, folder);
  tell("verification");
  const verification = await measureVerification({ rounds: rounds * 2 + 1, milliseconds: 250 });
  const date = new Date().toISOString().slice(0, 10);
  /** @type {import("./report.mjs").Results} */
  const results = { date, machine, refresh, verification, guards };
  writeFileSync(join(root, "bench/results.json"), `${JSON.stringify(results, rounded, 2)}\n`);
  const written = JSON.parse(readFileSync(join(root, "bench/results.json"), "utf8"));
  for (const [name, svg] of Object.entries(charts(written))) writeFileSync(join(root, "docs", name), svg);
  writePage(written);
  process.stdout.write(`\n${tables(written)}\n\nbench/results.json, docs/performance.md and its charts are new.\n`);
} finally {
  generator.stop();
}

/** @param {string} line */
function tell(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Four significant digits are more than the noise leaves.
 * @param {string} _
 * @param {unknown} value
 */
function rounded(_, value) {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

/**
 * @param {"rounds" | "seconds"} name
 * @param {number} least
 * @param {number} most
 */
function wholeNumber(name, least, most) {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  process.stderr.write(`--${name} takes a whole number from ${least} to ${most}.\n`);
  process.exit(1);
}
