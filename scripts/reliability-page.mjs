// The table of docs/reliability.md, from docs/reliability.json, which `npm run faults` writes.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./root.mjs";

/**
 * What a whole long run has shown.
 * @typedef {object} Results
 * @property {string} date
 * @property {string} commit
 * @property {string} command
 * @property {{ processors: number, memoryGiB: number, node: string, system: string }} machine
 * @property {readonly { run: string, count: number, seed?: number, seconds: number, found: Record<string, number> }[]} figures
 */

const MARKED = /<!-- begin -->.*<!-- end -->/s;
const page = join(root, "docs/reliability.md");
const resultsFile = join(root, "docs/reliability.json");

/** Puts the kept results between the page's marks. */
export function writeReliabilityPage() {
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
  const results = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, "utf8")) : undefined;
  return {
    text,
    found: MARKED.exec(text)?.[0] ?? "",
    expected: `<!-- begin -->\n\n${tableOf(results)}\n\n<!-- end -->`,
  };
}

/**
 * @param {Results | undefined} results
 * @returns {string}
 */
export function tableOf(results) {
  if (results === undefined) return "No long run has been kept yet.";
  const { date, commit, command, machine, figures } = results;
  const { processors, memoryGiB, node, system } = machine;
  const measured = `\`${command}\` on ${date} at commit ${commit}: ${processors} processors, ${memoryGiB} GiB, ${system}, Node.js ${node}.`;
  const rows = figures.map(({ run, count, seed, seconds, found }) => {
    const counted = Object.entries(found).map(([what, many]) => `${many.toLocaleString("en")} ${what}`);
    return `| ${run} | ${count.toLocaleString("en")} | ${counted.join(", ")} | ${Math.round(seconds)} | ${seed ?? ""} |`;
  });
  return [
    measured,
    "",
    "| what was done | times | what was counted | seconds | seed |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}
