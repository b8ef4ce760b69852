import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createNumberRanges } from "../../src/access-token/number-ranges.ts";

const numbers = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 60 });

describe("number ranges", () => {
  it("hold exactly what was added, in as few ranges as there are, while these are within the limit", () => {
    fc.assert(
      fc.property(numbers, (added) => {
        const ranges = createNumberRanges(1000);
        for (const number of added) ranges.add(number);
        const held = new Set(added);
        for (let number = -1; number <= 61; number += 1) expect(ranges.has(number)).toBe(held.has(number));
        expect(ranges.size).toBe([...held].filter((number) => !held.has(number - 1)).length);
      }),
    );
  });

  it("lose nothing past the limit, and keep the widest gaps", () => {
    fc.assert(
      fc.property(numbers, (added) => {
        const ranges = createNumberRanges(3);
        for (const number of added) ranges.add(number);
        expect(ranges.size).toBeLessThanOrEqual(3);
        for (const number of added) expect(ranges.has(number)).toBe(true);
      }),
    );
    const ranges = createNumberRanges(2);
    for (const number of [1, 3, 1000, 1002, 5]) ranges.add(number);
    expect([2, 4, 6, 999, 1001].map(ranges.has)).toEqual([true, true, false, false, true]);
  });
});
