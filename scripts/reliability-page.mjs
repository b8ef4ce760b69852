// The table of docs/reliability.md, from docs/reliability.json, which `npm run faults` writes.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./root.mjs";

/**
 * What one test has shown in a long run.
 * @typedef {object} Figure
 * @property {string} run What was done.
 * @property {number} count How often.
 * @property {number} [seed]
 * @property {number} seconds
 * @property {Readonly<Record<string, number>>} found
 */

/**
 * What long runs have shown, the newest of each test. `machine` is that of the newest run.
 * @typedef {object} Results
 * @property {string} command
 * @property {{ processors: number, memoryGiB: number, node: string, system: string }} machine
 * @property {readonly (Figure & { readonly date: string, readonly commit: string })[]} figures
 */

const MARKED = /<!-- begin -->.*<!-- end -->/s;
const page = join(root, "docs/reliability.md");
const resultsFile = join(root, "docs/reliability.json");

/**
 * Keeps figures in the place of those that the same tests gave before, and puts all of them into the page.
 * @param {readonly Figure[]} figures
 * @param {{ readonly machine: Results["machine"], readonly date: string, readonly commit: string }} of
 */
export function keepFigures(figures, { machine, date, commit }) {
  const dated = figures.map((figure) => ({ ...figure, date, commit }));
  const others = readResults()?.figures.filter(({ run }) => !figures.some((figure) => figure.run === run)) ?? [];
  const all = [...others, ...dated].sort((one, other) => one.run.localeCompare(other.run, "en"));
  const results = { command: "npm run faults", machine, figures: all };
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
  const { text, expected } = reliabilityPage();
  writeFileSync(
    page,
    text.replace(MARKED, () => expected),
  );
}

/**
 * The page, what stands between its marks, and what should.
 * @returns {{ readonly text: string, readonly found: string, readonly expected: string }}
 */
export function reliabilityPage() {
  const text = readFileSync(page, "utf8");
  const results = readResults();
  return {
    text,
    found: MARKED.exec(text)?.[0] ?? "",
    expected: `<!-- begin -->\n\n${tableOf(results)}\n\n<!-- end -->`,
  };
}

/** @returns {Results | undefined} */
function readResults() {
  return existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, "utf8")) : undefined;
}

/**
 * @param {Results | undefined} results
 * @returns {string}
 */
export function tableOf(results) {
  if (results === undefined) return "No long run has been kept yet.";
  const { command, machine, figures } = results;
  const { processors, memoryGiB, node, system } = machine;
  const measured = `\`${command}\` on ${processors} processors, ${memoryGiB} GiB, ${system}, Node.js ${node}.`;
  const rows = figures.map(({ run, count, seed, seconds, found, date, commit }) => {
    const counted = Object.entries(found).map(([what, many]) => `${many.toLocaleString("en")} ${what}`);
    const cells = [run, count.toLocaleString("en"), counted.join(", "), Math.round(seconds), seed ?? "", date, commit];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    measured,
    "",
    "| what was done | times | what was counted | seconds | seed | date | commit |",
    "|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}
