import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import type { Store } from "../../src/store/store.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { NOW, newSession, newUser, vouched } from "../support/records.ts";

const world = postgresWorld();

/** Resolves once the store works; its errors before that are those of a store that is away. */
async function recovered(store: Store, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const error = await store.check().catch((thrown) => thrown);
    if (error === undefined) return;
    expect(error).toMatchObject({ code: "store_unavailable", retryAfterSeconds: expect.any(Number) });
    if (performance.now() > deadline) throw error;
    await wait(50);
  }
}

describe("a PostgreSQL server", () => {
  it.each(["kill", "stop"] as const)(
    "that goes away (%s) gives bounded errors, and the store works again by itself when it is back",
    async (ending) => {
      const store = await world.open();
      const session = newSession();
      await store.createSessions([vouched(session)]);
      await world.server[ending]();
      const startedAt = performance.now();
      const acts = [
        store.findSession(session.id),
        store.createSessions([vouched(newSession())]),
        store.changeSessions([session.id], () => null),
        store.check(),
      ];
      for (const act of await Promise.allSettled(acts)) {
        expect(act).toMatchObject({
          status: "rejected",
          reason: { code: "store_unavailable", retryAfterSeconds: expect.any(Number) },
        });
      }
      expect(performance.now() - startedAt).toBeLessThan(20_000);
      await world.server.start();
      await recovered(store);
      expect(await store.findSession(session.id)).toStrictEqual(session);
    },
  );

  it("that restarts under load fails no act in another way, and loses none that was acknowledged", async () => {
    const store = await world.open();
    const acknowledged: string[] = [];
    const codes = new Set<string>();
    let isOver = false;
    const client = async () => {
      while (!isOver) {
        const session = newSession();
        await store.createSessions([vouched(session)]).then(
          () => acknowledged.push(session.id),
          (error) => {
            codes.add(error.code);
            return wait(20);
          },
        );
      }
    };
    const clients = Array.from({ length: 8 }, client);
    try {
      await expect.poll(() => acknowledged.length).toBeGreaterThan(50);
      await world.server.kill();
      await expect.poll(() => codes.size).toBe(1);
      const before = acknowledged.length;
      await world.server.start();
      await recovered(store);
      await expect.poll(() => acknowledged.length - before).toBeGreaterThan(50);
    } finally {
      isOver = true;
    }
    await Promise.all(clients);
    expect([...codes]).toEqual(["store_unavailable"]);
    const found = await Promise.all(acknowledged.map((id) => store.findSession(id)));
    expect(found.filter((session) => session === null)).toEqual([]);
  });

  it("whose tables are locked gives bounded errors, keeps no statement that nobody waits for, and goes on after", async () => {
    const store = await world.open({ maxConnections: 2, connectTimeoutSeconds: 1, statementTimeoutSeconds: 1 });
    const session = newSession();
    await store.createSessions([vouched(session)]);
    const holder = await world.hold("LOCK TABLE latchkey.sessions");
    for (let round = 0; round < 2; round++) {
      const startedAt = performance.now();
      const acts = Array.from({ length: 300 }, () => store.findSession(session.id));
      for (const result of await Promise.allSettled(acts)) {
        expect(result).toMatchObject({
          status: "rejected",
          reason: { code: "store_unavailable", retryAfterSeconds: expect.any(Number) },
        });
      }
      expect(performance.now() - startedAt).toBeLessThan(20_000);
    }
    const working = `SELECT FROM pg_stat_activity WHERE datname = '${world.database}' AND application_name = 'latchkey' AND state = 'active'`;
    await expect.poll(() => world.server.sql(working)).toEqual([]);
    await holder.letGo();
    expect(await store.findSession(session.id)).toStrictEqual(session);
  });

  it("that is out of connections says so", async () => {
    await world.server.sql(`ALTER DATABASE ${world.database} CONNECTION LIMIT 0`);
    await world.server.sql("CREATE ROLE crowd LOGIN PASSWORD 'x'").catch(() => {});
    const url = world.server.url(world.database, { user: "crowd", password: "x" });
    await expect(createPostgresStore(url)).rejects.toMatchObject({
      code: "store_unavailable",
      detail: expect.stringMatching(/no connections left.*max_connections/),
    });
  });
});

describe("a standby", () => {
  const others: PostgresServer[] = [];
  afterEach(async () => {
    for (const other of others.splice(0)) await other.remove();
  });

  it("is refused, decides nothing, and is taken once it has been promoted, without a restart", {
    timeout: 60_000,
  }, async () => {
    const before = await world.open();
    const user = newUser();
    await before.createUser(user);
    await before.close();
    await world.server.stop();
    const standby = await startPostgres({ copyOf: world.server, asStandby: true });
    others.push(standby);
    await world.server.start();

    await expect(createPostgresStore(standby.url(world.database))).rejects.toMatchObject({
      code: "store_unavailable",
      detail: expect.stringMatching(/standby.*must lead to the primary/),
    });

    const both = world.server
      .url(world.database)
      .replace(`127.0.0.1:${world.server.port}`, `127.0.0.1:${standby.port},127.0.0.1:${world.server.port}`);
    const store = await world.open({}, both);
    const session = newSession({ subject: user.id });
    await store.createSessions([vouched(session)]);

    await world.server.kill();
    await expect(store.findUser(user.id)).rejects.toMatchObject({ code: "store_unavailable" });
    await standby.sql("SELECT pg_promote()");
    await recovered(store);
    expect(await store.findUser(user.id)).toStrictEqual(user);
    // It had not got that far.
    expect(await store.findSession(session.id)).toBeNull();
    expect(await store.createSessions([vouched(newSession({ createdAt: NOW }))])).toHaveLength(1);
    await world.server.start();
  });

  it("is what a primary counts as that is set to read only, from one transaction to the next and on new connections", async () => {
    const store = await world.open({ maxConnections: 1 });
    await store.check();
    const refusal = { code: "store_unavailable", detail: expect.stringMatching(/read only/) };
    await world.server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    await world.server.sql("SELECT pg_reload_conf()");
    const setting = "SHOW default_transaction_read_only";
    await expect.poll(() => world.server.sql(setting)).toEqual([{ default_transaction_read_only: "on" }]);
    await expect(store.findUser("x")).rejects.toMatchObject(refusal);
    await expect(createPostgresStore(world.server.url(world.database))).rejects.toMatchObject(refusal);
    await world.server.sql("ALTER SYSTEM RESET default_transaction_read_only");
    await world.server.sql("SELECT pg_reload_conf()");
    await recovered(store);
    expect(await store.findUser("x")).toBeNull();
  });
});
