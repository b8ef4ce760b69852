import { expect, it } from "vitest";
import { readOptions } from "../../bench/options.mjs";

it.each([
  [["--round", "3"], "Unknown option '--round'. Did you mean '--rounds'?"],
  [["--sock"], "Unknown option '--sock'. Did you mean '--soak'?"],
  [["--only", "refesh"], "Unknown part 'refesh'. Did you mean 'refresh'?"],
  [["--rounds", "none"], "--rounds takes a whole number from 1 to 50."],
  [["--seconds", "31"], "--seconds takes a whole number from 1 to 30."],
  [["--soak", "0"], "--soak takes minutes, from 1 to 1440."],
  [["--soak", "--database", "mysql"], "--database takes sqlite or postgres."],
  [["3"], "'3' belongs to no option."],
])("%j is refused, with the nearest name where one is near", (args, problem) => {
  expect(readOptions(args)).toEqual({ problem: expect.stringContaining(problem) });
});

it("without arguments everything is measured in five rounds of two seconds; a soak takes thirty minutes on SQLite", () => {
  expect(readOptions([])).toEqual({ mode: "measure", only: undefined, rounds: 5, seconds: 2 });
  expect(readOptions(["--only", "guards,refresh"])).toMatchObject({ only: ["refresh", "guards"] });
  expect(readOptions(["--soak"])).toEqual({ mode: "soak", minutes: 30, database: "sqlite" });
  expect(readOptions(["--soak", "2", "--database", "postgres"])).toMatchObject({ minutes: 2, database: "postgres" });
});
