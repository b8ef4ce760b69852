import { expect, it } from "vitest";
import { systemEnvironment } from "../src/environment.ts";

const { bytes } = systemEnvironment.random;

it("the machine's random source gives as many bytes as asked for, in memory of their own", () => {
  for (let length = 0; length <= 40; length++) {
    const given = bytes(length);
    expect(given).toHaveLength(length);
    expect(given.buffer.byteLength).toBe(length);
  }
});

it("the machine's random source never gives the same bytes twice, and uses every bit alike", () => {
  const seen = new Set<string>();
  let ones = 0;
  for (let draw = 0; draw < 20_000; draw++) {
    const given = bytes(9 + (draw % 8));
    seen.add(Buffer.from(given.subarray(0, 9)).toString("hex"));
    for (const byte of given.subarray(0, 8)) ones += byte.toString(2).replaceAll("0", "").length;
  }
  expect(seen.size).toBe(20_000);
  // 1,280,000 bits; ten standard deviations are 5,657.
  expect(Math.abs(ones - 640_000)).toBeLessThan(5657);
});
