import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import type { Store } from "../../src/store/store.ts";
import { expectWithin } from "../support/on-time.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { NOW, newSession, vouched } from "../support/records.ts";

let server: PostgresServer;
let database: string;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase();
});
afterAll(() => server?.remove());

const open: Store[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

async function openStore(): Promise<Store> {
  const store = await createPostgresStore(server.url(database));
  open.push(store);
  return store;
}

/** Listens, and says how often it has been told to look. */
async function listening(store: Store) {
  let calls = 0;
  const stop = store.onRevocation(() => {
    calls += 1;
  });
  // It is told to look as soon as it listens.
  await expect.poll(() => calls).toBe(1);
  return { calls: () => calls, stop };
}

async function revoke(store: Store): Promise<void> {
  const session = newSession();
  await store.createSessions([vouched(session)]);
  await store.revokeSessions([session.id], { at: NOW, reason: "logout" });
}

const listeners = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";

describe("revocations told by PostgreSQL", () => {
  it("reach every process that listens within milliseconds, once for each act, and the one that revokes as well", async () => {
    const [one, other] = [await openStore(), await openStore()];
    const [heardByOne, heardByOther] = [await listening(one), await listening(other)];
    let acts = 0;
    const lag = async () => {
      acts += 1;
      await revoke(one);
      const at = performance.now();
      await expect.poll(heardByOther.calls, { interval: 1 }).toBe(acts + 1);
      const tookMs = performance.now() - at;
      await expect.poll(heardByOne.calls).toBe(acts + 1);
      return tookMs;
    };
    for (let round = 0; round < 5; round++) await expectWithin(500, lag);
  });

  it("are told only of what has been committed and can be read", async () => {
    const [one, other] = [await openStore(), await openStore()];
    let last = 0;
    let read = 0;
    other.onRevocation(async () => {
      const entries = await other.listRevocations(last, 0, 1000);
      read += entries.length;
      last = entries.at(-1)?.sequence ?? last;
    });
    const before = (await one.listRevocations(0, 0, 1000)).length;
    await expect.poll(() => read).toBe(before);
    await revoke(one);
    await expect.poll(() => read, { interval: 1 }).toBe(before + 1);
  });

  it("a lost connection is made anew, and whoever listens is told to look at what was missed", async () => {
    const store = await openStore();
    const { calls } = await listening(store);
    await server.sql(`SELECT pg_terminate_backend(pid) FROM (${listeners}) AS listener`, database);
    await expect.poll(calls).toBe(2);
    await revoke(store);
    await expect.poll(calls).toBe(3);
  });

  it("a database that restarts is listened to again by itself", async () => {
    const store = await openStore();
    const { calls } = await listening(store);
    await server.stop();
    await wait(300);
    await server.start();
    await expect.poll(calls, { timeout: 60_000 }).toBe(2);
  });

  it("whoever has left hears no more, and a closed store leaves no connection behind", async () => {
    const store = await openStore();
    const { calls, stop } = await listening(store);
    stop();
    await revoke(store);
    await wait(200);
    expect(calls()).toBe(1);
    await store.close();
    await expect.poll(() => server.sql(listeners, database)).toEqual([]);
  });

  it("a store that nobody listens to opens no connection for it", async () => {
    const store = await openStore();
    await revoke(store);
    expect(await server.sql(listeners, database)).toEqual([]);
  });
});
