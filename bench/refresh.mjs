import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { inRounds, spread } from "./harness/rounds.mjs";

const WARM_UP = { connections: 32, seconds: 2 };

/**
 * @typedef {import("./harness/rounds.mjs").Spread} Spread
 * @typedef {import("./refresh-subjects.mjs").Subject} Subject
 * @typedef {{ readonly connections: number, readonly perSecond: Spread, readonly p50Ms: Spread, readonly p99Ms: Spread,
 *   readonly ofLimit: Spread | null, readonly serverCpuMicroseconds: Spread | null, readonly generatorCpu: Spread }} Level
 *   `ofLimit` is the rate as a share of the limit's in the same round; the processor time is for one request
 * @typedef {{ readonly name: string, readonly kind: Subject["kind"], readonly stores: string, readonly signs: string,
 *   readonly levels: readonly Level[], readonly notRun: string | null }} RefreshResult
 * @typedef {{ readonly levels: readonly number[], readonly rounds: number, readonly seconds: number }} Plan
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
    const cpuBefore = server.cpuMs();
    const { name, wire, path } = subject;
    const result = await generator.run({
      subject: name,
      url: server.url + path,
      wire,
      tokensFile,
      connections,
      seconds,
    });
    const cpuAfter = server.cpuMs();
    const cpu =
      cpuBefore === undefined || cpuAfter === undefined ? undefined : ((cpuAfter - cpuBefore) * 1000) / result.requests;
    return { ...result, serverCpuMicroseconds: cpu };
  }

  try {
    await inRounds([...servers.keys()], 1, (subject) => run(subject, WARM_UP.connections, WARM_UP.seconds)).then(
      (warmed) => keepProblems(warmed, problems),
    );
    for (const connections of plan.levels) {
      tell(`refresh, ${connections} connection${connections === 1 ? "" : "s"}, ${plan.rounds} rounds`);
      const able = [...servers.keys()].filter((subject) => !problems.has(subject));
      const results = await inRounds(able, plan.rounds, (subject) => run(subject, connections, plan.seconds));
      keepProblems(results, problems);
      const limits = [...results].find(([{ kind }, { problem }]) => kind === "limit" && problem === undefined)?.[1]
        .readings;
      for (const [subject, { readings, problem }] of results) {
        if (problem !== undefined) continue;
        const of = (/** @type {(reading: (typeof readings)[number]) => number} */ pick) => spread(readings.map(pick));
        const hasCpu = readings.every((reading) => reading.serverCpuMicroseconds !== undefined);
        levelsOf.get(subject)?.push({
          connections,
          perSecond: of((reading) => reading.perSecond),
          p50Ms: of((reading) => reading.p50Ms),
          p99Ms: of((reading) => reading.p99Ms),
          ofLimit: limits
            ? spread(readings.map(({ perSecond }, round) => perSecond / (limits[round]?.perSecond ?? 0)))
            : null,
          serverCpuMicroseconds: hasCpu ? of((reading) => reading.serverCpuMicroseconds ?? 0) : null,
          generatorCpu: of((reading) => reading.generatorCpu),
        });
      }
    }
  } finally {
    await Promise.all([...servers.values()].map(({ server }) => server.stop()));
  }
  return subjects.map((subject) => {
    const { name, kind, stores, signs } = subject;
    const notRun = problems.get(subject) ?? null;
    return { name, kind, stores, signs, levels: notRun === null ? (levelsOf.get(subject) ?? []) : [], notRun };
  });
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
