import { about, table, whole } from "./markdown.mjs";

/** The default life of an access token: who is active refreshes once in it. */
const ACCESS_TTL_SECONDS = 900;
const COUNTS = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/** A process is not planned to do more than this share of what it was measured to do. */
const PLANNED_SHARE = 0.5;

/** @typedef {Extract<import("./sizes.mjs").SizeResult, { notRun: null }>} MeasuredSize */

/**
 * What a deployment needs, reckoned from the largest databases measured, in Markdown.
 * @param {readonly import("./sizes.mjs").SizeResult[] | undefined} sizes
 * @returns {string}
 */
export function sizing(sizes = []) {
  const largest = (/** @type {string} */ database) =>
    sizes.flatMap((size) => (size.notRun === null && size.database === database ? [size] : [])).at(-1);
  const all = [largest("SQLite"), largest("PostgreSQL")].flatMap((size) => size ?? []);
  if (all.length === 0) return "Not measured in the run that is kept.";
  return [inputs(all), ...all.map(growth)].join("\n\n");
}

/** @param {readonly MeasuredSize[]} all */
function inputs(all) {
  const row = (/** @type {string} */ name, /** @type {(size: MeasuredSize) => string} */ of) => [name, ...all.map(of)];
  return table(
    ["", ...all.map(({ database, sessions }) => `${database}, ${whole(sessions)} sessions`)],
    [
      row("processor time of a refresh, server", (size) => `${whole(serverCpu(size))} µs`),
      row("processor time of a refresh, database server", (size) =>
        size.databaseCpuMicroseconds === null ? "in the server's" : `${whole(databaseCpu(size))} µs`,
      ),
      row(
        "processor for 1,000 active users",
        (size) => `${about(cores(1000, serverCpu(size) + databaseCpu(size)))} cores`,
      ),
      row("active users for one process, at half its measured rate", (size) =>
        about(size.perSecond.median * PLANNED_SHARE * ACCESS_TTL_SECONDS),
      ),
      row("disk for a session, indexes included", (size) => `${whole(bytesEach(size).session)} bytes`),
      row("disk for a user, indexes included", (size) => `${whole(bytesEach(size).user)} bytes`),
    ],
  );
}

/** @param {MeasuredSize} size */
function growth(size) {
  const isOneProcess = size.databaseCpuMicroseconds === null;
  const planned = size.perSecond.median * PLANNED_SHARE;
  const rows = COUNTS.map((count) => {
    const rate = count / ACCESS_TTL_SECONDS;
    const processes = Math.ceil(rate / planned);
    return [
      whole(count),
      about(rate),
      isOneProcess && processes > 1 ? "more than the one process" : whole(processes),
      about(cores(count, serverCpu(size))),
      ...(isOneProcess ? [] : [about(cores(count, databaseCpu(size)))]),
      `${about((count * (bytesEach(size).session + bytesEach(size).user)) / 1e9)} GB`,
    ];
  });
  const head = [
    `${size.database}: sessions in use, a user each`,
    "refreshes a second",
    "processes",
    "cores, servers",
    ...(isOneProcess ? [] : ["cores, database"]),
    "disk",
  ];
  return table(head, rows);
}

/**
 * @param {number} count of those who are active
 * @param {number} microseconds for one refresh
 */
function cores(count, microseconds) {
  return ((count / ACCESS_TTL_SECONDS) * microseconds) / 1e6;
}

/** @param {MeasuredSize} size */
function serverCpu({ serverCpuMicroseconds }) {
  return serverCpuMicroseconds?.median ?? Number.NaN;
}

/** @param {MeasuredSize} size */
function databaseCpu({ databaseCpuMicroseconds }) {
  return databaseCpuMicroseconds?.median ?? 0;
}

/** @param {MeasuredSize} size */
function bytesEach({ bytes, sessions }) {
  return { session: bytes.sessions / sessions, user: bytes.users / sessions };
}
