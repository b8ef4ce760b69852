import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { seed, times } from "../support/long-run.ts";
import { addUser } from "../support/server-process.ts";
import { reportLoad } from "./figures.ts";
import { startLoad } from "./load.ts";
import { createFaultWorld, durable, withSeeded } from "./postgres-faults.ts";
import { GRACE_SECONDS, loadSettings, startServers } from "./servers.ts";
import { nothingWrong } from "./tally.ts";

const postgresServer = withSeeded(durable);
const KILLS = times({ short: 20, long: 500 });
const KILLS_OF_BOTH = times({ short: 5, long: 100 });
/** How many rotations are acknowledged between a recovery and the next kill. */
const ROTATIONS = 40;
const timeout = 60_000 + KILLS * 10_000;

it(`kill -9 of a server on SQLite, ${KILLS} times: no acknowledged rotation is forgotten, nobody is logged out`, {
  timeout,
}, async (test) => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-kill-"));
  test.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "latchkey.db");
  const settings = { ...loadSettings, LATCHKEY_DATABASE_URL: `sqlite:${path}` };
  await addUser("ada", settings);
  const servers = await startServers(test, [settings]);
  const startedAt = performance.now();
  const load = await startLoad({ urls: servers.urls, graceSeconds: GRACE_SECONDS, seed });
  for (let kill = 0; kill < KILLS; kill++) {
    await load.progress(ROTATIONS);
    load.markFault();
    await servers.kill(0);
    await load.compare(async (sessionIds) => {
      const store = await createSqliteStore(path);
      const sessions = await Promise.all(sessionIds.map((id) => store.findSession(id)));
      await store.close();
      return new Map(sessions.flatMap((session) => (session ? [[session.id, session.rotation.pendingTo]] : [])));
    });
    await servers.start(0);
  }
  const summary = await load.stop();
  reportLoad("kill -9 of a server, SQLite", KILLS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.divergencesDetected).toBeGreaterThan(0);
});

it(`kill -9 of one of two servers on PostgreSQL, ${KILLS} times: nothing acknowledged is forgotten, no logout`, {
  timeout,
}, async (test) => {
  const world = await createFaultWorld(test, postgresServer());
  const startedAt = performance.now();
  const load = await world.load();
  for (let kill = 0; kill < KILLS; kill++) {
    await load.progress(ROTATIONS);
    load.markFault();
    await world.servers.kill(kill % 2);
    await load.compare(world.generations);
    await world.forgetFailures();
    await world.servers.start(kill % 2);
  }
  const summary = await load.stop();
  reportLoad("kill -9 of one of two servers, PostgreSQL", KILLS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.divergencesDetected).toBeGreaterThan(0);
});

it(`kill -9 of PostgreSQL, ${KILLS} times: nothing acknowledged is forgotten, no logout, and the servers recover`, {
  timeout,
}, async (test) => {
  const world = await createFaultWorld(test, postgresServer());
  const startedAt = performance.now();
  const load = await world.load();
  for (let kill = 0; kill < KILLS; kill++) {
    await load.progress(ROTATIONS);
    load.markFault();
    await world.postgres.kill();
    await world.postgres.start();
    await load.compare(world.generations);
    await world.forgetFailures();
  }
  await load.progress(ROTATIONS);
  const summary = await load.stop();
  reportLoad("kill -9 of PostgreSQL", KILLS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.divergencesDetected).toBeGreaterThan(0);
  expect(summary.recoverySeconds).toBeLessThan(30);
});

it(`kill -9 of both servers and PostgreSQL at once, ${KILLS_OF_BOTH} times: nothing acknowledged is forgotten, no logout`, {
  timeout,
}, async (test) => {
  const world = await createFaultWorld(test, postgresServer());
  const startedAt = performance.now();
  const load = await world.load();
  for (let kill = 0; kill < KILLS_OF_BOTH; kill++) {
    await load.progress(ROTATIONS);
    load.markFault();
    await Promise.all([world.postgres.kill(), world.servers.kill(0), world.servers.kill(1)]);
    await Promise.all([world.postgres.start(), world.servers.start(0), world.servers.start(1)]);
    await load.compare(world.generations);
    await world.forgetFailures();
  }
  await load.progress(ROTATIONS);
  const summary = await load.stop();
  reportLoad("kill -9 of both servers and PostgreSQL", KILLS_OF_BOTH, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.divergencesDetected).toBeGreaterThan(0);
  expect(summary.recoverySeconds).toBeLessThan(30);
});
