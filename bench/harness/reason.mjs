/**
 * The one line of what a failed program has printed that says why: the last error, or else the last line.
 * @param {string} output
 */
export function reasonIn(output) {
  const lines = output.trim().split("\n");
  return (lines.findLast((line) => /Error: /.test(line)) ?? lines.at(-1) ?? "").trim();
}
