import { expect, it } from "vitest";
import { counts, isGood } from "../../bench/quick.mjs";

it("a refresh costs one transaction and one row write, a racing twin nothing, and allocation stays in bounds", async () => {
  const counted = await counts();
  expect(counted.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      "row writes, a racing twin",
      "PostgreSQL: round trips, 32 refreshes at once",
      "bytes on the JavaScript heap, a refresh in a batch of 32",
    ]),
  );
  expect(counted.filter((count) => !isGood(count))).toEqual([]);
}, 60_000);
