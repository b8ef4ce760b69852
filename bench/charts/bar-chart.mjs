import { COLOURS, path, svg, text, WIDTH } from "./svg.mjs";

const LABELS = 230;
const ROW = 30;
const TOP = 56;

/**
 * @typedef {{ readonly name: string, readonly kind: keyof typeof COLOURS, readonly spread: import("../harness/rounds.mjs").Spread,
 *   readonly text: string }} Bar
 */

/**
 * A bar for each subject's median with a line from its least to its most.
 * @param {string} title
 * @param {string} note
 * @param {readonly Bar[]} bars
 */
export function barChart(title, note, bars) {
  const most = Math.max(...bars.map(({ spread }) => spread.max));
  const x = (/** @type {number} */ value) => Math.round(LABELS + (value / most) * (WIDTH - LABELS - 110));
  const rows = bars.flatMap(({ name, kind, spread, text: words }, nth) => {
    const y = TOP + nth * ROW;
    const middle = y + ROW / 2;
    return [
      text(LABELS - 10, middle + 4, name, "end"),
      `<rect x="${LABELS}" y="${y + 5}" width="${x(spread.median) - LABELS}" height="${ROW - 10}" fill="${COLOURS[kind]}"/>`,
      path(`M${x(spread.min)} ${middle}H${x(spread.max)}`, COLOURS.axis, 2),
      text(x(spread.max) + 8, middle + 4, words),
    ];
  });
  return svg(title, note, TOP + bars.length * ROW + 16, rows);
}
