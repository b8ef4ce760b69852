import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { times } from "../support/long-run.ts";
import type { PostgresServer } from "../support/postgres.ts";
import { startProxy } from "../support/tcp-proxy.ts";
import { reportLoad } from "./figures.ts";
import { createFaultWorld, type FaultWorld, startSeeded } from "./postgres-faults.ts";
import { nothingWrong } from "./tally.ts";

const ROUNDS = times({ short: 1, long: 5 });
const STOPS = times({ short: 1, long: 3 });
/** Longer than what is in flight may take, in the short run too: a statement 5 s and another for the silence. */
const STOPPED_SECONDS = times({ short: 8, long: 20 });
/** More than a statement may take, which is 5 s. */
const LOCKED_SECONDS = 7;
const HOLE_SECONDS = 7;
/** The limit on connections does not hold for a superuser. */
const ROLE = { user: "app", password: "x" } as const;
const timeout = 120_000 + ROUNDS * 60_000;

const servers: PostgresServer[] = [];
beforeAll(async () => {
  servers.push(...(await Promise.all([startSeeded(), startSeeded()])));
});
afterAll(() => Promise.all(servers.map((server) => server.remove())));

it.concurrent(`SIGSTOP of one of two servers for ${STOPPED_SECONDS} s under load, ${STOPS} times: nobody is logged out, not by what it still had to read either`, {
  timeout,
}, async (test) => {
  const world = await createFaultWorld(test, servers[0]!);
  const startedAt = performance.now();
  const load = await world.load({ timeoutMs: 1000 });
  for (let stop = 0; stop < STOPS; stop++) {
    await load.progress(100);
    const { process: stopped } = world.servers.at(stop % 2);
    stopped.kill("SIGSTOP");
    await wait(STOPPED_SECONDS * 1000);
    stopped.kill("SIGCONT");
    load.markFault();
    await load.compare(world.generations);
  }
  await load.progress(100);
  const summary = await load.stop();
  reportLoad(`SIGSTOP of one of two servers for ${STOPPED_SECONDS} s`, STOPS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.abandoned).toBeGreaterThan(0);
});

it.concurrent(`SIGSTOP of PostgreSQL for ${STOPPED_SECONDS} s under load, ${STOPS} times: every request is answered within 20 s, by 503 and when to ask again, and all goes on after`, {
  timeout,
}, async (test) => {
  const world = await createFaultWorld(test, servers[1]!);
  const startedAt = performance.now();
  const load = await world.load({ timeoutMs: 30_000 });
  for (let stop = 0; stop < STOPS; stop++) {
    await load.progress(100);
    const resume = await world.postgres.suspend();
    await wait(STOPPED_SECONDS * 1000);
    resume();
    load.markFault();
    await load.progress(1);
    await load.compare(world.generations);
  }
  await load.progress(100);
  const summary = await load.stop();
  reportLoad(`SIGSTOP of PostgreSQL for ${STOPPED_SECONDS} s`, STOPS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.unavailable).toBeGreaterThan(0);
  expect(summary.slowestAnswerSeconds).toBeLessThan(20);
  expect(summary.recoverySeconds).toBeLessThan(30);
});

it.concurrent(`a black hole between servers and PostgreSQL for ${HOLE_SECONDS} s, ${ROUNDS} times: every request is answered within 20 s, by 503 and when to ask again, and the servers recover by themselves`, {
  timeout,
}, async (test) => {
  const proxy = await startProxy(servers[0]!.port);
  test.onTestFinished(() => proxy.close());
  const world = await createFaultWorld(test, servers[0]!, { port: proxy.port });
  const startedAt = performance.now();
  const load = await world.load({ timeoutMs: 30_000 });
  for (let round = 0; round < ROUNDS; round++) {
    await load.progress(50);
    proxy.blackHole(true);
    await wait(HOLE_SECONDS * 1000);
    proxy.blackHole(false);
    load.markFault();
    await load.progress(1);
    await load.compare(world.generations);
  }
  const summary = await load.stop();
  reportLoad(`a black hole between servers and PostgreSQL for ${HOLE_SECONDS} s`, ROUNDS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.unavailable).toBeGreaterThan(0);
  expect(summary.slowestAnswerSeconds).toBeLessThan(20);
  expect(summary.recoverySeconds).toBeLessThan(30);
});

it.concurrent(`every connection to PostgreSQL lost and none to be had, ${ROUNDS} times, under more clients than connections: 503 and when to ask again, and all goes on when there is a connection`, {
  timeout,
}, async (test) => {
  await servers[0]!.sql(`CREATE ROLE ${ROLE.user} LOGIN PASSWORD '${ROLE.password}'`);
  const world = await createFaultWorld(test, servers[0]!, { role: ROLE });
  const startedAt = performance.now();
  const load = await world.load({ clients: 40, pauseMs: 50 });
  for (let round = 0; round < ROUNDS; round++) {
    await load.progress(100);
    const release = await withholdConnections(world);
    await load.refusals(50);
    await release();
    load.markFault();
    await load.progress(1);
    await load.compare(world.generations);
  }
  const summary = await load.stop();
  reportLoad("no connection of PostgreSQL to be had", ROUNDS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.recoverySeconds).toBeLessThan(30);
});

it.concurrent(`the table of sessions locked for ${LOCKED_SECONDS} s under load, ${ROUNDS} times: every request is answered within 20 s, by 503 and when to ask again, and all goes on after`, {
  timeout,
}, async (test) => {
  const world = await createFaultWorld(test, servers[0]!);
  const startedAt = performance.now();
  const load = await world.load({ timeoutMs: 30_000 });
  for (let round = 0; round < ROUNDS; round++) {
    await load.progress(50);
    await world.sql(`BEGIN; LOCK TABLE latchkey.sessions; SELECT pg_sleep(${LOCKED_SECONDS}); COMMIT`);
    load.markFault();
    await load.progress(1);
    await load.compare(world.generations);
  }
  const summary = await load.stop();
  reportLoad(`the table of sessions locked for ${LOCKED_SECONDS} s`, ROUNDS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.unavailable).toBeGreaterThan(0);
  expect(summary.slowestAnswerSeconds).toBeLessThan(20);
  expect(summary.recoverySeconds).toBeLessThan(30);
});

/** Takes the servers' connections away, and gives them no other until what it gives is called. */
async function withholdConnections({ postgres, database }: FaultWorld): Promise<() => Promise<unknown>> {
  await postgres.sql(`ALTER DATABASE ${database} CONNECTION LIMIT 0`);
  await postgres.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${ROLE.user}'`);
  return () => postgres.sql(`ALTER DATABASE ${database} CONNECTION LIMIT -1`);
}
