import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { tables } from "./report.mjs";

const MARKED = /(<!-- begin -->\n).*(<!-- end -->)/s;
const page = fileURLToPath(new URL("../docs/performance.md", import.meta.url));

/**
 * Puts a run's tables between the page's marks.
 * @param {import("./report.mjs").Results} results
 */
export function writePage(results) {
  const text = readFileSync(page, "utf8");
  writeFileSync(
    page,
    text.replace(MARKED, (_, begin, end) => `${begin}\n${measuredOn(results)}\n\n${tables(results)}\n\n${end}`),
  );
}

/**
 * The tables of the committed results, and what stands in their place on the page.
 * @returns {{ readonly expected: string, readonly found: string }}
 */
export function pageAndResults() {
  const results = JSON.parse(readFileSync(new URL("./results.json", import.meta.url), "utf8"));
  const found = MARKED.exec(readFileSync(page, "utf8"))?.[0] ?? "";
  return { expected: `<!-- begin -->\n\n${measuredOn(results)}\n\n${tables(results)}\n\n<!-- end -->`, found };
}

/** @param {import("./report.mjs").Results} results */
function measuredOn({ date, machine }) {
  const { processor, cores, memoryGiB, system, node, syncMs, load, commit, changedSince } = machine;
  const code = changedSince ? `${commit} with changes` : commit;
  return (
    `Measured on ${date} at commit ${code}: ${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node.js ${node}; ` +
    `the disk makes 4 KiB durable in ${syncMs.median} ms (${syncMs.min}–${syncMs.max}); load before the first run ${load}.`
  );
}
