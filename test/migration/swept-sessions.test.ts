import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSweeper } from "../../src/engine/upkeep/sweeper.ts";
import type { ForeignSession, LatchkeyError } from "../../src/index.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { createTestBed, createTestClock } from "../support/test-bed.ts";

const DAY = 86_400;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.remove());

const stores: Record<string, () => Promise<Store>> = {
  SQLite: () => createSqliteStore(":memory:"),
  PostgreSQL: async () => createPostgresStore(server.url(await server.createDatabase())),
};

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "answered",
    (error: LatchkeyError) => error.code,
  );

describe.each(Object.entries(stores))("on %s an adopted session that has ended and been swept", (_, openStore) => {
  /** The other system says what it likes of the token `OLD`, and always of the same sign-in. */
  async function setUp() {
    const clock = createTestClock();
    const store = await openStore();
    const state: { says: ForeignSession | null } = { says: null };
    const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }]));
    const bed = await createTestBed({ store, subjects, foreignRefreshTokens: async () => state.says }, {}, clock);
    const says = (changes: Partial<ForeignSession> = {}): ForeignSession => ({
      id: "sign-in 1",
      subject: "ada",
      authTime: clock.now() - DAY * 1000,
      expiresAt: clock.now() + 10 * DAY * 1000,
      ...changes,
    });
    state.says = says();
    return {
      ...bed,
      state,
      says,
      sweep: () => createSweeper({ store, now: clock.now, rememberMs: async () => 0 }).run(),
    };
  }

  it.each([
    ["logged out", (bed: Awaited<ReturnType<typeof setUp>>) => bed.issuer.logout("OLD")],
    ["expired", async () => {}],
  ])("because it was %s is not opened again, whatever the other system says of it later", async (_, end) => {
    const bed = await setUp();
    const { issuer, clock, store, state, says, events } = bed;
    const { sessionId, refreshToken } = await issuer.refresh("OLD");
    await end(bed);
    clock.advanceSeconds(11 * DAY);
    await bed.sweep();
    expect(await store.findSession(sessionId)).toBeNull();
    events.length = 0;
    for (const later of [
      says(),
      says({ authTime: clock.now() }),
      says({ expiresAt: clock.now() + 1000 * DAY * 1000 }),
      says({ subject: "bob" }),
      says({ clientId: "web" }),
    ]) {
      state.says = later;
      const { clientId = "first-party" } = later;
      expect(await refusal(issuer.refresh("OLD", {}, { clientId }))).toBe("session_expired");
      expect(await issuer.sessions.adopt([later])).toEqual({ adopted: 0, known: 0, expired: 1, refused: 0 });
      await issuer.logout("OLD");
      await issuer.revoke("OLD", { clientId });
      expect(await issuer.introspect("OLD")).toEqual({ active: false });
    }
    expect(await refusal(issuer.refresh(refreshToken))).toBe("invalid_refresh_token");
    expect(await store.findSession(sessionId)).toBeNull();
    expect(events).toEqual([]);
    // Years later, and swept again, it is as over as ever; and another sign-in is none the worse for it.
    clock.advanceSeconds(2000 * DAY);
    await bed.sweep();
    state.says = says();
    expect(await refusal(issuer.refresh("OLD"))).toBe("session_expired");
    state.says = says({ id: "sign-in 2" });
    expect(await refusal(issuer.refresh("OLD"))).toBe("answered");
  });

  it("stays over when sixty requests present its token at once", async () => {
    const { issuer, clock, state, says, sweep, store } = await setUp();
    await issuer.refresh("OLD");
    clock.advanceSeconds(11 * DAY);
    await sweep();
    state.says = says();
    const codes = await Promise.all(Array.from({ length: 60 }, () => refusal(issuer.refresh("OLD"))));
    expect(new Set(codes)).toEqual(new Set(["session_expired"]));
    expect((await store.count(clock.now())).liveSessions).toBe(0);
  });

  it("leaves one that was never adopted, for a disabled client, to be adopted once it is enabled", async () => {
    const { issuer, clock, state, says, sweep } = await setUp();
    const { client } = await issuer.clients.create({ name: "mobile", kind: "public" });
    await issuer.clients.disable(client.id);
    state.says = says({ clientId: client.id });
    expect(await refusal(issuer.refresh("OLD", {}, { clientId: client.id }))).toBe("session_revoked");
    clock.advanceSeconds(2 * DAY);
    await sweep();
    await issuer.clients.enable(client.id);
    expect(await refusal(issuer.refresh("OLD", {}, { clientId: client.id }))).toBe("answered");
  });
});
