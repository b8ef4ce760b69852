import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { report, seed, times } from "../support/long-run.ts";
import { type PostgresServer, type Settings, startPostgres } from "../support/postgres.ts";
import { addUser, type ServerProcess, startServer } from "../support/server-process.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { login, me, post } from "../support/two-servers.ts";
import { type Load, startLoad } from "./load.ts";
import { generationsIn } from "./postgres-faults.ts";
import { nothingWrong, type Summary } from "./tally.ts";

const FAILOVERS = times({ short: 1, long: 10 });
const GRACE_SECONDS = 1;
const ROTATIONS = times({ short: 100, long: 1000 });
/** How long a synchronous standby is cut off before the primary dies; in the long run, longer than any statement may take. */
const CUT_OFF_MS = times({ short: 1500, long: 7000 });
/** In which every server process has read the log of revocations. */
const TWO_POLLS_MS = 1500;
const DURABLE: Settings = { fsync: "on", full_page_writes: "on", synchronous_commit: "on" };
const SYNCHRONOUS: Settings = { ...DURABLE, synchronous_standby_names: "standby" };

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/**
 * A primary, a standby that follows it, and two server processes: one reaches whichever is primary at an address that moves, the
 * other has both hosts in its URL.
 */
interface Cluster {
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;
  /** What leads the first server to the database. */
  readonly address: TcpProxy;
  /** What leads the standby to the primary. */
  readonly replication: TcpProxy;
  readonly database: string;
  readonly servers: readonly [ServerProcess, ServerProcess];
  readonly urls: readonly string[];
}

function kept<Thing extends { remove(): Promise<void> }>(thing: Thing): Thing {
  cleanUps.push(() => thing.remove());
  return thing;
}

async function keptProxy(port: number): Promise<TcpProxy> {
  const proxy = await startProxy(port);
  cleanUps.push(() => proxy.close());
  return proxy;
}

async function startCluster(settings: Settings): Promise<Cluster> {
  const primary = kept(await startPostgres({ settings: DURABLE }));
  const database = await primary.createDatabase();
  const address = await keptProxy(primary.port);
  const replication = await keptProxy(primary.port);
  const direct = `127.0.0.1:${primary.port}`;
  const environment = {
    LATCHKEY_DATABASE_URL: primary.url(database).replace(direct, `127.0.0.1:${address.port}`),
    LATCHKEY_SECRET: "Yq3mB8xW1nR6tKz0uHc5jLp2dVs9eGa7iTfQoXy4CMw",
    LATCHKEY_ISSUER: "http://127.0.0.1:4000",
    LATCHKEY_ROTATION_GRACE_SECONDS: String(GRACE_SECONDS),
    LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0",
    LATCHKEY_SESSIONS_PER_USER: "0",
  };
  await addUser("ada", environment);
  await primary.stop();
  const standby = kept(
    await startPostgres({ settings: DURABLE, copyOf: primary, asStandby: true, fedFrom: replication.port }),
  );
  await primary.start(settings);
  await follows(primary);
  const bothHosts = primary.url(database).replace(direct, `${direct},127.0.0.1:${standby.port}`);
  const servers = await Promise.all([
    startServer(environment),
    startServer({ ...environment, LATCHKEY_DATABASE_URL: bothHosts }),
  ]);
  for (const server of servers) cleanUps.push(() => server.kill());
  return { primary, standby, address, replication, database, servers, urls: servers.map(({ url }) => url) };
}

async function follows(primary: PostgresServer): Promise<void> {
  const streaming = () => primary.sql("SELECT FROM pg_stat_replication WHERE state = 'streaming'");
  await expect.poll(async () => (await streaming()).length, { timeout: 30_000 }).toBe(1);
}

/**
 * The primary dies, and the standby takes its place, once `lookAt` has seen which generations it knows. It is read before it is
 * promoted, since a server that has both hosts is there at once.
 */
async function failOver(
  cluster: Cluster,
  load: Load,
  lookAt: (known: ReadonlyMap<string, number>) => Promise<void>,
): Promise<void> {
  const { primary, standby, address } = cluster;
  await primary.kill();
  load.markFault();
  const behind = () => standby.sql("SELECT pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn() AS bytes");
  await expect.poll(async () => Number((await behind())[0]!.bytes), { timeout: 30_000 }).toBeLessThanOrEqual(0);
  await lookAt(await newestIn(cluster, standby));
  await standby.promote();
  address.switchTo(standby.port);
}

const newestIn = ({ database }: Cluster, server: PostgresServer) => generationsIn((text) => server.sql(text, database));

/** Where sessions are to be lost in part, few may end by themselves meanwhile. */
async function startClusterLoad({ urls }: Cluster, nth: number, logoutOneIn: number): Promise<Load> {
  return startLoad({ urls: () => urls, graceSeconds: GRACE_SECONDS, seed: seed + nth, logoutOneIn, timeoutMs: 8000 });
}

/** As many as make the numbers of the log that the standby gives afterwards lie below those that the servers had read. */
const OTHER_REVOCATIONS = `
  INSERT INTO latchkey.revocations (session_id, at)
  SELECT decode(md5(n::text), 'hex'), (extract(epoch FROM now()) * 1000)::bigint FROM generate_series(1, 200) n`;

/** A logout at one server process is known at the other, as before. */
async function expectRevocationsHeard({ servers: [one, other] }: Cluster): Promise<void> {
  const { body } = await login(one);
  expect((await me(other, body.access_token)).status).toBe(200);
  expect((await post(one, "/auth/logout", { bearer: body.refresh_token })).status).toBe(204);
  await expect.poll(async () => (await me(other, body.access_token)).status, { timeout: 10_000 }).toBe(401);
}

/** What both runs have to show whatever else they do. */
function expectNothingWrong(summary: Summary): void {
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.recoverySeconds).toBeLessThan(30);
}

/** Adds up what several failovers have shown. */
function createSum() {
  const found: Record<string, number> = {};
  let slowestRecovery = 0;
  return {
    add(summary: Summary, more: Readonly<Record<string, number>>) {
      const counted = {
        "acknowledged rotations": summary.acknowledged,
        ...more,
        "honest logouts": summary.honestLogouts,
        "refreshes after an acknowledged end": summary.refreshedAfterRevoke,
        "answers in the 500s but 503 with Retry-After": summary.badAnswers,
      };
      for (const [what, count] of Object.entries(counted)) found[what] = (found[what] ?? 0) + count;
      slowestRecovery = Math.max(slowestRecovery, summary.recoverySeconds);
    },
    found: () => ({ ...found, "seconds to recover, at most": Number(slowestRecovery.toFixed(1)) }),
  };
}

describe("a primary that is killed under load, and its standby promoted", () => {
  it("forgets nothing acknowledged where the standby is synchronous, and is back within 30 s without a restart", {
    timeout: 60_000 + FAILOVERS * 90_000,
  }, async () => {
    const startedAt = performance.now();
    const total = createSum();
    for (let nth = 0; nth < FAILOVERS; nth++) {
      const cluster = await startCluster(SYNCHRONOUS);
      const load = await startClusterLoad(cluster, nth, 60);
      await load.progress(ROTATIONS);
      cluster.replication.switchTo(undefined);
      await wait(CUT_OFF_MS);
      await failOver(cluster, load, (known) => load.compare(async () => known));
      await load.progress(ROTATIONS);
      const summary = await load.stop();
      expectNothingWrong(summary);
      await expectRevocationsHeard(cluster);
      for (const { process } of cluster.servers) expect(process.exitCode ?? process.signalCode).toBeNull();
      total.add(summary, { "acknowledged rotations forgotten": summary.forgotten });
      await Promise.all(
        cleanUps
          .splice(0)
          .reverse()
          .map((cleanUp) => cleanUp()),
      );
    }
    const seconds = (performance.now() - startedAt) / 1000;
    report({ run: "failover to a synchronous standby", count: FAILOVERS, seed, seconds, found: total.found() });
  });

  it("loses acknowledged rotations where the standby is asynchronous and behind, and logs out nobody whose session it has", {
    timeout: 60_000 + FAILOVERS * 90_000,
  }, async () => {
    const startedAt = performance.now();
    const total = createSum();
    for (let nth = 0; nth < FAILOVERS; nth++) {
      const cluster = await startCluster(DURABLE);
      const load = await startClusterLoad(cluster, nth, 1000);
      await load.progress(ROTATIONS);
      cluster.replication.switchTo(undefined);
      await cluster.primary.sql(OTHER_REVOCATIONS, cluster.database);
      await load.progress(ROTATIONS);
      await wait(TWO_POLLS_MS);
      const committed = await newestIn(cluster, cluster.primary);
      let known: ReadonlyMap<string, number> = new Map();
      await failOver(cluster, load, async (found) => {
        known = found;
        load.databaseWentBack(new Set(found.keys()));
      });
      await load.progress(ROTATIONS);
      const summary = await load.stop();
      expectNothingWrong(summary);
      await expectRevocationsHeard(cluster);
      const lost = [...known].reduce((sum, [id, newest]) => sum + Math.max(0, (committed.get(id) ?? 0) - newest), 0);
      const rolledBack = cluster.servers.map(({ output }) => output().split('"session.rolled_back"').length - 1);
      expect(lost).toBeGreaterThan(0);
      expect(rolledBack[0]! + rolledBack[1]!).toBeGreaterThan(0);
      for (const { process } of cluster.servers) expect(process.exitCode ?? process.signalCode).toBeNull();
      total.add(summary, {
        "rotations lost by the database": lost,
        "sessions that went on": rolledBack[0]! + rolledBack[1]!,
      });
      await Promise.all(
        cleanUps
          .splice(0)
          .reverse()
          .map((cleanUp) => cleanUp()),
      );
    }
    const seconds = (performance.now() - startedAt) / 1000;
    report({ run: "failover to an asynchronous standby", count: FAILOVERS, seed, seconds, found: total.found() });
  });
});
