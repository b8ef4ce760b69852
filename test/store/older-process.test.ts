import Libsql from "libsql";
import { describe, expect, it, onTestFinished } from "vitest";
import { migrations as postgresMigrations } from "../../src/store/postgres/schema.ts";
import { APPLICATION_ID, migrations as sqliteMigrations } from "../../src/store/sqlite/schema.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { newPath } from "../support/places.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { DAY, NOW, newId, newSession, newUser, proved, vouched } from "../support/records.ts";

// A process of version 0.1 serves while one of this version brings the schema up to date beside it. What it says to the
// database is repeated here in its own words.

const USER_ID = newId();
const SESSION_ID = newId();
const HEX = Buffer.from(SESSION_ID, "base64url").toString("hex");
const INSERT_USER = (table: string, isAdmin: string, id: string) =>
  `INSERT INTO ${table} (id, username, canonical_username, password_hash, roles,${isAdmin && " is_admin,"} created_at, updated_at, disabled_at)
   VALUES ('${id}', '${id}', '${id}', 'hash', '[]',${isAdmin && ` ${isAdmin},`} ${NOW}, ${NOW}, NULL)`;
const INSERT_SESSION = (table: string, id: string, salt: string) =>
  `INSERT INTO ${table} (id, subject, client_id, salt, confirmed, pending_from, pending_to, rotated_at, created_at, auth_time, expires_at)
   VALUES (${id}, '${USER_ID}', 'first-party', ${salt}, 0, 1, 1, ${NOW}, ${NOW}, ${NOW}, ${NOW + DAY})`;
const ROTATE = (table: string) =>
  `UPDATE ${table} SET confirmed = 2, pending_from = 3, pending_to = 3, rotated_at = ${NOW + 9} WHERE revoked_at IS NULL`;

type OldAct = "rotate" | "new password" | "disable" | "enable" | "new user";

const SET_DISABLED = (table: string, at: string) =>
  `UPDATE ${table} SET disabled_at = ${at}, updated_at = ${NOW} WHERE id = '${USER_ID}'`;

/** What both databases must do, whatever the older process is. */
async function serveSideBySide(store: Store, older: (act: OldAct) => Promise<unknown>) {
  expect(await store.findUser(USER_ID)).toMatchObject({ credentialsVersion: 1, passwordHash: "hash" });
  const found = await store.findSession(SESSION_ID);
  expect(found).toMatchObject({ usedBefore: null, lastIp: null, lastUserAgent: null, jkt: null });

  const use = { usedBefore: NOW - 1, lastIp: "192.0.2.1", lastUserAgent: "curl" };
  const rotation = { confirmed: 1, pendingFrom: 2, pendingTo: 2, rotatedAt: NOW + 5, reuseForgivenAt: NOW + 4 };
  await store.changeSessions([SESSION_ID], () => ({ rotation, use }));
  await older("rotate");
  expect(await store.findSession(SESSION_ID)).toMatchObject({
    ...use,
    rotation: { confirmed: 2, pendingFrom: 3, pendingTo: 3, rotatedAt: NOW + 9, reuseForgivenAt: NOW + 4 },
  });

  await older("new password");
  expect(await store.findUser(USER_ID)).toMatchObject({ passwordHash: "changed", credentialsVersion: 2 });
  const opens = async (credentialsVersion: number) =>
    (await store.createSessions([proved(newSession({ subject: USER_ID }), { credentialsVersion })]))[0]?.created;
  expect([await opens(1), await opens(2)], "a proof of the old password, and of the new one").toEqual([false, true]);
  await older("disable");
  expect(await opens(3), "a proof of a disabled user").toBe(false);
  await older("enable");
  expect([await opens(2), await opens(4)], "a proof of before the disabling, and of after it").toEqual([false, true]);

  await older("new user");
  expect(await store.findUser("new")).toMatchObject({ credentialsVersion: 1 });
  expect(await store.createUser(newUser())).not.toBeNull();
  expect(await store.createSessions([vouched(newSession())])).toEqual([{ created: true, evicted: [] }]);
  await store.check();
}

describe("a process of version 0.1 beside one of this version on SQLite", () => {
  it("continues on its open connection, and its rotations and new passwords count", async () => {
    const path = newPath();
    const old = new Libsql(path);
    onTestFinished(() => void old.close());
    const known = sqliteMigrations.slice(0, 4);
    old.exec("PRAGMA journal_mode = WAL");
    for (const { sql } of known) old.exec(sql);
    old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${known.length}`);
    old.exec(INSERT_USER("users", "", USER_ID));
    old.exec(INSERT_SESSION("sessions", `x'${HEX}'`, "zeroblob(16)"));
    const rotate = old.prepare(ROTATE("sessions"));

    const store = await createSqliteStore(path);
    onTestFinished(() => store.close());
    await serveSideBySide(store, async (act) => {
      if (act === "rotate") rotate.run();
      if (act === "new password") old.exec("UPDATE users SET password_hash = 'changed' WHERE password_hash = 'hash'");
      if (act === "disable") old.exec(SET_DISABLED("users", `${NOW}`));
      if (act === "enable") old.exec(SET_DISABLED("users", "NULL"));
      if (act === "new user") old.exec(INSERT_USER("users", "", "new"));
    });
    // Its readiness check refuses a greater number.
    expect(old.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: known.length });
    const salts = old.prepare("SELECT DISTINCT hex(credentials_salt) AS salt FROM users").all() as { salt: string }[];
    expect(salts.map(({ salt }) => salt.length)).toEqual([32, 32, 32]);
    expect(old.prepare("SELECT seconds FROM access_lifetimes").all()).toEqual([{ seconds: 86_400 }]);
  });
});

describe("a process of version 0.1 beside one of this version on PostgreSQL", () => {
  const world = postgresWorld();

  it("continues, and its rotations and new passwords count", async () => {
    await world.sql(`CREATE SCHEMA latchkey; ${postgresMigrations[0]!.sql}
      UPDATE latchkey.schema_version SET version = 1, works_from = 1;
      ${INSERT_USER("latchkey.users", "false", USER_ID)};
      ${INSERT_SESSION("latchkey.sessions", `'\\x${HEX}'`, "uuid_send(gen_random_uuid())")}`);
    const store = await world.open();
    await serveSideBySide(store, async (act) => {
      if (act === "rotate") await world.sql(ROTATE("latchkey.sessions"));
      if (act === "new password")
        await world.sql("UPDATE latchkey.users SET password_hash = 'changed' WHERE password_hash = 'hash'");
      if (act === "disable") await world.sql(SET_DISABLED("latchkey.users", `${NOW}`));
      if (act === "enable") await world.sql(SET_DISABLED("latchkey.users", "NULL"));
      if (act === "new user") await world.sql(INSERT_USER("latchkey.users", "false", "new"));
    });
    expect(await world.sql("SELECT works_from FROM latchkey.schema_version")).toEqual([{ works_from: 1 }]);
    const salts = await world.sql(
      "SELECT DISTINCT length(credentials_salt) AS length, count(*)::int FROM latchkey.users GROUP BY 1",
    );
    expect(salts).toEqual([{ length: 16, count: 3 }]);
    expect(await world.sql("SELECT seconds FROM latchkey.access_lifetimes")).toEqual([{ seconds: 86_400 }]);
  });
});
