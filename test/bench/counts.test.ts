import { expect, it } from "vitest";
import { counts } from "../../bench/quick.mjs";

it("a refresh costs one transaction and one row write, a batch one transaction, a racing twin no write, and no row is ever added", async () => {
  const counted = await counts();
  expect(counted.length).toBeGreaterThan(5);
  expect(counted.filter(([, count, allowed]) => count !== allowed)).toEqual([]);
});
