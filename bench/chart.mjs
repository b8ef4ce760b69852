const WIDTH = 760;
const LABELS = 190;
const ROW = 30;
const TOP = 56;
const COLOURS = /** @type {const} */ ({ latchkey: "#1f6feb", limit: "#8b949e", peer: "#bf8700", generator: "#8b949e" });

/**
 * @typedef {{ readonly name: string, readonly kind: keyof typeof COLOURS, readonly spread: import("./harness/rounds.mjs").Spread,
 *   readonly text: string }} Bar
 */

/**
 * A bar for each subject's median with a line from its least to its most, as an SVG that is readable on light and dark pages.
 * @param {string} title
 * @param {string} unit
 * @param {readonly Bar[]} bars
 */
function barChart(title, unit, bars) {
  const height = TOP + bars.length * ROW + 16;
  const most = Math.max(...bars.map(({ spread }) => spread.max));
  const x = (/** @type {number} */ value) => Math.round(LABELS + (value / most) * (WIDTH - LABELS - 110));
  const rows = bars.map(({ name, kind, spread, text }, nth) => {
    const y = TOP + nth * ROW;
    const middle = y + ROW / 2;
    return [
      `  <text x="${LABELS - 10}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`,
      `  <rect x="${LABELS}" y="${y + 5}" width="${x(spread.median) - LABELS}" height="${ROW - 10}" fill="${COLOURS[kind]}"/>`,
      `  <path d="M${x(spread.min)} ${middle}H${x(spread.max)}" stroke="#57606a" stroke-width="2"/>`,
      `  <text x="${x(spread.max) + 8}" y="${middle + 4}">${escaped(text)}</text>`,
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">`,
    "  <style>text { font: 13px sans-serif; fill: #57606a } .title { font-weight: bold; font-size: 15px }</style>",
    `  <text class="title" x="10" y="22">${escaped(title)}</text>`,
    `  <text x="10" y="42">${escaped(unit)}</text>`,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

/**
 * The charts of a run, by file name.
 * @param {import("./report.mjs").Results} results
 * @returns {Record<string, string>}
 */
export function charts({ refresh }) {
  const at32 = refresh.flatMap(({ name, kind, levels }) => {
    const level = kind === "generator" ? undefined : levels.find(({ connections }) => connections === 32);
    return level === undefined ? [] : [{ name, kind, level }];
  });
  const note = "32 connections; bar: median of the rounds, line: from the least to the most";
  return {
    "performance-refresh-rate.svg": barChart(
      "Refreshes a second",
      note,
      at32.map(({ name, kind, level }) => ({
        name,
        kind,
        spread: level.perSecond,
        text: Math.round(level.perSecond.median).toLocaleString("en-US"),
      })),
    ),
    "performance-refresh-p99.svg": barChart(
      "Refresh latency, 99th percentile, ms",
      note,
      at32.map(({ name, kind, level }) => ({
        name,
        kind,
        spread: level.p99Ms,
        text: `${level.p99Ms.median.toFixed(1)} ms`,
      })),
    ),
  };
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
