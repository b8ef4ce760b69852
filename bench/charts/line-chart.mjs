import { COLOURS, path, round, scale, svg, text, WIDTH } from "./svg.mjs";

const LEFT = 70;
const RIGHT = WIDTH - 30;
const TOP = 60;
const GAP = 50;
const TICKS = 4;

/**
 * @typedef {{ readonly x: number, readonly y: number, readonly min?: number, readonly max?: number }} Point
 * @typedef {{ readonly name: string, readonly kind: keyof typeof COLOURS, readonly points: readonly Point[] }} Series
 * @typedef {{ readonly title: string, readonly height: number, readonly series: readonly Series[] }} Panel
 * @typedef {{ readonly title: string, readonly note: string, readonly panels: readonly Panel[], readonly xTitle: string,
 *   readonly xTicks: readonly { readonly at: number, readonly text: string }[], readonly xByRatio?: boolean }} LineChart
 */

/**
 * Lines over one axis, in panels that stand under each other; every panel begins at zero and has a scale of its own.
 * @param {LineChart} chart
 */
export function lineChart({ title, note, panels, xTitle, xTicks, xByRatio = false }) {
  const places = xTicks.map(({ at }) => at);
  const range = { least: Math.min(...places), most: Math.max(...places) };
  const x = scale({ from: LEFT, to: RIGHT, ...range, byRatio: xByRatio });
  let top = TOP;
  const body = panels.flatMap((panel) => {
    const drawn = drawPanel(panel, top + 18, x);
    top += 18 + panel.height + GAP;
    return drawn;
  });
  const bottom = top - GAP;
  const axis = [
    ...xTicks.map(({ at, text: words }) => text(x(at), bottom + 18, words, "middle")),
    text((LEFT + RIGHT) / 2, bottom + 38, xTitle, "middle"),
  ];
  return svg(title, note, bottom + 52, [...body, ...axis]);
}

/**
 * @param {Panel} panel
 * @param {number} top
 * @param {(value: number) => number} x
 */
function drawPanel({ title, height, series }, top, x) {
  const most = niceCeiling(Math.max(...series.flatMap(({ points }) => points.map(({ y, max = y }) => max))));
  const y = scale({ from: top + height, to: top, least: 0, most });
  const grid = Array.from({ length: TICKS + 1 }, (_, nth) => (most / TICKS) * nth).flatMap((at) => [
    path(`M${LEFT} ${round(y(at))}H${RIGHT}`, COLOURS.axis, 0.3),
    text(LEFT - 8, y(at) + 4, at.toLocaleString("en-US", { maximumFractionDigits: 2 }), "end"),
  ]);
  let legendAt = RIGHT;
  const lines = series.flatMap(({ name, kind, points }) => {
    const d = points.map((point, nth) => `${nth === 0 ? "M" : "L"}${round(x(point.x))} ${round(y(point.y))}`).join("");
    const spreads = points.flatMap(({ x: at, min, max }) =>
      min === undefined || max === undefined
        ? []
        : [path(`M${round(x(at))} ${round(y(min))}V${round(y(max))}`, COLOURS[kind], 1)],
    );
    const legend = series.length === 1 ? [] : [text(legendAt, top - 8, name, "end")];
    const mark =
      series.length === 1
        ? []
        : [
            `<rect x="${legendAt - name.length * 7 - 18}" y="${top - 18}" width="12" height="10" fill="${COLOURS[kind]}"/>`,
          ];
    legendAt -= name.length * 7 + 40;
    return [path(d, COLOURS[kind], 2), ...spreads, ...legend, ...mark];
  });
  return [text(LEFT, top - 8, title), ...grid, ...lines];
}

/** @param {number} value */
function niceCeiling(value) {
  const unit = 10 ** Math.floor(Math.log10(value || 1));
  return unit * ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10].find((step) => step * unit >= value) ?? 10);
}
