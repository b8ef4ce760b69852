/** How wide every chart is, in its own units. */
export const WIDTH = 760;

/** What stands for whom; readable on light and dark pages. */
export const COLOURS = /** @type {const} */ ({
  latchkey: "#1f6feb",
  other: "#2da44e",
  limit: "#8b949e",
  generator: "#8b949e",
  peer: "#bf8700",
  axis: "#57606a",
});

/**
 * @param {string} title
 * @param {string} note
 * @param {number} height
 * @param {readonly string[]} body
 */
export function svg(title, note, height, body) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">`,
    `  <style>text { font: 13px sans-serif; fill: ${COLOURS.axis} } .title { font-weight: bold; font-size: 15px }</style>`,
    `  <text class="title" x="10" y="22">${escaped(title)}</text>`,
    `  <text x="10" y="42">${escaped(note)}</text>`,
    ...body.map((line) => `  ${line}`),
    "</svg>",
    "",
  ].join("\n");
}

/** @typedef {"start" | "middle" | "end"} Anchor */

/**
 * @param {number} x
 * @param {number} y
 * @param {string} words
 * @param {Anchor} [anchor]
 */
export function text(x, y, words, anchor = "start") {
  const placed = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}"${placed}>${escaped(words)}</text>`;
}

/**
 * @param {string} d
 * @param {string} colour
 * @param {number} [width]
 */
export function path(d, colour, width = 1) {
  return `<path d="${d}" fill="none" stroke="${colour}" stroke-width="${width}"/>`;
}

/** @param {number} value */
export function round(value) {
  return Math.round(value * 10) / 10;
}

/**
 * Maps a range of values onto a range of places, evenly or by ratio.
 * @param {{ readonly from: number, readonly to: number, readonly least: number, readonly most: number, readonly byRatio?: boolean }} range
 */
export function scale({ from, to, least, most, byRatio = false }) {
  const place = byRatio ? Math.log : (/** @type {number} */ value) => value;
  const span = place(most) - place(least) || 1;
  return (/** @type {number} */ value) => from + ((place(value) - place(least)) / span) * (to - from);
}

/** @param {string} words */
function escaped(words) {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
