import { expect, it } from "vitest";
import { times } from "../support/long-run.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { startProxy } from "../support/tcp-proxy.ts";
import { reportLoad } from "./figures.ts";
import { createFaultWorld, generationsIn, withSeeded } from "./postgres-faults.ts";
import { nothingWrong } from "./tally.ts";

const postgresServer = withSeeded();
const ROUNDS = times({ short: 1, long: 5 });
const ROTATIONS = 150;

it(`PostgreSQL replaced under load by an older copy of it, ${ROUNDS} times: nobody in the copy is logged out`, {
  timeout: 60_000 + ROUNDS * 30_000,
}, async (test) => {
  let primary: PostgresServer = postgresServer();
  const proxy = await startProxy(primary.port);
  test.onTestFinished(() => proxy.close());
  const world = await createFaultWorld(test, primary, { port: proxy.port });
  const startedAt = performance.now();
  const load = await world.load();
  for (let round = 0; round < ROUNDS; round++) {
    await load.progress(ROTATIONS);
    await primary.stop();
    const copy = await startPostgres({ copyOf: primary });
    test.onTestFinished(() => copy.remove());
    await primary.start();
    await load.progress(ROTATIONS);

    await primary.kill();
    const known = await generationsIn((text) => copy.sql(text, world.database));
    load.databaseWentBack(new Set(known.keys()));
    proxy.switchTo(copy.port);
    load.markFault();
    if (round > 0) await primary.remove();
    primary = copy;
    await load.progress(ROTATIONS);
    await load.compare(() => generationsIn((text) => copy.sql(text, world.database)));
  }
  const summary = await load.stop();
  await postgresServer().start();
  const noticed = world.servers.output().split('"session.rolled_back"').length - 1;
  reportLoad("PostgreSQL replaced by an older copy of it", ROUNDS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(noticed).toBeGreaterThanOrEqual(ROUNDS);
});
