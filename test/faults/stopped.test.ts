import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { times } from "../long-run.ts";
import type { PostgresServer } from "../postgres-server.ts";
import { reportLoad } from "./figures.ts";
import { createFaultWorld, startSeeded } from "./postgres-faults.ts";
import { nothingWrong } from "./tally.ts";

const STOPS = times({ short: 1, long: 5 });
/** Longer than what is in flight may take, in the short run too: a statement 5 s and another for the silence. */
const STOPPED_SECONDS = times({ short: 8, long: 20 });
const timeout = 120_000 + STOPS * STOPPED_SECONDS * 3000;

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
