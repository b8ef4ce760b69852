import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import Libsql from "libsql";
import { describe, expect, it, onTestFinished } from "vitest";
import { APPLICATION_ID, migrations } from "../../src/store/sqlite/schema.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { mountTmpfs, newDirectory, newPath, notPossible } from "../support/places.ts";
import { NOW, newSession, newUser, vouched } from "../support/records.ts";

/** Expects that opening is refused with a cause and a remedy for the operator, and a public text that names no path. */
async function expectRefusal(path: string, code: string, detail: RegExp): Promise<void> {
  const refusal = await createSqliteStore(path, { lockTimeoutSeconds: 0.05 }).then(
    () => "it was opened",
    (error) => error,
  );
  expect(refusal).toMatchObject({ code, detail: expect.stringMatching(detail) });
  expect(refusal.detail).toContain(path);
  expect(refusal.description).not.toContain(dirname(path));
}

/** A database of Latchkey's with a few hundred sessions in it, whole in its one file. */
async function newDatabase(path = newPath()): Promise<string> {
  const store = await createSqliteStore(path);
  await store.createUser(newUser());
  await store.createSessions(Array.from({ length: 300 }, () => vouched(newSession({ device: "d".repeat(200) }))));
  await store.close();
  for (const suffix of ["-wal", "-shm"]) unlinkSync(path + suffix);
  return path;
}

function overwrite(path: string, position: number, bytes: Uint8Array): void {
  writeSync(openSync(path, "r+"), bytes, 0, bytes.length, position);
}

function changeByOthers(path: string, sql: string): void {
  const connection = new Libsql(path);
  connection.exec(sql);
  connection.close();
}

describe("a path that cannot be a database is refused with its cause and remedy", () => {
  it("when its directory does not exist", async () => {
    await expectRefusal(
      join(newDirectory(), "missing", "latchkey.db"),
      "store_unusable",
      /its directory does not exist.*Create the directory/,
    );
  });

  it("when a part of it is a file", async () => {
    const path = newPath();
    writeFileSync(path, "");
    await expect(createSqliteStore(join(path, "latchkey.db"))).rejects.toMatchObject({
      code: "store_unusable",
      detail: expect.stringMatching(/its directory does not exist.*Create the directory/),
    });
  });

  it("when it is a directory", async () => {
    const path = newPath();
    mkdirSync(path);
    await expectRefusal(path, "store_unusable", /not a file but a directory.*Name a file/);
  });

  it("when it is a link that leads nowhere", async () => {
    const path = newPath();
    symlinkSync(join(newDirectory(), "gone", "latchkey.db"), path);
    await expectRefusal(path, "store_unusable", /a broken link.*correct the path/);
  });

  it("when its file system is read-only, for a database that is there and for one that is not", async (test) => {
    const directory = mountTmpfs(test, "1m");
    const path = join(directory, "latchkey.db");
    copyFileSync(await newDatabase(), path);
    expect(spawnSync("mount", ["-o", "remount,ro", directory]).status).toBe(0);
    await expectRefusal(path, "store_unusable", /read-only file system\. Mount it writable/);
    await expectRefusal(join(directory, "other.db"), "store_unusable", /read-only file system\. Mount it writable/);
  });

  it("when the user may not read and write it, or may not write in its directory", async (test) => {
    if (process.seteuid === undefined || process.geteuid?.() !== 0) {
      notPossible(test, "only root can become a user without permissions, and this is another user");
    }
    const path = await newDatabase();
    const directory = dirname(path);
    process.seteuid(65_534);
    onTestFinished(() => process.seteuid?.(0));
    await expectRefusal(
      path,
      "store_unusable",
      /user that runs Latchkey may not read and write .*Make that user the owner/,
    );
    await expectRefusal(
      join(directory, "other.db"),
      "store_unusable",
      /user that runs Latchkey may not read and write/,
    );
    process.seteuid(0);
    spawnSync("chmod", ["755", directory]);
    spawnSync("chmod", ["666", path]);
    process.seteuid(65_534);
    // access(2) asks for the real user, who is still root, so that here SQLite itself finds out.
    await expectRefusal(path, "store_unavailable", /cannot be written.*write permission on file and directory/);
  });
});

describe("a file that is no good database is refused and left as it is", () => {
  it.each([
    ["text", Buffer.from("this is not a database\n".repeat(500))],
    ["zeros", Buffer.alloc(8192)],
    ["a few bytes", Buffer.from("xyz")],
    ["a database's beginning and nothing after it", Buffer.from("SQLite format 3\0")],
  ])("when it is %s", async (_, bytes) => {
    const path = newPath();
    writeFileSync(path, bytes);
    await expectRefusal(path, "store_unusable", /not a SQLite database\. Name another file, or restore a backup/);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it.each([
    ["with tables and no mark", "CREATE TABLE customers (name TEXT)"],
    ["with tables and a version", "CREATE TABLE sessions (id BLOB); PRAGMA user_version = 1"],
    ["with another mark and no tables", "PRAGMA application_id = 252006674"],
    [
      "with another mark and our version",
      `PRAGMA application_id = 252006674; PRAGMA user_version = ${migrations.length}`,
    ],
    [
      "which logs ahead",
      "PRAGMA journal_mode = WAL; CREATE TABLE customers (name TEXT); PRAGMA wal_checkpoint(TRUNCATE)",
    ],
  ])("when it is the database of another application %s", async (_, sql) => {
    const path = newPath();
    changeByOthers(path, sql);
    const before = readFileSync(path);
    await expectRefusal(path, "store_unusable", /not one of Latchkey's.*not changed.*Name another file/);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("when a newer Latchkey has written it, naming both versions", async () => {
    const path = await newDatabase();
    const newer = migrations.length + 6;
    changeByOthers(path, `PRAGMA user_version = ${newer}`);
    const detail = new RegExp(
      `needs .* version ${newer}; .* up to ${migrations.length}\\. Upgrade Latchkey, or restore the backup`,
    );
    await expectRefusal(path, "store_unusable", detail);
    expect(new Libsql(path).pragma("user_version")).toEqual([{ user_version: newer }]);
  });

  it("when it is cut short", async () => {
    const path = await newDatabase();
    truncateSync(path, 20_000);
    await expectRefusal(path, "store_unusable", /damaged.*restore a backup/);
  });

  it.each([1, 3, 8, 20])("when page %i of it is overwritten", async (page) => {
    const path = await newDatabase();
    overwrite(path, page * 4096, Buffer.alloc(4096, 0xa5));
    await expectRefusal(path, "store_unusable", /damaged.*restore a backup/);
  });

  it("when a table is missing", async () => {
    const path = await newDatabase();
    changeByOthers(path, "DROP TABLE users");
    await expectRefusal(path, "store_unusable", /tables are damaged, or differ from those that this version/);
  });

  it("when its beginning is whole and its mark is ours, but it holds no tables", async () => {
    const path = newPath();
    changeByOthers(path, `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migrations.length}`);
    await expectRefusal(path, "store_unusable", /tables are damaged, or differ from those that this version/);
  });
});

describe("a database that goes bad while it is open", () => {
  it("is reported as damaged by the act that meets the damage", async () => {
    const path = await newDatabase();
    const store = await createSqliteStore(path);
    onTestFinished(() => store.close());
    const sessions = await store.listLiveSessions(NOW, 1000);
    for (let page = 2; page < 40; page++) overwrite(path, page * 4096, Buffer.alloc(4096, 0xa5));
    // What this connection has read before stays in its memory until another one writes.
    changeByOthers(path, `PRAGMA user_version = ${migrations.length}`);
    const acts = [
      ...sessions.slice(0, 20).map(({ id }) => store.findSession(id)),
      store.changeSessions(
        [sessions[0]?.id ?? ""],
        (_, found) => found && { revocation: { at: NOW, reason: "logout" } },
      ),
      store.listLiveSessions(NOW, 1000),
    ];
    for (const act of await Promise.allSettled(acts)) {
      expect(act).toMatchObject({
        status: "rejected",
        reason: { code: "store_unusable", detail: expect.stringMatching(/damaged.*restore a backup/) },
      });
    }
  });

  it("gives a session whose text is no longer UTF-8, and goes on", async () => {
    const path = newPath();
    const store = await createSqliteStore(path);
    onTestFinished(() => store.close());
    const session = newSession();
    await store.createSessions([vouched(session)]);
    changeByOthers(path, "UPDATE sessions SET device = CAST(x'41ff' AS TEXT)");
    expect(await store.findSession(session.id)).toStrictEqual({ ...session, device: "A\ufffd" });
  });

  it("is reported by a check when a newer Latchkey has changed it", async () => {
    const path = newPath();
    const store = await createSqliteStore(path);
    onTestFinished(() => store.close());
    changeByOthers(path, `PRAGMA user_version = ${migrations.length + 1}`);
    await expect(store.check()).rejects.toMatchObject({
      code: "store_unusable",
      detail: expect.stringMatching(/Upgrade Latchkey/),
    });
  });

  it.each([
    ["deleted", (path: string) => unlinkSync(path)],
    ["replaced by a backup", (path: string) => renameSync(`${path}.backup`, path)],
  ])("is reported by a check when its file was %s", async (_, change) => {
    const path = await newDatabase();
    copyFileSync(path, `${path}.backup`);
    const store = await createSqliteStore(path);
    onTestFinished(() => store.close());
    await store.check();
    change(path);
    await expect(store.check()).rejects.toMatchObject({
      code: "store_unusable",
      detail: expect.stringMatching(/deleted or replaced while it was open.*Stop Latchkey/),
    });
  });
});
