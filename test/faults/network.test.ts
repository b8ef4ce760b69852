import { expect, it } from "vitest";
import { seed, times } from "../support/long-run.ts";
import { type Below, seededRandom } from "../support/seeded-random.ts";
import { startProxy, type TcpProxy, type Verdict } from "../support/tcp-proxy.ts";
import { reportLoad } from "./figures.ts";
import { createFaultWorld, withSeeded } from "./postgres-faults.ts";
import { nothingWrong } from "./tally.ts";

const postgresServer = withSeeded();
const ROUNDS = times({ short: 1, long: 5 });
/** How many rotations are acknowledged under each kind of trouble. */
const ROTATIONS = 150;
const timeout = 120_000 + ROUNDS * 60_000;

/** Kinds of trouble, each of which befalls one part in eight of what a server answers. */
const troubles: Readonly<Record<string, (below: Below) => Verdict>> = {
  "dropped after the commit": () => "cut",
  "cut inside": () => "cut inside",
  delayed: (below) => ({ delayMs: below(400) }),
};

/** Makes each trouble in turn, on what `isMeant` picks, and counts how often. */
async function makeTrouble(
  proxies: readonly TcpProxy[],
  isMeant: (answer: Buffer) => boolean,
  progress: (rotations: number) => Promise<void>,
): Promise<number> {
  const below = seededRandom(seed);
  let made = 0;
  for (const trouble of Object.values(troubles)) {
    for (const proxy of proxies) {
      proxy.judge((answer) => {
        if (!isMeant(answer) || below(8) > 0) return "pass";
        made += 1;
        return trouble(below);
      });
    }
    await progress(ROTATIONS);
  }
  for (const proxy of proxies) proxy.judge(undefined);
  return made;
}

it.concurrent("answers of PostgreSQL that are dropped after the commit, cut inside or delayed: nobody is logged out and nothing acknowledged is forgotten", {
  timeout,
}, async (test) => {
  const proxy = await startProxy(postgresServer().port);
  test.onTestFinished(() => proxy.close());
  const world = await createFaultWorld(test, postgresServer(), { port: proxy.port });
  const startedAt = performance.now();
  const load = await world.load();
  let made = 0;
  for (let round = 0; round < ROUNDS; round++) {
    made += await makeTrouble([proxy], (answer) => answer.includes("COMMIT\0"), load.progress);
    load.markFault();
    await load.progress(20);
    await load.compare(world.generations);
  }
  const summary = await load.stop();
  reportLoad("answers of PostgreSQL dropped after the commit, cut inside or delayed", made, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(made).toBeGreaterThan(10);
});

it.concurrent("answers of the servers that are dropped after the commit, cut inside or delayed: nobody is logged out and nothing acknowledged is forgotten", {
  timeout,
}, async (test) => {
  const world = await createFaultWorld(test, postgresServer());
  const proxies = await Promise.all(world.servers.urls().map((url) => startProxy(Number(new URL(url).port))));
  test.onTestFinished(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });
  const startedAt = performance.now();
  const urls = proxies.map(({ port }) => `http://127.0.0.1:${port}`);
  const load = await world.load({ urls: () => urls, timeoutMs: 1000 });
  let made = 0;
  for (let round = 0; round < ROUNDS; round++) {
    made += await makeTrouble(proxies, () => true, load.progress);
    load.markFault();
    await load.progress(20);
    await load.compare(world.generations);
  }
  const summary = await load.stop();
  reportLoad("answers of servers dropped after the commit, cut inside or delayed", made, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.abandoned).toBeGreaterThan(10);
});
