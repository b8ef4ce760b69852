import { one, percent, range, table, two, whole } from "./markdown.mjs";

/**
 * What one whole run found; `bench/results.json` is exactly this.
 * @typedef {{ readonly date: string, readonly machine: ReturnType<typeof import("./harness/machine.mjs").describeMachine> } & Measured} Results
 *
 * The parts that have been measured.
 * @typedef {{ readonly refresh?: readonly import("./refresh.mjs").RefreshResult[],
 *   readonly sizes?: readonly import("./sizes.mjs").SizeResult[],
 *   readonly loginStorm?: readonly import("./login-storm.mjs").LoginStormResult[],
 *   readonly verification?: readonly import("./verification.mjs").VerificationResult[],
 *   readonly guards?: readonly import("./guards.mjs").GuardResult[] }} Measured
 */

/**
 * The tables of a run in Markdown: the terminal shows them, and `docs/performance.md` holds those of the committed results.
 * @param {Measured} results
 * @returns {string}
 */
export function tables({ refresh, sizes, loginStorm, verification, guards }) {
  return [
    ...(refresh === undefined ? [] : [refreshTable(refresh), generatorProof(refresh), storageTable(refresh)]),
    ...(sizes === undefined ? [] : [sizesTable(sizes)]),
    ...(loginStorm === undefined ? [] : [loginStormTable(loginStorm)]),
    ...(verification === undefined ? [] : [verificationTable(verification)]),
    ...(guards === undefined ? [] : [guardTable(guards)]),
  ].join("\n\n");
}

/** @param {NonNullable<Measured["refresh"]>} refresh */
function refreshTable(refresh) {
  const rows = refresh.flatMap(({ name, levels, notRun }) => {
    if (notRun !== null) return [[name, "not run", notRun, "", "", "", ""]];
    return levels.map((level) => [
      name,
      String(level.connections),
      range(level.perSecond, whole),
      level.ofReference === null ? "" : range(level.ofReference, two),
      range(level.p50Ms, two),
      range(level.p99Ms, one),
      processorTime(level),
    ]);
  });
  const head = ["refresh", "connections", "a second", "of the limit", "p50 ms", "p99 ms", "processor µs each"];
  return table(head, rows);
}

/**
 * How far the generator is from being the limit itself.
 * @param {NonNullable<Measured["refresh"]>} refresh
 */
function generatorProof(refresh) {
  const levels = refresh.flatMap(({ name, kind, levels }) => levels.map((level) => ({ name, kind, ...level })));
  const at32 = levels
    .filter(({ connections }) => connections === 32)
    .sort((a, b) => b.perSecond.median - a.perSecond.median);
  const ceiling = at32.find(({ kind }) => kind === "generator");
  const fastest = at32.find(({ kind }) => kind !== "generator");
  if (ceiling === undefined || fastest === undefined) return "What the load generator could ask for was not measured.";
  const share = fastest.perSecond.median / ceiling.perSecond.median;
  return (
    `At 32 connections the load generator asks a server of constant bytes for ${whole(ceiling.perSecond.median)} a second; the fastest ` +
    `subject, ${fastest.name}, takes ${percent(share)} of that, and ${percent(fastest.generatorCpu.median)} of a core of the generator.`
  );
}

/** @param {import("./refresh.mjs").Level} level */
function processorTime({ serverCpuMicroseconds: server, databaseCpuMicroseconds: database }) {
  if (server === null) return "";
  return database ? `${whole(server.median)} + ${whole(database.median)}` : whole(server.median);
}

/** @param {NonNullable<Measured["refresh"]>} refresh */
function storageTable(refresh) {
  return table(
    ["", "keeps", "signs"],
    refresh.map(({ name, stores, signs }) => [name, stores, signs]),
  );
}

/** @param {NonNullable<Measured["sizes"]>} sizes */
function sizesTable(sizes) {
  const rows = sizes.map((size) => {
    const name = [size.database, whole(size.sessions)];
    if (size.notRun !== null) return [...name, "not run", size.notRun, "", "", "", "", ""];
    const { perSecond, ofSmallest, p99Ms, rssMiB, bytes, firstAnswerMs, sessions } = size;
    return [
      ...name,
      range(perSecond, whole),
      ofSmallest === null ? "" : range(ofSmallest, two),
      range(p99Ms, one),
      rssMiB === null ? "" : whole(rssMiB),
      whole(bytes.sessions / sessions),
      whole(bytes.users / sessions),
      range(firstAnswerMs, whole),
    ];
  });
  const head = [
    "database",
    "sessions",
    "refreshes a second, 32 connections",
    "of the smallest",
    "p99 ms",
    "server MiB after",
    "bytes a session",
    "bytes a user",
    "start to first answer, ms",
  ];
  return table(head, rows);
}

/** @param {NonNullable<Measured["loginStorm"]>} loginStorm */
function loginStormTable(loginStorm) {
  const rows = loginStorm.map((result) => {
    if (result.notRun !== null) return [result.database, "not run", result.notRun, "", "", "", ""];
    const { database, loginsPerSecond, quietPerSecond, stormPerSecond, quietP99Ms, stormP99Ms, ratio } = result;
    return [
      database,
      range(loginsPerSecond, whole),
      range(quietPerSecond, whole),
      range(stormPerSecond, whole),
      range(quietP99Ms, one),
      range(stormP99Ms, one),
      range(ratio, one),
    ];
  });
  const head = [
    "login storm",
    "logins a second",
    "refreshes a second, quiet",
    "in the storm",
    "p99 ms, quiet",
    "in the storm",
    "storm ÷ quiet",
  ];
  return table(head, rows);
}

/** @param {NonNullable<Measured["verification"]>} verification */
function verificationTable(verification) {
  const rows = verification.map(({ name, seen, perSecond, notRun }) => [
    name,
    seen ? "seen before" : "first sight",
    perSecond === null ? `not run: ${notRun}` : range(perSecond, whole),
  ]);
  return table(["verify, in process", "access token", "a second"], rows);
}

/** @param {NonNullable<Measured["guards"]>} guards */
function guardTable(guards) {
  const rows = guards.map((result) =>
    "notRun" in result
      ? [result.name, result.how, "not run", result.notRun, ""]
      : [result.name, result.how, range(result.open, whole), range(result.guarded, whole), range(result.cost, percent)],
  );
  const head = ["guard, 32 connections", "at every request", "unguarded, a second", "guarded, a second", "its cost"];
  return table(head, rows);
}
