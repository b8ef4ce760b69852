import { COLOURS, path, round, scale, svg, text, WIDTH } from "./svg.mjs";

const LABELS = 230;
const ROW = 34;
const TOP = 78;

/**
 * @typedef {{ readonly name: string, readonly kind: keyof typeof COLOURS,
 *   readonly marks: readonly { readonly name: string, readonly value: number }[] }} PercentileRow `marks` from low to high
 */

/**
 * A line for each subject, from its lowest percentile to its highest, with a point for each; the scale goes by ratio.
 * @param {string} title
 * @param {string} note
 * @param {string} unit
 * @param {readonly PercentileRow[]} rows
 */
export function percentileChart(title, note, unit, rows) {
  const values = rows.flatMap(({ marks }) => marks.map(({ value }) => value));
  const least = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const most = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const x = scale({ from: LABELS, to: WIDTH - 40, least, most, byRatio: true });
  const bottom = TOP + rows.length * ROW;
  const decades = [];
  for (let at = least; at <= most * 1.001; at *= 10) decades.push(at);
  const grid = decades.flatMap((at) => [
    path(`M${round(x(at))} ${TOP - 8}V${bottom}`, COLOURS.axis, 0.3),
    text(
      x(at),
      TOP - 12,
      `${Number(at.toPrecision(1)).toLocaleString("en-US", { maximumFractionDigits: 3 })} ${unit}`,
      "middle",
    ),
  ]);
  const lines = rows.flatMap(({ name, kind, marks }, nth) => {
    const y = TOP + nth * ROW + ROW / 2;
    const at = marks.map(({ value }) => round(x(value)));
    const title = marks.map((mark) => `${mark.name}: ${round(mark.value)} ${unit}`).join(", ");
    return [
      text(LABELS - 10, y + 4, name, "end"),
      path(`M${at[0]} ${y}H${at.at(-1)}`, COLOURS[kind], 2),
      ...at.map(
        (place, mark) =>
          `<circle cx="${place}" cy="${y}" r="${3 + mark}" fill="${COLOURS[kind]}"><title>${title}</title></circle>`,
      ),
    ];
  });
  return svg(title, note, bottom + 16, [...grid, ...lines]);
}
