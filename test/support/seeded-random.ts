/** A whole number from 0 to `bound` - 1. */
export type Below = (bound: number) => number;

/** Gives the same sequence for the same seed (the mulberry32 generator). */
export function seededRandom(seed: number): Below {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

export function pick<Item>(below: Below, items: readonly Item[]): Item {
  return items[below(items.length)]!;
}
