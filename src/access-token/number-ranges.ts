/** A set of whole numbers, kept as ranges. */
export interface NumberRanges {
  add(number: number): void;
  has(number: number): boolean;
  /** How many ranges there are. */
  readonly size: number;
}

/**
 * Remembers at most `limit` ranges: beyond that, the two nearest become one, so that it contains too much rather than
 * too little.
 */
export function createNumberRanges(limit: number): NumberRanges {
  const ranges: { from: number; to: number }[] = [];

  function mergeNearest(): void {
    let nearest = 1;
    for (let at = 2; at < ranges.length; at += 1) if (gapBefore(at) < gapBefore(nearest)) nearest = at;
    ranges[nearest - 1]!.to = ranges[nearest]!.to;
    ranges.splice(nearest, 1);
  }

  function gapBefore(index: number): number {
    return ranges[index]!.from - ranges[index - 1]!.to;
  }

  return {
    add(number) {
      const next = ranges.findIndex(({ to }) => to >= number - 1);
      const found = ranges[next];
      if (found === undefined || found.from > number + 1) {
        ranges.splice(next === -1 ? ranges.length : next, 0, { from: number, to: number });
      } else {
        found.from = Math.min(found.from, number);
        found.to = Math.max(found.to, number);
        if (next + 1 < ranges.length && gapBefore(next + 1) <= 1) {
          found.to = ranges[next + 1]!.to;
          ranges.splice(next + 1, 1);
        }
      }
      if (ranges.length > limit) mergeNearest();
    },
    has: (number) => ranges.some(({ from, to }) => from <= number && number <= to),
    get size() {
      return ranges.length;
    },
  };
}
