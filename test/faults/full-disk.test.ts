import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { times } from "../support/long-run.ts";
import { fill, mountTmpfs } from "../support/places.ts";
import type { PostgresServer } from "../support/postgres.ts";
import { reportLoad } from "./figures.ts";
import { createFaultWorld, durable, startSeeded } from "./postgres-faults.ts";
import { nothingWrong } from "./tally.ts";

const ROUNDS = times({ short: 1, long: 5 });

it(`a full disk of PostgreSQL under load, ${ROUNDS} times: 503 with Retry-After, nothing acknowledged is forgotten`, {
  timeout: 90_000 + ROUNDS * 30_000,
}, async (test) => {
  const disk = mountTmpfs(test, "320m");
  const postgres = await startSeeded(durable, disk);
  test.onTestFinished(() => postgres.remove());
  const world = await createFaultWorld(test, postgres);
  const startedAt = performance.now();
  const load = await world.load({ timeoutMs: 30_000, logoutOneIn: 10 });
  for (let round = 0; round < ROUNDS; round++) {
    await load.progress(100);
    const free = fill(disk);
    await wait(500);
    // It then needs a new file for what it is to commit, and ends with all its processes over having none.
    await postgres.sql("SELECT pg_switch_wal()").catch(() => {});
    await load.refusals(20);
    free();
    load.markFault();
    await backAgain(postgres);
    await load.compare(world.generations);
  }
  await load.progress(100);
  const summary = await load.stop();
  reportLoad("the disk of PostgreSQL full", ROUNDS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.recoverySeconds).toBeLessThan(30);
});

/** PostgreSQL recovers by itself, unless it has given up meanwhile; then it is started as an operator would. */
async function backAgain(postgres: PostgresServer): Promise<void> {
  for (let tries = 0; tries < 30; tries++) {
    const isUp = await postgres.sql("SELECT 1").then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await wait(100);
  }
  await postgres.stop();
  await postgres.start();
}
