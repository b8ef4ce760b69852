import { createHash } from "node:crypto";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { migrations } from "../../src/store/postgres/schema.ts";
import type { Store } from "../../src/store/store.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { NOW, newClient, newId, newSession, newUser, vouched } from "../support/records.ts";

const world = postgresWorld();

/** The first number of the advisory locks of version 1; its successors were those of subjects and of session ids. */
const LOCKS = 0x4c4b4559;

/** A role of the database that nothing was granted to. */
async function stranger(grants = ""): Promise<pg.Client> {
  const name = `stranger_${newId().replaceAll("-", "_").toLowerCase()}`;
  await world.sql(`CREATE ROLE ${name} LOGIN PASSWORD 'x'; ${grants.replaceAll("ROLE", name)}`);
  const url = new URL(world.server.url(world.database));
  [url.username, url.password] = [name, "x"];
  const client = new pg.Client(url.href);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Everything that version 1 took an advisory lock for. */
async function everyAct(store: Store) {
  const [subject, foreign] = ["customer-7", newSession({ subject: "customer-8" })];
  const client = newClient();
  await store.createClient(client);
  const [first, second, third] = [
    newSession({ subject }),
    newSession({ subject }),
    newSession({ clientId: client.id }),
  ];
  const acts: Record<string, unknown> = {
    "sign-in": await store.createSessions([{ ...vouched(first), sessionLimit: 1 }, vouched(third)]),
    "sign-in that evicts": await store.createSessions([{ ...vouched(second), sessionLimit: 1 }]),
    adoption: await store.createSessions([{ ...vouched(foreign), ifAbsent: true }]),
    revocation: await store.revokeSessions([second.id], { at: NOW, reason: "logout" }),
    "client disabled": (await store.disableClient(client.id, NOW))?.revoked.map(({ id }) => id),
    "every session": (
      await store.revokeEverySession({ at: NOW, reason: "administrator", afterId: null, limit: 9, alsoLogged: newId() })
    ).map(({ id }) => id),
    "first admin": (await store.createFirstAdmin(newUser({ roles: ["admin"] }))) !== "not_first",
    sweep: (await store.sweep({ endedBy: 0, revokedBy: NOW, limit: 9 })).revocations,
  };
  expect(acts).toEqual({
    "sign-in": [
      { created: true, evicted: [] },
      { created: true, evicted: [] },
    ],
    "sign-in that evicts": [{ created: true, evicted: [first.id] }],
    adoption: [{ created: true, evicted: [] }],
    revocation: [second.id],
    "client disabled": [third.id],
    "every session": [foreign.id],
    "first admin": true,
    sweep: 6,
  });
}

describe("a role of the database that nothing was granted to", () => {
  it("stops no sign-in, revocation, sweep nor first administrator by holding advisory locks", async () => {
    const store = await world.open({ statementTimeoutSeconds: 2 });
    const role = await stranger();
    const keyOf = (text: string) => createHash("sha256").update(text).digest().readInt32BE();
    await role.query("BEGIN");
    for (const second of [0, 1, 2, 3]) await role.query("SELECT pg_advisory_xact_lock($1, $2)", [LOCKS, second]);
    for (const subject of ["customer-7", "customer-8"]) {
      await role.query("SELECT pg_advisory_xact_lock($1, $2)", [LOCKS + 1, keyOf(subject)]);
    }
    await everyAct(store);
    await role.query("ROLLBACK");
  });

  it("cannot hold the locks that there are, nor can one that may only read", async () => {
    await world.open();
    for (const grants of [
      "",
      "GRANT USAGE ON SCHEMA latchkey TO ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA latchkey TO ROLE",
    ]) {
      const role = await stranger(grants);
      for (const sql of [
        "SELECT FROM latchkey.locks FOR UPDATE",
        "SELECT FROM latchkey.locks FOR KEY SHARE",
        "LOCK TABLE latchkey.locks IN SHARE MODE",
        "LOCK TABLE latchkey.revocations IN SHARE MODE",
      ]) {
        await expect(role.query(`BEGIN; ${sql}`)).rejects.toMatchObject({ code: "42501" });
        await role.query("ROLLBACK");
      }
    }
  });
});

describe("a role with the grants of docs/postgresql.md", () => {
  const GRANTS = `GRANT USAGE ON SCHEMA latchkey TO ROLE;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA latchkey TO ROLE`;

  async function openAs(role: pg.Client): Promise<Store> {
    const url = new URL(world.server.url(world.database));
    [url.username, url.password] = [role.user!, "x"];
    return world.open({}, url.href);
  }

  it("can do all that a store does", async () => {
    await world.open();
    await everyAct(await openAs(await stranger(GRANTS)));
  });

  it("can do all of it after an upgrade by the owner, without new grants", async () => {
    await world.sql(`CREATE SCHEMA latchkey; ${migrations[0]!.sql}
      UPDATE latchkey.schema_version SET version = 1, works_from = 1`);
    const role = await stranger(GRANTS);
    await world.open();
    await everyAct(await openAs(role));
  });
});

describe("processes of version 1 and of this version on one log of revocations", () => {
  /** What version 1 says to the database, and a connection to say it by. */
  async function oldProcess() {
    const client = new pg.Client(world.server.url(world.database));
    await client.connect();
    onTestFinished(() => client.end());
    return {
      query: (sql: string) => client.query(sql),
      revoke: (id: string) =>
        `UPDATE latchkey.sessions SET revoked_at = ${NOW}, revoked_for = 'logout' WHERE id = '\\x${hex(id)}'`,
    };
  }
  const hex = (id: string) => Buffer.from(id, "base64url").toString("hex");
  const RUN_TRIGGERS = "SET CONSTRAINTS ALL IMMEDIATE";
  const logOf = async (store: Store) => (await store.listRevocations(0, 0, 10)).map(({ sessionId }) => sessionId);
  const waiting = async (count: number) =>
    expect
      .poll(
        async () =>
          (
            await world.sql(
              "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
          ).length,
      )
      .toBe(count);

  /** A database of version 1 with two sessions in it. */
  async function oldDatabase() {
    await world.sql(`CREATE SCHEMA latchkey; ${migrations[0]!.sql}
      UPDATE latchkey.schema_version SET version = 1, works_from = 1`);
    const [one, other] = [newId(), newId()];
    for (const id of [one, other]) {
      await world.sql(
        `INSERT INTO latchkey.sessions (id, subject, client_id, salt, confirmed, pending_from, pending_to, rotated_at, created_at, auth_time, expires_at)
         VALUES ('\\x${hex(id)}', 'ada', 'first-party', '\\x00', 0, 1, 1, ${NOW}, ${NOW}, ${NOW}, ${NOW + 1})`,
      );
    }
    return { one, other };
  }

  it.each([
    [
      "a session",
      (id: string) =>
        `UPDATE latchkey.sessions SET revoked_at = ${NOW}, revoked_for = 'logout' WHERE id = '\\x${hex(id)}'; ${RUN_TRIGGERS}`,
    ],
    [
      "everybody",
      (id: string) =>
        `SELECT pg_advisory_xact_lock(${LOCKS}, 2); INSERT INTO latchkey.revocations (session_id, at) VALUES ('\\x${hex(id)}', ${NOW})`,
    ],
  ])("an older one that revokes %s keeps a newer one waiting, whose entry comes after", async (_, sql) => {
    const { one, other } = await oldDatabase();
    const store = await world.open();
    const old = await world.hold(sql(one));
    const revoking = store.revokeSessions([other], { at: NOW, reason: "logout" });
    await old.heldUp(1);
    expect(await logOf(store)).toEqual([]);
    await old.letGo();
    await revoking;
    expect(await logOf(store)).toEqual([one, other]);
  });

  it("a newer one keeps an older one waiting, whose entry comes after", async () => {
    const { one, other } = await oldDatabase();
    const store = await world.open();
    const held = await world.hold(
      `UPDATE latchkey.sessions SET revoked_at = ${NOW}, revoked_for = 'logout', user_changes = user_changes + 1
       WHERE id = '\\x${hex(one)}'; ${RUN_TRIGGERS}`,
    );
    const old = await oldProcess();
    const revoking = old.query(`BEGIN; SELECT pg_advisory_xact_lock(${LOCKS}, 2);
      INSERT INTO latchkey.revocations (session_id, at) VALUES ('\\x${hex(other)}', ${NOW}); COMMIT`);
    await held.heldUp(1);
    expect(await logOf(store)).toEqual([]);
    await held.letGo();
    await revoking;
    expect(await logOf(store)).toEqual([one, other]);
  });

  it("a revocation that is under way when the schema is upgraded is seen before those after it", async () => {
    const { one, other } = await oldDatabase();
    const old = await oldProcess();
    await old.query(`BEGIN; ${old.revoke(one)}; ${RUN_TRIGGERS}`);
    const upgrading = world.open();
    await waiting(1);
    await old.query("COMMIT");
    const store = await upgrading;
    await store.revokeSessions([other], { at: NOW, reason: "logout" });
    expect(await logOf(store)).toEqual([one, other]);
  });

  it("one that holds version 1's lock and has not written yet, when the schema is upgraded, still takes the new one", async () => {
    const { one, other } = await oldDatabase();
    const old = await oldProcess();
    await old.query(`BEGIN; SELECT pg_advisory_xact_lock(${LOCKS}, 2)`);
    const store = await world.open();
    await old.query(`INSERT INTO latchkey.revocations (session_id, at) VALUES ('\\x${hex(one)}', ${NOW})`);
    const revoking = store.revokeSessions([other], { at: NOW, reason: "logout" });
    await waiting(1);
    expect(await logOf(store)).toEqual([]);
    await old.query("COMMIT");
    await revoking;
    expect(await logOf(store)).toEqual([one, other]);
  });

  it("twenty of both kinds leave no entry out for a reader that continues from the last one it saw", async () => {
    await oldDatabase();
    const store = await world.open();
    const sessions = Array.from({ length: 40 }, () => newSession());
    await store.createSessions(sessions.map((session) => vouched(session)));
    const seen: string[] = [];
    let last = 0;
    let isOver = false;
    const reading = (async () => {
      while (!isOver) {
        const wasOver = isOver;
        for (const { sequence, sessionId } of await store.listRevocations(last, 0, 3)) {
          seen.push(sessionId);
          last = sequence;
        }
        if (wasOver) break;
      }
      for (const { sessionId } of await store.listRevocations(last, 0, 100)) seen.push(sessionId);
    })();
    const old = await Promise.all(Array.from({ length: 20 }, oldProcess));
    const acts = sessions.map(async ({ id }, index) => {
      if (index % 2 === 0) return store.revokeSessions([id], { at: NOW, reason: "logout" });
      const process = old[(index - 1) / 2]!;
      return process.query(`BEGIN; ${process.revoke(id)}; COMMIT`);
    });
    await Promise.all(acts);
    isOver = true;
    await reading;
    expect(seen.sort()).toEqual(sessions.map(({ id }) => id).sort());
  });
});
