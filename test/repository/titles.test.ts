import { expect, it } from "vitest";
import { titledFiles, titlesOf } from "../support/titles.ts";

const MOST_CHARACTERS = 119;

it("a title of a test is under 120 characters, so that a report shows it on one line", () => {
  const files = titledFiles();
  expect(files.length).toBeGreaterThan(200);
  const long = files.flatMap(({ path, titles }) =>
    titles.filter((title) => title.length > MOST_CHARACTERS).map((title) => `${path}: ${title}`),
  );
  expect(long).toEqual([]);
});

it("titles are found as they are written, those of skipped tests left out", () => {
  expect(
    titlesOf('it("one", () => {\n  it.each([\n    ["a"],\n  ])("two: %s", (a) => {\nit.each(xs)(\n    `three`,'),
  ).toEqual(["one", "two: %s", "three"]);
  expect(titlesOf('it.skip("four", () => {\nit.todo("five");\n// CVE-2020-0001\nexpect("six")')).toEqual([]);
});
