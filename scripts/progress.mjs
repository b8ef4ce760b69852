/**
 * Shows what is being done and for how long. On a terminal the seconds count up; elsewhere they stand at the end.
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 */
export async function showProgress(title, work) {
  const started = performance.now();
  const line = () => `${title} … ${seconds(started)}`;
  const live = process.stderr.isTTY;
  process.stderr.write(live ? line() : `${title} … `);
  const ticker = live ? setInterval(() => process.stderr.write(`\r${line()}`), 1000) : undefined;
  try {
    return await work();
  } finally {
    clearInterval(ticker);
    process.stderr.write(live ? `\r${line()}\n` : `${seconds(started)}\n`);
  }
}

/**
 * How long ago something began.
 * @param {number} started a reading of `performance.now()`
 */
export function seconds(started) {
  const elapsed = (performance.now() - started) / 1000;
  return `${elapsed < 10 ? elapsed.toFixed(1) : Math.round(elapsed)} s`;
}
