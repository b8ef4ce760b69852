/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/**
 * The median, and from least to most behind it.
 * @param {import("./harness/rounds.mjs").Spread} spread
 * @param {(value: number) => string} write
 */
export function range({ median, min, max }, write) {
  return `${write(median)} (${write(min)}–${write(max)})`;
}

/** @param {number} value */
export function whole(value) {
  return Math.round(value).toLocaleString("en-US");
}

/** @param {number} value */
export function one(value) {
  return value.toFixed(1);
}

/** @param {number} value */
export function two(value) {
  return value.toFixed(2);
}

/** @param {number} value */
export function percent(value) {
  return `${Math.round(value * 100)} %`;
}

/**
 * Two significant digits: for what is reckoned from figures that have their own noise.
 * @param {number} value
 */
export function about(value) {
  return Number(value.toPrecision(2)).toLocaleString("en-US", { maximumFractionDigits: 6 });
}
