import { describe, expect, it } from "vitest";
import { titledFiles } from "../support/titles.ts";
import { advisories } from "./advisories.ts";

const NUMBER = /\b(?:CVE-\d{4}-\d{4,}|GHSA(?:-[a-z0-9]{4}){3}|django-oauth-toolkit#\d+)(?![\w-])/g;

describe("the list of advisories", () => {
  const numbers = titledFiles().flatMap(({ titles }) => titles.flatMap((title) => title.match(NUMBER) ?? []));

  it("names each advisory once", () => {
    expect(new Set(advisories.map(([number]) => number)).size).toBe(advisories.length);
    for (const [number] of advisories) expect(number.match(NUMBER), number).toEqual([number]);
  });

  it.each(advisories)("has exactly one test for %s of %s", (number) => {
    expect(numbers.filter((found) => found === number)).toEqual([number]);
  });
});
