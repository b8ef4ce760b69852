import { percent, two, whole } from "./markdown.mjs";

const CONNECTIONS = 32;

/**
 * What Latchkey is to reach, and whether this run did; only what has been measured.
 * @param {import("./report.mjs").Measured} results
 * @returns {readonly { readonly aim: string, readonly found: string, readonly isReached: boolean }[]}
 */
export function aims({ refresh = [], sizes = [], loginStorm = [], verification = [], guards = [] }) {
  const level = (/** @type {string} */ name) =>
    refresh.find((subject) => subject.name === name)?.levels.find(({ connections }) => connections === CONNECTIONS);
  const verified = (/** @type {string} */ name) => verification.find((one) => one.name === name)?.perSecond?.median;
  const sqlite = level("Latchkey, SQLite");
  const rate = sqlite?.perSecond.median;
  const seen = verified("Latchkey");

  return [
    ...atLeast("refresh, SQLite, of the limit", 0.75, sqlite?.ofReference?.median),
    ...atLeast("refresh, SQLite, × node-oidc-provider", 3, ratio(rate, level("node-oidc-provider")?.perSecond.median)),
    ...atLeast("refresh, SQLite, × FastAPI tutorial", 4, ratio(rate, level("FastAPI tutorial")?.perSecond.median)),
    ...atLeast("refresh, SQLite, × AuthX", 4, ratio(rate, level("AuthX")?.perSecond.median)),
    ...atLeast("refresh, PostgreSQL, of the limit", 0.6, level("Latchkey, PostgreSQL")?.ofReference?.median),
    ...atMost("refresh p99, SQLite, × the limit's", 2, sqlite?.p99OfReference?.median),
    ...atLeast("verify, seen before, a second", 1_000_000, seen, whole),
    ...atLeast("verify, seen before, × fast-jwt with its cache", 3, ratio(seen, verified("fast-jwt with its cache"))),
    ...atLeast("verify, first sight, × jose", 0.9, ratio(verified("Latchkey, nothing remembered"), verified("jose"))),
    ...guards.flatMap((guard) =>
      "notRun" in guard || !guard.name.startsWith("Latchkey")
        ? []
        : atMost(`guard's cost, ${guard.name}`, 0.1, guard.cost.median, percent),
    ),
    ...sizes.flatMap((size) => {
      if (size.notRun !== null || size !== sizes.findLast(({ database }) => database === size.database)) return [];
      const name = `${size.database}, ${whole(size.sessions)} sessions`;
      return [
        ...atLeast(`${name}: of the smallest's rate`, 0.9, size.ofSmallest?.median),
        ...atMost(`${name}: server MiB after`, 250, size.rssMiB ?? undefined, whole),
        ...atMost(`${name}: start to first answer, ms`, 1000, size.firstAnswerMs.median, whole),
      ];
    }),
    ...loginStorm.flatMap((storm) =>
      storm.notRun === null ? atMost(`login storm, ${storm.database}: p99 × quiet`, 3, storm.ratio.median) : [],
    ),
  ];
}

/** @param {number | undefined} one @param {number | undefined} other */
function ratio(one, other) {
  return one === undefined || other === undefined ? undefined : one / other;
}

/** @param {string} what @param {number} bound @param {number | undefined} found @param {(value: number) => string} [write] */
function atLeast(what, bound, found, write = two) {
  if (found === undefined) return [];
  return [{ aim: `${what}: at least ${write(bound)}`, found: write(found), isReached: found >= bound }];
}

/** @param {string} what @param {number} bound @param {number | undefined} found @param {(value: number) => string} [write] */
function atMost(what, bound, found, write = two) {
  if (found === undefined) return [];
  return [{ aim: `${what}: at most ${write(bound)}`, found: write(found), isReached: found <= bound }];
}
