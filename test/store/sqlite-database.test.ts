import { describe, expect, it, onTestFinished } from "vitest";
import { type Parameter, SqliteDatabase } from "../../src/store/sqlite/database.ts";
import { newPath } from "../support/places.ts";

const bindable = /integers .* bytes, null, and text/;

function openTable(): SqliteDatabase {
  const database = new SqliteDatabase(":memory:");
  database.execute("CREATE TABLE things (number INTEGER UNIQUE, words TEXT, bytes BLOB) STRICT");
  return database;
}

describe("the layer over libsql", () => {
  it.each<[string, unknown, RegExp]>([
    ["a boolean, at which libsql aborts the process", true, bindable],
    ["undefined, which libsql stores as null", undefined, bindable],
    ["NaN, which libsql stores as null", Number.NaN, bindable],
    ["a fraction", 1.5, bindable],
    ["a number past 2^53", 2 ** 53, bindable],
    ["Infinity", Number.POSITIVE_INFINITY, bindable],
    ["a bigint", 1n, bindable],
    ["an object", {}, bindable],
    ["a list", [1], bindable],
    ["a date", new Date(0), bindable],
    ["text with U+0000, which libsql cuts short when it reads it", "a\0b", bindable],
    ["text with a lone surrogate, which becomes another character", "\ud800", bindable],
  ])("refuses to bind %s", (_, value, message) => {
    const database = openTable();
    const insert = database.command<[unknown: Parameter]>("INSERT INTO things (number) VALUES (?)");
    expect(() => insert.run(value as Parameter)).toThrow(TypeError);
    expect(() => insert.run(value as Parameter)).toThrow(message);
  });

  it("refuses too few and too many parameters, which libsql fills with null or drops", () => {
    const database = openTable();
    const insert = database.command("INSERT INTO things (number, words) VALUES (?, ?)");
    expect(() => insert.run(1)).toThrow("has 2 parameters, not 1");
    expect(() => insert.run(1, "a", null)).toThrow("has 2 parameters, not 3");
  });

  it("binds one Buffer alone, at which libsql aborts the process when it is not in a list", () => {
    const database = openTable();
    database.command("INSERT INTO things (bytes) VALUES (?)").run(Buffer.from([1, 2]));
    const find = database.query<[bytes: Uint8Array], string>("json_quote(hex(bytes))", "FROM things WHERE bytes = ?");
    expect(find.first(Buffer.from([1, 2]))).toBe("0102");
  });

  it("reads text that is not UTF-8, at which libsql aborts the process", () => {
    const database = openTable();
    database.execute("INSERT INTO things (words) VALUES (CAST(x'41ff42' AS TEXT))");
    const find = database.query<[], string>("json_quote(words)", "FROM things");
    expect(find.first()).toBe("A\ufffdB");
    expect(find.all()).toEqual(["A\ufffdB"]);
  });

  it("gives more rows than libsql fetches at once", () => {
    const database = openTable();
    const insert = database.command<[number: number]>("INSERT INTO things (number) VALUES (?)");
    for (let number = 0; number < 250; number++) insert.run(number);
    const list = database.query<[], number>("number", "FROM things ORDER BY number");
    expect(list.all()).toEqual(Array.from({ length: 250 }, (_, index) => index));
  });

  it("is in no transaction after one failed, whether the work, a statement or the commit failed", () => {
    const database = openTable();
    database.execute(
      "CREATE TABLE parts (thing INTEGER REFERENCES things (number) DEFERRABLE INITIALLY DEFERRED) STRICT",
    );
    const insert = database.command<[number: number]>("INSERT INTO things (number) VALUES (?)");
    const count = database.query<[], number>("count(*)", "FROM things");
    const work = () => {
      insert.run(1);
      throw new Error("the work");
    };
    expect(() => database.transaction(work)).toThrow("the work");
    const statement = () => {
      insert.run(1);
      insert.run(1);
    };
    expect(() => database.transaction(statement)).toThrow("UNIQUE");
    const commit = () => {
      insert.run(1);
      database.execute("INSERT INTO parts (thing) VALUES (2)");
    };
    expect(() => database.transaction(commit)).toThrow("FOREIGN KEY");
    expect(count.first()).toBe(0);
    expect(database.transaction(() => insert.run(1))).toBe(1);
    expect(count.first()).toBe(1);
  });

  it("goes on while a commit aside is in flight, runs what waits for it one after the other, and loses none of it", async () => {
    const database = new SqliteDatabase(newPath());
    onTestFinished(() => database.close());
    database.execute("PRAGMA journal_mode = WAL; CREATE TABLE things (number INTEGER UNIQUE) STRICT");
    const insert = database.command<[number: number]>("INSERT INTO things (number) VALUES (?)");
    const count = database.query<[], number>("count(*)", "FROM things");
    const begun: string[] = [];
    const add = (number: number) =>
      database.whenFree(() =>
        database.transactionAside(() => {
          begun.push(`add ${number}`);
          return insert.run(number);
        }),
      );
    const acts = [add(1), add(2), database.whenFree(() => begun.push(`read ${count.first()}`)), add(3)];
    expect(begun).toEqual(["add 1"]);
    await Promise.all(acts);
    expect(begun).toEqual(["add 1", "add 2", "read 2", "add 3"]);
    expect(count.first()).toBe(3);
  });

  it("is in no transaction after one aside failed either, and whoever waits goes on", async () => {
    const database = openTable();
    database.execute(
      "CREATE TABLE parts (thing INTEGER REFERENCES things (number) DEFERRABLE INITIALLY DEFERRED) STRICT",
    );
    const insert = database.command<[number: number]>("INSERT INTO things (number) VALUES (?)");
    const work = () => {
      insert.run(1);
      throw new Error("the work");
    };
    const commit = () => {
      insert.run(1);
      database.execute("INSERT INTO parts (thing) VALUES (2)");
    };
    const aside = (act: () => unknown) => database.whenFree(() => database.transactionAside(act));
    const outcomes = await Promise.allSettled([aside(work), aside(commit), aside(() => insert.run(1))]);
    expect(outcomes).toMatchObject([
      { reason: { message: "the work" } },
      { reason: { name: "SqliteError", message: expect.stringContaining("FOREIGN KEY") } },
      { value: 1 },
    ]);
    expect(database.query<[], number>("count(*)", "FROM things").first()).toBe(1);
  });

  it("fails with an error once it is closed, at which libsql aborts the process", () => {
    const database = openTable();
    const count = database.query<[], number>("count(*)", "FROM things");
    database.close();
    database.close();
    expect(database.isOpen).toBe(false);
    expect(() => count.first()).toThrow("has been closed");
    expect(() => database.transaction(() => 1)).toThrow("has been closed");
    expect(() => database.pragma("user_version")).toThrow("has been closed");
  });
});
