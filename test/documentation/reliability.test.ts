import { expect, it } from "vitest";
import { reliabilityPage, tableOf } from "../../scripts/reliability-page.mjs";

it("docs/reliability.md shows the figures of docs/reliability.json, and no others", () => {
  const { found, expected } = reliabilityPage();
  expect(found).toBe(expected);
});

it("the table of docs/reliability.md has a row for every figure, with everything that was counted", () => {
  const table = tableOf({
    command: "npm run faults",
    machine: { processors: 2, memoryGiB: 4, node: "v20.20.2", system: "linux" },
    figures: [
      {
        run: "kill -9",
        count: 1500,
        seed: 7,
        seconds: 61.4,
        found: { "acknowledged rotations": 48_211, "honest logouts": 0 },
        date: "2026-11-21",
        commit: "abc1234",
      },
      { run: "fuzz", count: 2, seconds: 1, found: { requests: 9 }, date: "2026-11-22", commit: "def5678" },
    ],
  });
  expect(table.split("\n")).toEqual([
    "`npm run faults` on 2 processors, 4 GiB, linux, Node.js v20.20.2.",
    "",
    "| what was done | times | what was counted | seconds | seed | date | commit |",
    "|---|---|---|---|---|---|---|",
    "| kill -9 | 1,500 | 48,211 acknowledged rotations, 0 honest logouts | 61 | 7 | 2026-11-21 | abc1234 |",
    "| fuzz | 2 | 9 requests | 1 |  | 2026-11-22 | def5678 |",
  ]);
});
