import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { advisories } from "./advisories.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NUMBER = /\b(?:CVE-\d{4}-\d{4,}|GHSA(?:-[a-z0-9]{4}){3}|django-oauth-toolkit#\d+)(?![\w-])/g;

/** The first argument of every call of `it` and of `it.each(...)`, but for tests that are skipped or still to be written. */
const TITLE = /(?:\bit|\bit\.runIf\([^\n]*?\)|\))\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1,/g;

function titles(source: string): string[] {
  return [...source.matchAll(TITLE)].map(([, , title = ""]) => title);
}

describe("the list of advisories", () => {
  const files = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
  const numbers = files.flatMap((name) =>
    titles(readFileSync(`${ROOT}/${name}`, "utf8")).flatMap((title) => title.match(NUMBER) ?? []),
  );

  it("is looked for where tests are, and finds titles as they are written", () => {
    expect(files.length).toBeGreaterThan(100);
    expect(
      titles('it("one", () => {\n  it.each([\n    ["a"],\n  ])("two: %s", (a) => {\nit.each(xs)(\n    `three`,'),
    ).toEqual(["one", "two: %s", "three"]);
    expect(titles('it.skip("four", () => {\nit.todo("five");\n// CVE-2020-0001\nexpect("six")')).toEqual([]);
  });

  it("names each advisory once", () => {
    expect(new Set(advisories.map(([number]) => number)).size).toBe(advisories.length);
    for (const [number] of advisories) expect(number.match(NUMBER)).toEqual([number]);
  });

  it.each(advisories)("has exactly one test for %s of %s", (number) => {
    expect(numbers.filter((found) => found === number)).toEqual([number]);
  });
});
