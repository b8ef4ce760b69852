import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { inRounds, spread } from "./harness/rounds.mjs";

const WARM_UP_CONNECTIONS = 32;

/**
 * @typedef {import("./harness/rounds.mjs").Spread} Spread
 * @typedef {import("./refresh-subjects.mjs").Subject} Subject
 * @typedef {{ readonly connections: number, readonly perSecond: Spread, readonly p50Ms: Spread, readonly p90Ms: Spread,
 *   readonly p99Ms: Spread, readonly p999Ms: Spread, readonly ofReference: Spread | null, readonly p99OfReference: Spread | null,
 *   readonly serverCpuMicroseconds: Spread | null, readonly databaseCpuMicroseconds: Spread | null, readonly generatorCpu: Spread }} Level
 *   `ofReference` and `p99OfReference` divide by the reference's rate and p99 of the same round; the processor times are for one
 *   request, a database server's apart from those of the server itself
 * @typedef {{ readonly name: string, readonly kind: Subject["kind"], readonly stores: string, readonly signs: string,
 *   readonly levels: readonly Level[], readonly rssMiB?: number | null, readonly notRun: string | null }} RefreshResult `rssMiB` is
 *   the memory that the server held after all of it
 * @typedef {{ readonly levels: readonly number[], readonly rounds: number, readonly seconds: number,
 *   readonly isReference?: (subject: Subject) => boolean, readonly warmUpSeconds?: number }} Plan `isReference`: what the others'
 *   figures are divided by; by default the limit
 */

/**
 * Measures refreshes a second and their latency, each subject in a server process of its own and the load in another.
 * @param {readonly Subject[]} subjects
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {Plan} plan
 * @param {string} folder for the servers' files
 * @param {(line: string) => void} tell
 * @returns {Promise<RefreshResult[]>}
 */
export async function measureRefresh(subjects, generator, plan, folder, tell) {
  /** @type {Map<Subject, string>} */
  const problems = new Map();
  /** @type {Map<Subject, Level[]>} */
  const levelsOf = new Map(subjects.map((subject) => [subject, []]));
  const servers = await startAll(subjects, folder, problems, tell);

  /** @param {Subject} subject @param {number} connections @param {number} seconds */
  async function run(subject, connections, seconds) {
    const { server, tokensFile } = /** @type {Started} */ (servers.get(subject));
    const { name, wire, path } = subject;
    const before = { server: server.cpuMs(), database: server.databaseCpuMs?.() };
    const result = await generator.run({
      subject: name,
      url: server.url + path,
      wire,
      tokensFile,
      connections,
      seconds,
    });
    const each = (/** @type {number | undefined} */ from, /** @type {number | undefined} */ to) =>
      from === undefined || to === undefined ? undefined : ((to - from) * 1000) / result.requests;
    return {
      ...result,
      serverCpu: each(before.server, server.cpuMs()),
      databaseCpu: each(before.database, server.databaseCpuMs?.()),
    };
  }

  /** @type {Map<Subject, number | null>} */
  const heldAfter = new Map();
  try {
    const { levels, rounds, seconds, warmUpSeconds = 2, isReference = ({ kind }) => kind === "limit" } = plan;
    const warmed = await inRounds([...servers.keys()], 1, (one) => run(one, WARM_UP_CONNECTIONS, warmUpSeconds));
    keepProblems(warmed, problems);
    for (const connections of levels) {
      tell(`refresh, ${connections} connection${connections === 1 ? "" : "s"}, ${rounds} rounds`);
      const able = [...servers.keys()].filter((subject) => !problems.has(subject));
      const results = await inRounds(able, rounds, (subject) => run(subject, connections, seconds));
      keepProblems(results, problems);
      const whole = [...results].filter(([, { problem }]) => problem === undefined);
      const reference = whole.find(([subject]) => isReference(subject))?.[1].readings;
      for (const [subject, { readings }] of whole) {
        levelsOf.get(subject)?.push({ connections, ...summary(readings, reference) });
      }
    }
    for (const [subject, { server }] of servers) heldAfter.set(subject, server.rssMiB() ?? null);
  } finally {
    await Promise.all([...servers.values()].map(({ server }) => server.stop()));
  }
  return subjects.map((subject) => {
    const { name, kind, stores, signs } = subject;
    const notRun = problems.get(subject) ?? null;
    const levels = notRun === null ? (levelsOf.get(subject) ?? []) : [];
    return { name, kind, stores, signs, levels, rssMiB: heldAfter.get(subject) ?? null, notRun };
  });
}

/**
 * @typedef {import("./harness/load-process.mjs").LoadResult
 *   & { readonly serverCpu: number | undefined, readonly databaseCpu: number | undefined }} Reading
 */

/**
 * @param {readonly Reading[]} readings one of each round
 * @param {readonly Reading[] | undefined} reference those of the same rounds
 * @returns {Omit<Level, "connections">}
 */
function summary(readings, reference) {
  const of = (/** @type {(reading: Reading) => number} */ pick) => spread(readings.map(pick));
  const ratio = (/** @type {(reading: Reading) => number} */ pick) =>
    reference === undefined
      ? null
      : spread(readings.map((reading, round) => pick(reading) / pick(/** @type {Reading} */ (reference[round]))));
  const known = (/** @type {(number | undefined)[]} */ values) => {
    const all = values.filter((value) => value !== undefined);
    return all.length === values.length ? spread(all) : null;
  };
  return {
    perSecond: of((reading) => reading.perSecond),
    p50Ms: of((reading) => reading.p50Ms),
    p90Ms: of((reading) => reading.p90Ms),
    p99Ms: of((reading) => reading.p99Ms),
    p999Ms: of((reading) => reading.p999Ms),
    ofReference: ratio((reading) => reading.perSecond),
    p99OfReference: ratio((reading) => reading.p99Ms),
    serverCpuMicroseconds: known(readings.map(({ serverCpu }) => serverCpu)),
    databaseCpuMicroseconds: known(readings.map(({ databaseCpu }) => databaseCpu)),
    generatorCpu: of((reading) => reading.generatorCpu),
  };
}

/** @typedef {{ readonly server: import("./harness/server-process.mjs").ServerProcess, readonly tokensFile: string }} Started */

/**
 * @param {readonly Subject[]} subjects
 * @param {string} folder
 * @param {Map<Subject, string>} problems
 * @param {(line: string) => void} tell
 * @returns {Promise<Map<Subject, Started>>}
 */
async function startAll(subjects, folder, problems, tell) {
  /** @type {Map<Subject, Started>} */
  const servers = new Map();
  for (const subject of subjects) {
    const own = join(folder, subject.name.replace(/\W+/g, "-"));
    const tokensFile = join(own, "tokens.json");
    mkdirSync(own, { recursive: true });
    try {
      servers.set(subject, { server: await subject.start(own, { BENCH_TOKENS: tokensFile }), tokensFile });
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      problems.set(subject, problem);
      tell(`not run: ${subject.name}: ${problem}`);
    }
  }
  return servers;
}

/**
 * @param {Map<Subject, { readonly problem?: string }>} results
 * @param {Map<Subject, string>} problems
 */
function keepProblems(results, problems) {
  for (const [subject, { problem }] of results) if (problem !== undefined) problems.set(subject, problem);
}
