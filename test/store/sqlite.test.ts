import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import Libsql from "libsql";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { openSqliteDatabase } from "../../src/store/sqlite/open.ts";
import { createRunner } from "../../src/store/sqlite/retry.ts";
import { APPLICATION_ID, migrations } from "../../src/store/sqlite/schema.ts";
import { createSqliteStore, type SqliteStoreOptions } from "../../src/store/sqlite/sqlite.ts";
import { newPath } from "../support/places.ts";
import { NOW, newClient, newSession, newUser, vouched } from "../support/records.ts";
import { describeStoreContract } from "./contract.ts";

describeStoreContract("SQLite in a file", async () => {
  const path = newPath();
  return { open: () => createSqliteStore(path), remove: async () => {} };
});

async function openStore(path: string, options?: SqliteStoreOptions) {
  const store = await createSqliteStore(path, options);
  onTestFinished(() => store.close());
  return store;
}

function rows(path: string, sql: string): unknown[] {
  const connection = new Libsql(path);
  try {
    return connection.prepare(sql).all();
  } finally {
    connection.close();
  }
}

describe("a new SQLite store", () => {
  it.each(["000", "022", "777"])("makes its files readable by their owner alone under the umask %s", async (mask) => {
    const path = newPath();
    const before = process.umask(Number.parseInt(mask, 8));
    try {
      const store = await openStore(path);
      await store.createUser(newUser());
    } finally {
      process.umask(before);
    }
    const files = readdirSync(dirname(path));
    expect(files.toSorted()).toEqual(["latchkey.db", "latchkey.db-shm", "latchkey.db-wal"]);
    for (const file of files) expect(statSync(`${dirname(path)}/${file}`).mode & 0o777).toBe(0o600);
  });

  it("is marked as Latchkey's, is at the newest version, logs ahead, and has only strict tables", async () => {
    const path = newPath();
    await openStore(path);
    expect(rows(path, "PRAGMA application_id")).toEqual([{ application_id: APPLICATION_ID }]);
    expect(rows(path, "PRAGMA user_version")).toEqual([{ user_version: migrations.at(-1)!.worksFrom }]);
    expect(rows(path, "SELECT version FROM schema_version")).toEqual([{ version: migrations.length }]);
    expect(rows(path, "PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }]);
    expect(rows(path, "SELECT name FROM pragma_table_list WHERE NOT strict AND name NOT LIKE 'sqlite_%'")).toEqual([]);
    expect(rows(path, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
  });

  it("waits at every commit until the disk has it, and never inside SQLite for a lock", async () => {
    const path = newPath();
    const run = createRunner({ place: path, lockTimeoutSeconds: 1, random: systemEnvironment.random });
    const database = await openSqliteDatabase(path, run);
    onTestFinished(() => database.close());
    const FULL = 2;
    expect(database.pragma("synchronous")).toBe(FULL);
    expect(database.pragma("busy_timeout")).toBe(0);
  });

  it("has no index on a column that a rotation changes", async () => {
    const path = newPath();
    await openStore(path);
    const indexed = rows(
      path,
      "SELECT DISTINCT c.name FROM pragma_index_list('sessions') i, pragma_index_info(i.name) c ORDER BY c.name",
    );
    expect(indexed).toEqual(
      ["client_id", "created_at", "expires_at", "id", "revoked_at", "subject"].map((name) => ({ name })),
    );
  });

  it("finds a client's sessions by an index in which no first-party session stands", async () => {
    const path = newPath();
    await openStore(path);
    const plan = rows(
      path,
      "EXPLAIN QUERY PLAN SELECT 1 FROM sessions WHERE client_id = ? AND client_id <> 'first-party' AND revoked_at IS NULL",
    );
    expect(plan).toMatchObject([{ detail: expect.stringContaining("USING INDEX sessions_by_client") }]);
  });

  it("logs ahead again where someone has changed that", async () => {
    const [closed, path] = [newPath(), newPath()];
    await (await createSqliteStore(closed)).close();
    // A copy, because libsql has not let go of the file until its statements have been collected.
    copyFileSync(closed, path);
    expect(rows(path, "PRAGMA journal_mode = DELETE")).toEqual([{ journal_mode: "delete" }]);
    await openStore(path);
    expect(rows(path, "PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }]);
  });

  it("is brought from version 1 to the newest with every user and session in it", async () => {
    const path = newPath();
    const old = new Libsql(path);
    old.exec(migrations[0]!.sql);
    old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1;
      INSERT INTO users VALUES ('u', 'Ada', 'ada', 'hash', '[]', 1, 1, NULL);
      INSERT INTO sessions (id, subject, client_id, salt, confirmed, pending_from, pending_to, rotated_at, created_at, auth_time, expires_at)
      VALUES (zeroblob(16), 'u', 'first-party', zeroblob(16), 0, 1, 1, ${NOW}, ${NOW}, ${NOW}, ${NOW + 1000})`);
    old.close();
    const store = await openStore(path);
    expect(rows(path, "SELECT version FROM schema_version")).toEqual([{ version: migrations.length }]);
    expect((await store.findUser("u"))?.username).toBe("Ada");
    expect(await store.listLiveSessions(NOW, 10)).toMatchObject([
      { id: "A".repeat(22), clientId: "first-party", jkt: null },
    ]);
    await store.createClient(newClient());
    expect(await store.listClients("", 10)).toHaveLength(1);
  });

  it("numbers the log of revocations onwards even after the log was emptied", async () => {
    const path = newPath();
    const store = await openStore(path);
    const [first, second] = [newSession(), newSession()];
    await store.createSessions([vouched(first), vouched(second)]);
    await store.revokeSessions([first.id], { at: NOW, reason: "logout" });
    rows(path, "DELETE FROM revocations");
    await store.revokeSessions([second.id], { at: NOW, reason: "logout" });
    expect(await store.listRevocations(0, 0, 10)).toEqual([{ sequence: 2, sessionId: second.id, at: NOW }]);
  });

  it("takes an empty file that is already there", async () => {
    const path = newPath();
    writeFileSync(path, "");
    const store = await openStore(path);
    await store.check();
  });

  it("may be opened by eight at once, who then share it", async () => {
    const path = newPath();
    const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(path)));
    const user = newUser();
    await stores[0]?.createUser(user);
    for (const store of stores) expect(await store.findUser(user.id)).toStrictEqual(user);
  });

  it("is whole in its one file after it was closed", async () => {
    const path = newPath();
    const store = await createSqliteStore(path);
    const user = newUser();
    await store.createUser(user);
    await store.close();
    for (const suffix of ["-wal", "-shm"]) unlinkSync(path + suffix);
    expect(await (await openStore(path)).findUser(user.id)).toStrictEqual(user);
  });

  it("says where it is", async () => {
    const path = newPath();
    expect((await openStore(path)).description).toBe(`sqlite:${path}`);
    expect((await openStore(":memory:")).description).toBe("sqlite::memory:");
  });

  it.each(["a b.db", "file:x.db?mode=memory", "http:x", "ü%41#?.db"])(
    "takes the file name %s as it is",
    async (name) => {
      const path = `${dirname(newPath())}/${name}`;
      const before = process.cwd();
      process.chdir(dirname(path));
      try {
        await (await createSqliteStore(name)).close();
      } finally {
        process.chdir(before);
      }
      expect(readdirSync(dirname(path))).toContain(name);
    },
  );
});

describe("a SQLite store in memory", () => {
  it("works, apart from any other in memory", async () => {
    const [one, two] = [await openStore(":memory:"), await openStore(":memory:")];
    const session = newSession();
    await one.createSessions([vouched(session)]);
    await one.check();
    expect(await one.findSession(session.id)).toStrictEqual(session);
    expect(await two.findSession(session.id)).toBeNull();
  });
});

describe("createSqliteStore", () => {
  it.each([
    ["a path that is empty", "", {}, /path/],
    ["a path with U+0000", "a\0b", {}, /path/],
    ["an option it does not have", ":memory:", { lockTimeout: 1 }, /'lockTimeout'.*lockTimeoutSeconds/],
    ["a lock timeout below zero", ":memory:", { lockTimeoutSeconds: -1 }, /lockTimeoutSeconds/],
    ["a lock timeout that is no number", ":memory:", { lockTimeoutSeconds: Number.NaN }, /lockTimeoutSeconds/],
    ["a lock timeout without end", ":memory:", { lockTimeoutSeconds: Number.POSITIVE_INFINITY }, /lockTimeoutSeconds/],
  ])("refuses %s with a TypeError", async (_, path, options, message) => {
    const opening = createSqliteStore(path, options as SqliteStoreOptions);
    await expect(opening).rejects.toThrow(TypeError);
    await expect(opening).rejects.toThrow(message);
  });
});

/** Takes the lock, writes without committing, says so, and stays. */
const holdLock = `
  const [libsql, path] = process.argv.slice(1);
  const connection = new (require(libsql))(path);
  connection.exec("BEGIN IMMEDIATE; UPDATE sessions SET revoked_at = 1, revoked_for = 'logout'");
  console.log("locked");
  setInterval(() => connection.inTransaction, 1000);
`;

describe("a lock that another connection holds", () => {
  function lock(path: string): Libsql.Database {
    const holder = new Libsql(path);
    holder.exec("BEGIN IMMEDIATE");
    onTestFinished(() => {
      holder.close();
    });
    return holder;
  }

  it("is waited for while the event loop goes on, so that a holder in this very process can let it go", async () => {
    const path = newPath();
    const store = await openStore(path);
    const session = newSession();
    const holder = lock(path);
    const acts = [
      store.createSessions([vouched(session)]),
      store.check(),
      store.revokeSessions([session.id], { at: NOW, reason: "logout" }),
    ];
    setTimeout(() => holder.exec("COMMIT"), 30);
    await Promise.all(acts);
    expect((await store.findSession(session.id))?.id).toBe(session.id);
  });

  it("is waited for when another process holds it, and freed with nothing written when that process is ended by force", async () => {
    const path = newPath();
    const store = await openStore(path);
    const [session, user] = [newSession(), newUser()];
    await store.createSessions([vouched(session)]);
    const holder = spawn(process.execPath, ["-e", holdLock, createRequire(import.meta.url).resolve("libsql"), path]);
    await once(holder.stdout, "data");
    await expect(createSqliteStore(path, { lockTimeoutSeconds: 0.05 })).rejects.toMatchObject({
      code: "store_unavailable",
    });
    const act = store.createUser(user);
    holder.kill("SIGKILL");
    expect(await act).toStrictEqual(user);
    expect(await store.findSession(session.id)).toStrictEqual(session);
  });

  it("is waited for in the same way when the store is opened", async () => {
    const path = newPath();
    const session = newSession();
    await (await openStore(path)).createSessions([vouched(session)]);
    const holder = lock(path);
    setTimeout(() => holder.exec("COMMIT"), 30);
    expect(await (await openStore(path)).findSession(session.id)).toStrictEqual(session);
  });

  it("makes every writing act reject with store_unavailable after the bound, with nothing written, while reading goes on", async () => {
    const path = newPath();
    const store = await openStore(path, { lockTimeoutSeconds: 0.05 });
    const [session, user] = [newSession(), newUser()];
    await store.createSessions([vouched(session)]);
    await store.createUser(user);
    const before = { ...store.statistics };
    const holder = lock(path);
    let decided = 0;
    const acts = [
      store.createSessions([vouched(newSession())]),
      store.changeSessions([session.id], () => {
        decided++;
        return null;
      }),
      store.revokeSessions([session.id], { at: NOW, reason: "logout" }),
      store.createUser(newUser()),
      store.disableUser(user.id, NOW),
      store.replaceSigningKeys(0, []),
      store.check(),
    ];
    for (const act of await Promise.allSettled(acts)) {
      expect(act).toMatchObject({
        status: "rejected",
        reason: {
          code: "store_unavailable",
          retryAfterSeconds: 1,
          detail: expect.stringMatching(/lock on .*latchkey\.db.*End that process/),
          cause: { code: "SQLITE_BUSY" },
        },
      });
    }
    expect(decided).toBe(0);
    expect(store.statistics).toEqual(before);
    expect(await store.findSession(session.id)).toStrictEqual(session);
    expect(await store.findUser(user.id)).toStrictEqual(user);
    holder.exec("COMMIT");
    expect(await store.revokeSessions([session.id], { at: NOW, reason: "logout" })).toEqual([session.id]);
  });

  it("makes opening reject with store_unavailable after the bound", async () => {
    const path = newPath();
    await openStore(path);
    lock(path);
    await expect(createSqliteStore(path, { lockTimeoutSeconds: 0.05 })).rejects.toMatchObject({
      code: "store_unavailable",
      detail: expect.stringMatching(/lock on .*latchkey\.db/),
    });
  });

  it("is tried for in pauses that chance makes differ, so that two who wait do not meet again and again", async () => {
    const path = newPath();
    await openStore(path);
    let asked = 0;
    const random = {
      bytes: (length: number) => {
        asked++;
        return systemEnvironment.random.bytes(length);
      },
    };
    const store = await openStore(path, { lockTimeoutSeconds: 0.05, environment: { ...systemEnvironment, random } });
    lock(path);
    await expect(store.check()).rejects.toMatchObject({ code: "store_unavailable" });
    expect(asked).toBeGreaterThan(2);
  });
});
