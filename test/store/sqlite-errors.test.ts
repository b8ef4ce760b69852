import Libsql from "libsql";
import { describe, expect, it } from "vitest";
import { LatchkeyError } from "../../src/errors.ts";
import { isLocked, toStoreError } from "../../src/store/sqlite/errors.ts";

/** Runs statements until one fails, and gives the error of the real SQLite. */
function failure(...statements: string[]): Error {
  const connection = new Libsql(":memory:");
  try {
    for (const sql of statements) connection.exec(sql);
  } catch (error) {
    return error as Error;
  }
  throw new Error("No statement failed.");
}

const place = "/var/lib/latchkey.db";
const table = "CREATE TABLE things (bytes BLOB)";

describe("what SQLite says becomes what the operator is told", () => {
  it.each([
    [
      "a full disk",
      failure("PRAGMA max_page_count = 3", table, "INSERT INTO things VALUES (zeroblob(99999))"),
      /is full.*Free/,
    ],
    [
      "a read-only database",
      failure(table, "PRAGMA query_only = ON", "DELETE FROM things"),
      /cannot be written.*Mount it writable/,
    ],
    [
      "a file that cannot be opened",
      failure("ATTACH '/missing/directory/x.db' AS x"),
      /could not be opened.*Check that the directory/,
    ],
    [
      "a failed write",
      new Libsql.SqliteError("disk I/O error", "SQLITE_IOERR_WRITE", 778),
      /may or may not be kept.*Check the disk/,
    ],
    ["too little memory", new Libsql.SqliteError("out of memory", "SQLITE_NOMEM", 7), /no memory left/],
    [
      "a lock",
      new Libsql.SqliteError("database is locked", "SQLITE_BUSY_RECOVERY", 261),
      /has held the lock.*End that process/,
    ],
  ])("%s: store_unavailable, with Retry-After and the cause", (_, error, detail) => {
    expect(toStoreError(error, place)).toMatchObject({
      code: "store_unavailable",
      detail: expect.stringMatching(detail),
      retryAfterSeconds: expect.any(Number),
      cause: error,
    });
  });

  it.each([
    ["a damaged file", new Libsql.SqliteError("malformed", "SQLITE_CORRUPT_INDEX", 779), /damaged.*restore a backup/],
    ["a file of another kind", new Libsql.SqliteError("not a database", "SQLITE_NOTADB", 26), /not a SQLite database/],
    ["a missing table", failure("SELECT * FROM things"), /tables are damaged, or differ/],
  ])("%s: store_unusable with the cause", (_, error, detail) => {
    const told = toStoreError(error, place);
    expect(told).toMatchObject({ code: "store_unusable", detail: expect.stringMatching(detail), cause: error });
    expect(told).not.toMatchObject({ retryAfterSeconds: expect.any(Number) });
  });

  it("a broken constraint, and whatever is not SQLite's, stays what it is", () => {
    const unique = failure("CREATE TABLE things (number INTEGER UNIQUE)", "INSERT INTO things VALUES (1), (1)");
    for (const error of [unique, new TypeError("a mistake"), new LatchkeyError("not_found"), "thrown", null]) {
      expect(toStoreError(error, place)).toBe(error);
    }
  });

  it("only a lock is worth trying again at once", () => {
    const tryAgain = (rawCode: number) => isLocked(new Libsql.SqliteError("", "", rawCode));
    expect([5, 6, 15, 261, 517].map(tryAgain)).toEqual([true, true, true, true, true]);
    expect([1, 8, 10, 11, 13, 14, 26].some(tryAgain)).toBe(false);
    expect(isLocked(new Error("database is locked"))).toBe(false);
  });
});
