import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createSweeper } from "../../src/engine/upkeep/sweeper.ts";
import type { AttemptCounts, AttemptsAllowed, CountedAttempt } from "../../src/store/attempt-counts.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import type { Store } from "../../src/store/store.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.remove());

const open: { readonly store: Store; readonly database: string }[] = [];
afterEach(async () => {
  for (const { store } of open) await store.close();
  for (const database of new Set(open.splice(0).map((one) => one.database))) await server.dropDatabase(database);
});

/** As many processes as asked for, on one new database. */
async function processes(count: number) {
  const database = await server.createDatabase();
  const counts: AttemptCounts[] = [];
  for (let index = 0; index < count; index++) {
    const store = await createPostgresStore(server.url(database));
    open.push({ store, database });
    counts.push(store);
  }
  return { counts: counts as [AttemptCounts, ...AttemptCounts[]], sql: (text: string) => server.sql(text, database) };
}

const limit = (key: string, attempts: number, windowSeconds = 900): AttemptsAllowed => ({
  key,
  attempts,
  windowSeconds,
});

describe("attempts counted in PostgreSQL", () => {
  it("of 200 at once over three processes exactly as many are counted as the limit allows, ten times over", async () => {
    const { counts } = await processes(3);
    for (let round = 0; round < 10; round++) {
      const taken = await Promise.all(
        Array.from({ length: 200 }, (_, index) => counts[index % 3]!.takeAttempts([limit(`key ${round}`, 10)])),
      );
      expect(taken.filter(({ waitSeconds }) => waitSeconds === 0)).toHaveLength(10);
    }
  });

  it("of 200 at once under limits that overlap none passes its own, and what one refuses no other counts", async () => {
    const { counts, sql } = await processes(2);
    const keys = (index: number) => [limit(`address ${index % 5}`, 12), limit("account", 30)];
    const taken = await Promise.all(
      Array.from({ length: 200 }, (_, index) => counts[index % 2]!.takeAttempts(keys(index))),
    );
    const through = taken.filter(({ waitSeconds }) => waitSeconds === 0);
    expect(through.length).toBeGreaterThan(0);
    expect(through.length).toBeLessThanOrEqual(30);
    const rows = await sql("SELECT key, count FROM latchkey.attempts");
    expect(rows.find(({ key }) => key === "account").count).toBe(through.length);
    const addresses = rows.filter(({ key }) => key !== "account");
    expect(addresses.reduce((sum, { count }) => sum + count, 0)).toBe(through.length);
    expect(addresses.every(({ count }) => count <= 12)).toBe(true);
  });

  it("the wait is the longest that a key has left, and at most its window", async () => {
    const { counts } = await processes(1);
    const [one] = counts;
    const both = [limit("short", 1, 60), limit("long", 1, 3600)];
    expect((await one.takeAttempts(both)).waitSeconds).toBe(0);
    const { waitSeconds } = await one.takeAttempts(both);
    expect(waitSeconds).toBeGreaterThan(3000);
    expect(waitSeconds).toBeLessThanOrEqual(3600);
    expect((await one.takeAttempts([limit("short", 1, 60)])).waitSeconds).toBeLessThanOrEqual(60);
  });

  it("being refused writes nothing and does not prolong the wait", async () => {
    const { counts, sql } = await processes(1);
    await counts[0].takeAttempts([limit("a", 1)]);
    const before = await sql("SELECT xmin::text, * FROM latchkey.attempts");
    for (let index = 0; index < 20; index++) await counts[0].takeAttempts([limit("a", 1), limit(`new ${index}`, 5)]);
    expect(await sql("SELECT xmin::text, * FROM latchkey.attempts")).toEqual(before);
  });

  it("one that is taken back counts no more, at whichever process", async () => {
    const { counts } = await processes(2);
    for (let index = 0; index < 20; index++) {
      const { counted } = await counts[index % 2]!.takeAttempts([limit("a", 2), limit("b", 3)]);
      expect(counted).toHaveLength(2);
      await counts[(index + 1) % 2]!.giveBackAttempts(counted, []);
    }
  });

  it("forgetting a key takes back all attempts under it, and under the others only the one", async () => {
    const { counts, sql } = await processes(1);
    let last: readonly CountedAttempt[] = [];
    for (let index = 0; index < 3; index++) {
      last = (await counts[0].takeAttempts([limit("both", 9), limit("address", 9)])).counted;
    }
    await counts[0].giveBackAttempts(last, ["both"]);
    expect(await sql("SELECT key, count FROM latchkey.attempts ORDER BY key")).toEqual([
      { key: "address", count: 2 },
      { key: "both", count: 0 },
    ]);
  });

  it("a window that is over counts anew, and an attempt given back late does not lower the next one", async () => {
    const { counts, sql } = await processes(1);
    const { counted } = await counts[0].takeAttempts([limit("a", 1)]);
    expect((await counts[0].takeAttempts([limit("a", 1)])).waitSeconds).toBeGreaterThan(0);
    await sql("UPDATE latchkey.attempts SET ends_at = ends_at - 1000000");
    expect((await counts[0].takeAttempts([limit("a", 1)])).waitSeconds).toBe(0);
    await counts[0].giveBackAttempts(counted, []);
    expect((await counts[0].takeAttempts([limit("a", 1)])).waitSeconds).toBeGreaterThan(0);
  });

  it("takes and gives back in any order at once without a deadlock", async () => {
    const { counts, sql } = await processes(2);
    const keys = ["a", "b", "c", "d"];
    const shuffled = (index: number) => keys.map((_, at) => keys[(at + index) % 4]!);
    await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        const one = counts[index % 2]!;
        const { counted } = await one.takeAttempts(shuffled(index).map((key) => limit(key, 1000)));
        await one.giveBackAttempts([...counted].reverse(), index % 7 === 0 ? [keys[index % 4]!] : []);
      }),
    );
    const [{ deadlocks }] = await sql("SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()");
    expect(deadlocks).toBe(0);
  });

  it("sweeping deletes keys whose window is over, in bounded acts, and no other", async () => {
    const { counts, sql } = await processes(1);
    for (let index = 0; index < 5; index++) await counts[0].takeAttempts([limit(`over ${index}`, 9)]);
    await sql("UPDATE latchkey.attempts SET ends_at = ends_at - 1000000");
    await counts[0].takeAttempts([limit("live", 9)]);
    expect(await counts[0].sweepAttempts(3)).toBe(3);
    expect(await counts[0].sweepAttempts(3)).toBe(2);
    expect(await sql("SELECT key FROM latchkey.attempts")).toEqual([{ key: "live" }]);
  });

  it("the sweeper deletes them all, without being asked twice", async () => {
    const { counts, sql } = await processes(1);
    await sql("INSERT INTO latchkey.attempts SELECT 'over ' || n, 1, 1000 FROM generate_series(1, 450) AS n");
    await counts[0].takeAttempts([limit("live", 9)]);
    await createSweeper({ store: open.at(-1)!.store, now: () => Date.now(), rememberMs: async () => 1000 }).run();
    expect(await sql("SELECT key FROM latchkey.attempts")).toEqual([{ key: "live" }]);
  });

  it("the table is not logged, so that a login waits for no disk", async () => {
    const { sql } = await processes(1);
    const [{ relpersistence }] = await sql(
      "SELECT relpersistence FROM pg_class WHERE oid = 'latchkey.attempts'::regclass",
    );
    expect(relpersistence).toBe("u");
  });
});
