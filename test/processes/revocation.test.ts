import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { expectWithin } from "../support/on-time.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { login, me, post, twoServers, withPostgres } from "../support/two-servers.ts";

withPostgres();

const LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";

/** Logs in and out at `one`, and gives how long `other` went on believing the access token. */
async function lag(one: ServerProcess, other: ServerProcess): Promise<number> {
  const pair = (await login(one)).body;
  expect((await me(other, pair.access_token)).status).toBe(200);
  expect((await post(one, "/auth/logout", { bearer: pair.refresh_token })).status).toBe(204);
  const at = performance.now();
  while ((await me(other, pair.access_token)).status !== 401) await wait(2);
  return performance.now() - at;
}

describe("a logout at one process", () => {
  it("is known at the other within 250 ms, since PostgreSQL tells it", async () => {
    const { servers } = await twoServers();
    for (let round = 0; round < 10; round++) {
      await expectWithin(250, () => lag(servers[round % 2]!, servers[(round + 1) % 2]!));
    }
  });

  it("is known at the other within a second while its listening connection is cut again and again", async () => {
    const { servers, sql } = await twoServers();
    let isOver = false;
    let cuts = 0;
    const cutting = (async () => {
      while (!isOver) cuts += (await sql(`SELECT pg_terminate_backend(pid) FROM (${LISTENERS}) AS listener`)).length;
    })();
    try {
      for (let round = 0; round < 8; round++) await expectWithin(1000, () => lag(servers[0], servers[1]));
    } finally {
      isOver = true;
    }
    await cutting;
    expect(cuts).toBeGreaterThan(2);
  });

  it("is known at the other within a second where nothing is notified at all, as through PgBouncer in transaction mode", async () => {
    const { servers, sql } = await twoServers();
    await sql(`SELECT pg_terminate_backend(pid) FROM (${LISTENERS}) AS listener`);
    const [{ source }] = await sql("SELECT pg_get_functiondef('latchkey.log_revocation'::regproc) AS source");
    await sql(source.replace(/PERFORM pg_notify\([^;]+;/, ""));
    for (let round = 0; round < 5; round++) await expectWithin(1000, () => lag(servers[0], servers[1]));
  });
});
