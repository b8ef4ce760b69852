import { describe, expect, it } from "vitest";
import { readImportTime } from "../../src/server/user-import/import-time.ts";

const NOW = Date.UTC(2026, 0, 1);
const read = (value: unknown) => readImportTime(value, NOW);

describe("the time of an import", () => {
  it.each([
    ["2024-03-01T10:00:00Z", Date.UTC(2024, 2, 1, 10)],
    ["2024-03-01t10:00:00z", Date.UTC(2024, 2, 1, 10)],
    ["2024-03-01T10:00Z", Date.UTC(2024, 2, 1, 10)],
    ["2024-03-01T10:00:00.123456Z", Date.UTC(2024, 2, 1, 10, 0, 0, 123)],
    ["2024-03-01T10:00:00+02:00", Date.UTC(2024, 2, 1, 8)],
    ["2024-03-01T10:00:00-0530", Date.UTC(2024, 2, 1, 15, 30)],
    ["2024-03-01 10:00:00.5+00", Date.UTC(2024, 2, 1, 10, 0, 0, 500)],
    ["2024-03-01 10:00:00 UTC", Date.UTC(2024, 2, 1, 10)],
    ["2024-02-29T23:59:59Z", Date.UTC(2024, 1, 29, 23, 59, 59)],
    ["1970-01-01T00:00:00Z", 0],
    [1_700_000_000_000, 1_700_000_000_000],
    [NOW, NOW],
  ])("is read from %j", (value, milliseconds) => {
    expect(read(value)).toEqual({ milliseconds });
  });

  it.each([
    ["2024-03-01T10:00:00", "has no time zone"],
    ["2024-03-01 10:00:00.123", "has no time zone"],
    ["2024-03-01", "has no time zone"],
    ["03/04/2024", "is ambiguous or not a time"],
    ["1 March 2024", "is ambiguous or not a time"],
    ["user 7", "is ambiguous or not a time"],
    ["1700000000000", "is ambiguous or not a time"],
    ["", "is ambiguous or not a time"],
    ["2024-02-30T10:00:00Z", "is not a date since 1970"],
    ["2023-02-29T10:00:00Z", "is not a date since 1970"],
    ["2024-13-01T10:00:00Z", "is not a date since 1970"],
    ["2024-03-01T24:00:00Z", "is not a date since 1970"],
    ["2024-03-01T10:60:00Z", "is not a date since 1970"],
    ["2024-03-01T10:00:00+25:00", "is not a date since 1970"],
    ["1969-12-31T23:59:59Z", "is not a date since 1970"],
    ["2027-01-01T00:00:00Z", "lies in the future"],
    [5, "is a number, but not one of milliseconds"],
    [1_700_000_000, "is a number, but not one of milliseconds"],
    [1_700_000_000_000.5, "is a number, but not one of milliseconds"],
    [-1, "is a number, but not one of milliseconds"],
    [1_700_000_000_000_000, "lies in the future"],
    [true, "is not a time"],
    [{}, "is not a time"],
  ])("is not guessed from %j, and the refusal says how to write it", (value, problem) => {
    const reading = read(value);
    expect(reading).toHaveProperty("problem");
    const { problem: said } = reading as { problem: string };
    expect(said).toContain(`the time of creation ('created_at') ${problem}`);
    expect(said).toContain("Write it as 2024-03-01T10:00:00Z, or as a number of milliseconds since 1970");
  });
});
