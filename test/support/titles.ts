import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The first argument of every call of `it`, `describe`, and of what `it.each(...)` and the like return. */
const TITLE = /(?:\b(?:it|describe)|\))\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1,/g;

/** A file of tests, or of suites that several files run, with the titles in it as they are written there. */
export interface TitledFile {
  /** From the repository's folder on: `test/http/refresh.test.ts`. */
  readonly path: string;
  readonly titles: readonly string[];
}

/** The titles of tests and of groups of tests in a source text, in order. Those of skipped tests are left out. */
export function titlesOf(source: string): readonly string[] {
  return [...source.matchAll(TITLE)].map(([, , title = ""]) => title.replace(/\\(["'`\\])/g, "$1"));
}

/** Every TypeScript file under `test/` that has titles. */
export function titledFiles(): readonly TitledFile[] {
  return readdirSync(`${ROOT}/test`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => `test/${name.replaceAll("\\", "/")}`)
    .sort()
    .map((path) => ({ path, titles: titlesOf(readFileSync(`${ROOT}/${path}`, "utf8")) }))
    .filter(({ titles }) => titles.length > 0);
}
