import { expect, it } from "vitest";
import { pageAndResults } from "../../bench/page.mjs";

it("docs/performance.md shows the figures of bench/results.json, and no others", () => {
  const { expected, found } = pageAndResults();
  expect(expected).toContain("Latchkey, SQLite");
  expect(found).toBe(expected);
});
