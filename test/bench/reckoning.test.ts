import { expect, it } from "vitest";
import { aims } from "../../bench/aims.mjs";
import type { SizeResult } from "../../bench/sizes.mjs";
import { sizing } from "../../bench/sizing.mjs";
import { type Soak, soakClaims } from "../../bench/soak.mjs";

const exactly = (value: number) => ({ median: value, min: value, max: value });

const size: SizeResult = {
  database: "PostgreSQL",
  sessions: 1_000_000,
  notRun: null,
  perSecond: exactly(9000),
  p99Ms: exactly(8),
  ofSmallest: exactly(0.95),
  serverCpuMicroseconds: exactly(90),
  databaseCpuMicroseconds: exactly(45),
  rssMiB: 150,
  bytes: { sessions: 600_000_000, users: 300_000_000 },
  firstAnswerMs: exactly(700),
};

it("what a deployment needs is refreshes a second times processor time, and sessions times bytes", () => {
  const page = sizing([{ database: "SQLite", sessions: 1_000_000, notRun: "too little disk" }, size]);
  expect(page).not.toContain("SQLite");
  expect(page).toContain("| processor for 1,000 active users | 0.00015 cores |");
  expect(page).toContain("| active users for one process, at half its measured rate | 4,100,000 |");
  // 100,000,000 / 900 s = 111,111 a second; × 90 µs = 10 cores, × 45 µs = 5; ÷ 4,500 = 25 processes; × 900 bytes = 90 GB.
  expect(page).toContain("| 100,000,000 | 110,000 | 25 | 10 | 5 | 90 GB |");
});

it("without figures nothing is reckoned", () => {
  expect(sizing([])).toBe("Not measured in the run that is kept.");
});

it("an aim is reached or missed by what was measured, and one that was not measured is neither", () => {
  expect(aims({})).toEqual([]);
  expect(aims({ sizes: [{ ...size, rssMiB: 300 }] }).map(({ aim, isReached }) => [aim, isReached])).toEqual([
    ["PostgreSQL, 1,000,000 sessions: of the smallest's rate: at least 0.90", true],
    ["PostgreSQL, 1,000,000 sessions: server MiB after: at most 250", false],
    ["PostgreSQL, 1,000,000 sessions: start to first answer, ms: at most 1,000", true],
  ]);
});

const soak: Soak = {
  date: "2026-01-01",
  machine: {} as Soak["machine"],
  database: "sqlite",
  minutes: 30,
  peakPerSecond: exactly(1000),
  offeredPerSecond: 700,
  windows: [],
  answers: { 200: 1_260_000 },
  keyRotations: 29,
  witness: { refreshed: 1800, verified: 5400, refused: 0 },
  rows: { before: { sessions: 10_001, revocations: 0 }, after: { sessions: 10_001, revocations: 0 } },
  memory: { middleMiB: 150, lastMiB: 155 },
  problems: [],
};

it("a soak that has gone well claims so", () => {
  expect(soakClaims(soak).filter(([, holds]) => !holds)).toEqual([]);
});

it.each<[string, Partial<Soak>]>([
  ["an answer other than 200", { answers: { 200: 1_259_999, 401: 1 } }],
  ["an access token refused", { witness: { refreshed: 1800, verified: 5399, refused: 1 } }],
  ["nothing verified", { witness: { refreshed: 0, verified: 0, refused: 0 } }],
  ["keys that did not change", { keyRotations: 3 }],
  ["a row more", { rows: { ...soak.rows, after: { sessions: 10_002, revocations: 0 } } }],
  ["a revocation", { rows: { ...soak.rows, after: { sessions: 10_001, revocations: 1 } } }],
  ["memory that grows", { memory: { middleMiB: 150, lastMiB: 158 } }],
  ["memory that is not known", { memory: null }],
  ["a load that broke off", { problems: ["the load ended: no answer in time"] }],
])("%s fails a soak", (_, difference) => {
  expect(soakClaims({ ...soak, ...difference }).filter(([, holds]) => !holds)).toHaveLength(1);
});
