import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { tables } from "./report.mjs";
import { sizing } from "./sizing.mjs";
import { soakClaims } from "./soak.mjs";

const page = fileURLToPath(new URL("../docs/performance.md", import.meta.url));
const MARKED = /<!-- begin (\w+) -->\n.*?<!-- end \1 -->/gs;

/** Puts what the committed results say between the page's marks. */
export function writePage() {
  writeFileSync(page, pageAndResults().expected);
}

/**
 * The page as the committed results would have it, and as it is.
 * @returns {{ readonly expected: string, readonly found: string }}
 */
export function pageAndResults() {
  const found = readFileSync(page, "utf8");
  const parts = generatedParts();
  const expected = found.replace(
    MARKED,
    (_, name) => `<!-- begin ${name} -->\n\n${parts[name]}\n\n<!-- end ${name} -->`,
  );
  return { expected, found };
}

/** @returns {Record<string, string>} */
function generatedParts() {
  /** @type {import("./report.mjs").Results} */
  const results = read("results.json");
  return { figures: `${measuredOn(results)}\n\n${tables(results)}`, sizing: sizing(results.sizes), soak: soakText() };
}

function soakText() {
  if (!existsSync(new URL("soak.json", import.meta.url))) return "No soak of this version has been kept yet.";
  /** @type {import("./soak.mjs").Soak} */
  const soak = read("soak.json");
  const { minutes, database, offeredPerSecond, peakPerSecond } = soak;
  const claims = soakClaims(soak).map(([claim, holds]) => `- ${claim}${holds ? "" : " **(does not hold)**"}`);
  return [
    `${measuredOn(soak)}`,
    `${minutes} minutes on ${database === "postgres" ? "PostgreSQL" : "SQLite"} at ${offeredPerSecond.toLocaleString("en-US")} refreshes a second, 70 % of the ${Math.round(peakPerSecond.median).toLocaleString("en-US")} that it reached at the beginning:`,
    claims.join("\n"),
    "![Memory and latency over the time of the soak.](performance-soak.svg)",
  ].join("\n\n");
}

/** @param {string} name */
function read(name) {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
}

/** @param {Pick<import("./report.mjs").Results, "date" | "machine">} results */
function measuredOn({ date, machine }) {
  const { processor, cores, memoryGiB, system, node, syncMs, load, commit, changedSince } = machine;
  const code = changedSince ? `${commit} with changes` : commit;
  return (
    `Measured on ${date} at commit ${code}: ${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node.js ${node}; ` +
    `the disk makes 4 KiB durable in ${syncMs.median} ms (${syncMs.min}–${syncMs.max}); load before the first run ${load}.`
  );
}
