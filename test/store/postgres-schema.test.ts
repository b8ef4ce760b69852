import { describe, expect, it } from "vitest";
import { NEWEST_POSTGRES_SCHEMA_VERSION } from "../../src/store/postgres/schema.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { NOW, newSession, vouched } from "../support/records.ts";

const world = postgresWorld();

describe("the schema", () => {
  it("is made once when five processes start at once on an empty database", async () => {
    const stores = await Promise.all(Array.from({ length: 5 }, () => world.open({ maxConnections: 2 })));
    for (const store of stores) await store.check();
    const versions = await world.sql("SELECT version FROM latchkey.schema_version");
    expect(versions).toEqual([{ version: NEWEST_POSTGRES_SCHEMA_VERSION }]);
  });

  it("has no index on a column that a rotation changes", async () => {
    await world.open();
    const indexed = await world.sql(
      `SELECT DISTINCT attname::text AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
       WHERE i.indrelid = 'latchkey.sessions'::regclass AND (a.attnum = ANY (i.indkey) OR
         pg_get_expr(i.indpred, i.indrelid) LIKE '%' || attname || '%') ORDER BY 1`,
    );
    expect(indexed.map(({ name }) => name)).toEqual(["client_id", "created_at", "expires_at", "id", "subject"]);
  });

  it("leaves room in its pages, so that rotations write no index, and less of them do without the room", {
    timeout: 60_000,
  }, async () => {
    const ids: string[] = [];
    const filling = await world.open();
    for (let batch = 0; batch < 10; batch++) {
      const sessions = Array.from({ length: 200 }, () => newSession({ userAgent: "x".repeat(100) }));
      await filling.createSessions(sessions.map((session) => vouched(session)));
      ids.push(...sessions.map(({ id }) => id));
    }
    await filling.close();
    const counted = async () => {
      const [row] = await world.sql(
        `SELECT n_tup_hot_upd::int AS hot, n_tup_upd::int AS all FROM pg_stat_user_tables WHERE relname = 'sessions'`,
      );
      return row;
    };
    const hotShare = async () => {
      const before = await counted();
      const store = await world.open();
      for (let round = 0; round < 100; round++) {
        const some = ids.filter((_, index) => (index * 7 + round * 13) % 20 === 0);
        await store.changeSessions(some, (_, found) => ({
          rotation: { ...found!.session.rotation, rotatedAt: NOW + round },
        }));
      }
      // A connection tells its counts at its end.
      await store.close();
      await expect.poll(async () => (await counted()).all - before.all).toBe(10_000);
      return ((await counted()).hot - before.hot) / 10_000;
    };
    const withRoom = await hotShare();
    await world.sql("ALTER TABLE latchkey.sessions SET (fillfactor = 100, autovacuum_enabled = off)");
    await world.server.sql("VACUUM FULL latchkey.sessions", world.database);
    const withoutRoom = await hotShare();
    console.info(
      `HOT updates: ${(withRoom * 100).toFixed(1)} % with room, ${(withoutRoom * 100).toFixed(1)} % without`,
    );
    expect(withRoom).toBeGreaterThan(0.95);
    expect(withoutRoom).toBeLessThan(withRoom);
  });
});
