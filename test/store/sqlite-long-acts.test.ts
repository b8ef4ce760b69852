import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { SqliteDatabase } from "../../src/store/sqlite/database.ts";
import { createSqliteReader } from "../../src/store/sqlite/reader.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { longestTurnOf } from "../support/event-loop.ts";
import { newPath } from "../support/places.ts";
import { DAY, NOW, newId, newSession, newUser, vouched } from "../support/records.ts";
import { type Crowd, crowdedStore } from "../support/sqlite-crowd.ts";

const SIZE = 100_000;
const everybody: Crowd = { size: SIZE };
const revoked: Crowd = { size: SIZE, sessions: { revoked_at: String(NOW), revoked_for: "'logout'" } };
const onePerson: Crowd = { size: SIZE / 5, sessions: { subject: "'crowd'" } };
const oneClient: Crowd = { size: SIZE / 5, sessions: { client_id: "'lkc_crowd'" } };

/** An act, and what does the same work on the event loop. */
interface LongAct {
  readonly crowd: Crowd;
  act(store: Store): Promise<unknown>;
  readonly sql: string;
}

const longActs: Readonly<Record<string, LongAct>> = {
  "counts users and sessions": {
    crowd: everybody,
    act: (store) => store.count(NOW),
    sql: "SELECT (SELECT count(*) FROM users WHERE disabled_at IS NULL), count(revoked_at) + count(expires_at > 1) FROM sessions",
  },
  "looks for the live sessions among revoked ones": {
    crowd: revoked,
    act: (store) => store.listLiveSessions(NOW, 5),
    sql: "SELECT max(length(salt)) FROM sessions INDEXED BY sessions_by_creation WHERE created_at < 1e15 AND +revoked_at > 0",
  },
  "revokes all sessions of one person": {
    crowd: onePerson,
    act: (store) => store.revokeSubjectSessions("crowd", { at: NOW, reason: "logout_all" }),
    sql: "UPDATE sessions SET revoked_at = 1, revoked_for = 'logout_all' WHERE subject = 'crowd'",
  },
  "disables a client that has many sessions": {
    crowd: oneClient,
    async act(store) {
      const client = {
        id: "lkc_crowd",
        name: "Crowd",
        kind: "public",
        secretHash: null,
        grantTypes: [],
        scope: "",
      } as const;
      await store.createClient({ ...client, grantId: newId(), createdAt: NOW, updatedAt: NOW, disabledAt: null });
      return store.disableClient(client.id, NOW);
    },
    sql: "UPDATE sessions SET revoked_at = 1, revoked_for = 'client_disabled' WHERE client_id = 'lkc_crowd'",
  },
  "deletes what has ended": {
    crowd: onePerson,
    act: (store) => store.sweep({ endedBy: NOW + 31 * DAY, revokedBy: NOW, limit: SIZE }),
    sql: "DELETE FROM sessions WHERE expires_at > 0",
  },
};

// A garbage collection may fall into the longest turn. Work on the main thread would be in it every time.
describe("an act on a large SQLite database", { retry: 2 }, () => {
  it.each(Object.entries(longActs))(
    "that %s takes the main thread for less at once than half of its work",
    async (_, { crowd, act, sql }) => {
      const { path, store } = await crowdedStore(crowd);
      const whole = await longestTurnOf(() => workOnMainThread(path, sql));
      await store.listUsers("", 1);
      expect(await longestTurnOf(() => act(store))).toBeLessThan(whole / 2);
    },
  );

  it("finds an administrator, or that there is none, without looking at every user", async () => {
    const { path, store } = await crowdedStore(everybody);
    const whole = await longestTurnOf(() =>
      workOnMainThread(path, "SELECT count(*) FROM users WHERE roles LIKE '%x%'"),
    );
    expect(await longestTurnOf(async () => expect(await store.hasAdmin()).toBe(false))).toBeLessThan(whole / 3);
    await store.createUser(newUser({ roles: ["administrators-friend", "admin"] }));
    expect(await store.hasAdmin()).toBe(true);
  });

  it("imports a thousand users in turns, of which none takes a third of it", async () => {
    const { path, store } = await crowdedStore(everybody);
    const thousand =
      "INSERT INTO users SELECT id || 'x', username || 'x', canonical_username || 'x', password_hash, roles, created_at, updated_at, disabled_at, credentials_version, NULL FROM users LIMIT 10000";
    const tenfold = await longestTurnOf(() => workOnMainThread(path, thousand));
    const users = Array.from({ length: 1000 }, () => newUser());
    expect(await longestTurnOf(() => store.importUsers(users))).toBeLessThan(tenfold / 3);
  });
});

/** Does it on a connection of its own, and takes it back. */
function workOnMainThread(path: string, sql: string): void {
  const database = new SqliteDatabase(path);
  try {
    database.execute(`BEGIN IMMEDIATE; ${sql}; ROLLBACK`);
  } finally {
    database.close();
  }
}

describe("what is revoked for very many sessions at once", () => {
  it("is exactly the person's sessions that were not revoked yet, but for the one left out, each logged once", async () => {
    const { store } = await crowdedStore({ size: 1000, sessions: { subject: "iif(n % 2, 'crowd', 'it''s another')" } });
    const [kept, gone] = [newSession({ subject: "crowd" }), newSession({ subject: "crowd" })];
    await store.createSessions([kept, gone].map((session) => vouched(session)));
    await store.revokeSessions([gone.id], { at: NOW, reason: "logout" });

    const ids = await store.revokeSubjectSessions("crowd", { at: NOW + 1, reason: "logout_all" }, kept.id);

    expect(new Set(ids).size).toBe(500);
    expect(ids).not.toContain(gone.id);
    expect(await store.listSessions("crowd", NOW)).toEqual([kept]);
    expect(await store.listSessions("it's another", NOW, 1000)).toHaveLength(500);
    const log = await store.listRevocations(0, NOW, 2000);
    expect(log.map(({ sessionId }) => sessionId).toSorted()).toEqual([gone.id, ...ids].toSorted());
    expect((await store.revokeSubjectSessions("it's another", { at: NOW, reason: "logout_all" })).length).toBe(500);
  });

  it("is nothing where the file's disk takes no more of it", async () => {
    const { path, store } = await crowdedStore({ size: 1000, sessions: { subject: "'crowd'" } });
    const other = new SqliteDatabase(path);
    other.execute(`CREATE TRIGGER refuse BEFORE INSERT ON revocations
      WHEN (SELECT count(*) FROM revocations) >= 500 BEGIN SELECT RAISE(ABORT, 'refused'); END`);
    other.close();
    await expect(store.revokeSubjectSessions("crowd", { at: NOW, reason: "logout_all" })).rejects.toThrow();
    expect(await store.listSessions("crowd", NOW)).toHaveLength(1000);
    expect(await store.listRevocations(0, NOW, 10)).toEqual([]);
  });
});

describe("the thread for long reads", () => {
  it("sees what was committed a moment before", async () => {
    const store = await createSqliteStore(newPath());
    try {
      for (let index = 0; index < 200; index++) {
        const session = newSession({ createdAt: NOW + index });
        await store.createSessions([vouched(session)]);
        expect(await store.listLiveSessions(NOW, 1)).toEqual([session]);
        expect((await store.count(NOW)).liveSessions).toBe(index + 1);
      }
    } finally {
      await store.close();
    }
  });

  it("hands over long lists whole and in order", async () => {
    const { store } = await crowdedStore({ size: 5000, sessions: { subject: "'crowd'" } });
    const sessions = await store.listSessions("crowd", NOW, 10_000);
    expect(sessions.map(({ createdAt }) => NOW - createdAt)).toEqual(Array.from({ length: 5000 }, (_, n) => n + 1));
    expect(await store.listSessions("crowd", NOW)).toEqual(sessions.slice(0, 1000));
  });

  it("that cannot start is heard of once, and nothing comes of what is asked until a minute has passed", async () => {
    let now = NOW;
    const heard: unknown[] = [];
    const path = newPath();
    const reader = createSqliteReader({ path, now: () => now, onFailure: (error) => heard.push(error) });
    const question = { sql: "SELECT CAST('1' AS BLOB)", parameters: [], toRow: (json: unknown) => json };
    const ask = () => Promise.all([reader.all(question), reader.all(question)]);
    expect([...(await ask()), ...(await ask())]).toEqual([undefined, undefined, undefined, undefined]);
    expect(heard).toEqual([expect.objectContaining({ message: expect.stringContaining("Unable to open") })]);

    await (await createSqliteStore(path)).close();
    now += 60_000;
    expect(await ask()).toEqual([[1], [1]]);
    expect(heard).toHaveLength(1);
    await reader.close();
    expect(await reader.all(question)).toBeUndefined();
  });

  it("that may not start in the built package costs an event, and the main connection answers instead", () => {
    const { status, stdout, stderr } = inProcess(
      `const issuer = await createIssuer({ issuer: "http://localhost:1", secret, store, onEvent: (event) => events.push(event) });
       await issuer.users.list();
       process.stdout.write(JSON.stringify([(await issuer.metrics()).store.users, events]));
       await issuer.close();`,
      permissionModel,
    );
    expect(stderr).not.toMatch(/error/i);
    const [users, events] = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(users).toBe(0);
    expect(events).toMatchObject([{ type: "store.degraded", detail: expect.stringMatching(/thread for long reads/) }]);
  });

  it.each(["await store.close();", ""])("keeps no process alive: %j", (end) => {
    const { status, stdout } = inProcess(`process.stdout.write(String((await store.count(0)).users)); ${end}`);
    expect([status, stdout]).toEqual([0, "0"]);
  });
});

/** No worker threads are allowed; Node.js 20 knows the flag by its first name. */
const permissionModel = [
  Number.parseInt(process.versions.node, 10) < 24 ? "--experimental-permission" : "--permission",
  "--allow-fs-read=*",
  "--allow-fs-write=*",
  "--allow-addons",
  "--no-warnings",
];

/** Runs a script with a store of the built package, which ends by itself. */
function inProcess(script: string, flags: readonly string[] = []) {
  const built = (file: string) => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);
  const head = `
    import { createIssuer } from ${built("index.js")};
    import { createSqliteStore } from ${built("store/sqlite/sqlite.js")};
    const [secret, events] = ["q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM", []];
    const store = await createSqliteStore(${JSON.stringify(newPath())});`;
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  return spawnSync(process.execPath, [...flags, "--input-type=module", "--eval", head + script], {
    cwd,
    encoding: "utf8",
    timeout: 60_000,
  });
}
