import { barChart } from "./bar-chart.mjs";
import { lineChart } from "./line-chart.mjs";
import { percentileChart } from "./percentile-chart.mjs";

const SOAK_TICKS = 6;

/**
 * The charts of a run, by file name; only those of what has been measured.
 * @param {import("../report.mjs").Results} results
 * @returns {Record<string, string>}
 */
export function charts({ refresh, sizes }) {
  return {
    ...(refresh === undefined ? {} : refreshCharts(refresh)),
    ...(sizes === undefined ? {} : sizesChart(sizes)),
  };
}

/** @param {readonly import("../refresh.mjs").RefreshResult[]} refresh */
function refreshCharts(refresh) {
  const at32 = refresh.flatMap(({ name, kind, levels }) => {
    const level = kind === "generator" ? undefined : levels.find(({ connections }) => connections === 32);
    return level === undefined ? [] : [{ name, kind, level }];
  });
  return {
    "performance-refresh-rate.svg": barChart(
      "Refreshes a second",
      "32 connections; bar: median of the rounds, line: from the least to the most",
      at32.map(({ name, kind, level }) => ({
        name,
        kind,
        spread: level.perSecond,
        text: Math.round(level.perSecond.median).toLocaleString("en-US"),
      })),
    ),
    "performance-refresh-latency.svg": percentileChart(
      "Refresh latency",
      "32 connections; points, growing: p50, p90, p99 and p99.9, each the median of the rounds",
      "ms",
      at32.map(({ name, kind, level }) => ({
        name,
        kind,
        marks: [
          { name: "p50", value: level.p50Ms.median },
          { name: "p90", value: level.p90Ms.median },
          { name: "p99", value: level.p99Ms.median },
          { name: "p99.9", value: level.p999Ms.median },
        ],
      })),
    ),
  };
}

/** @param {readonly import("../sizes.mjs").SizeResult[]} sizes */
function sizesChart(sizes) {
  const measured = sizes.flatMap((size) => (size.notRun === null ? [size] : []));
  const series = /** @type {const} */ (["SQLite", "PostgreSQL"]).flatMap((database, nth) => {
    const points = measured
      .filter((size) => size.database === database)
      .map(({ sessions, perSecond: { median, min, max } }) => ({ x: sessions, y: median, min, max }));
    return points.length === 0 ? [] : [{ name: database, kind: nth === 0 ? "latchkey" : "other", points }];
  });
  if (series.length === 0) return {};
  const ticks = [...new Set(measured.map(({ sessions }) => sessions))];
  return {
    "performance-sessions.svg": lineChart({
      title: "Refreshes a second against the number of sessions",
      note: "32 connections; median of the rounds, from the least to the most",
      xTitle: "sessions in the database",
      xTicks: ticks.map((at) => ({ at, text: at.toLocaleString("en-US") })),
      xByRatio: true,
      panels: [{ title: "", height: 220, series: /** @type {import("./line-chart.mjs").Series[]} */ (series) }],
    }),
  };
}

/**
 * Memory and latency over the time of a soak.
 * @param {import("../soak.mjs").Soak} soak
 */
export function soakChart({ minutes, database, offeredPerSecond, windows }) {
  const name = database === "postgres" ? "PostgreSQL" : "SQLite";
  const minute = (/** @type {number} */ seconds) => seconds / 60;
  const rss = windows.flatMap(({ atSeconds, rssMiB }) =>
    rssMiB === null ? [] : [{ x: minute(atSeconds), y: rssMiB }],
  );
  return lineChart({
    title: `Soak: ${minutes} minutes at ${offeredPerSecond.toLocaleString("en-US")} refreshes a second, ${name}`,
    note: "70 % of the peak; the signing key changes every minute; windows of ten seconds",
    xTitle: "minutes",
    xTicks: Array.from({ length: SOAK_TICKS + 1 }, (_, nth) => {
      const at = (minutes / SOAK_TICKS) * nth;
      return { at, text: at.toLocaleString("en-US", { maximumFractionDigits: 1 }) };
    }),
    panels: [
      {
        title: "memory of the server (RSS), MiB",
        height: 140,
        series: [{ name: "RSS", kind: "latchkey", points: rss }],
      },
      {
        title: "latency of a refresh, 99th percentile, ms",
        height: 140,
        series: [
          {
            name: "p99",
            kind: "latchkey",
            points: windows.map(({ atSeconds, p99Ms }) => ({ x: minute(atSeconds), y: p99Ms })),
          },
        ],
      },
    ],
  });
}
