import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCommand } from "../../src/server/command-line.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { foreignHashes } from "../support/foreign-hashes.ts";
import { temporaryFolder } from "../support/server-in-process.ts";
import { CLI } from "../support/server-process.ts";

const HASH = foreignHashes["Better Auth"]!;
let folder: string;
let database: string;
beforeEach(() => {
  folder = temporaryFolder();
  database = join(folder, "latchkey.db");
  vi.stubEnv("LATCHKEY_DATABASE_URL", `sqlite:${database}`);
});
afterEach(() => vi.unstubAllEnvs());

const line = (changes: object = {}) => JSON.stringify({ id: "7", username: "ada", password_hash: HASH, ...changes });

/** Imports a file of these lines. */
async function importFile(...lines: readonly string[]) {
  const file = join(folder, "users.jsonl");
  writeFileSync(file, lines.join("\n"));
  return run("user", "import", file);
}

/** Imports a file of these bytes. */
async function importBytes(bytes: Uint8Array) {
  const file = join(folder, "users.jsonl");
  writeFileSync(file, bytes);
  return run("user", "import", file);
}

const run = (...command: readonly string[]) => runWith([], ...command);

async function runWith(input: readonly (string | Buffer)[], ...command: readonly string[]) {
  let [stdout, stderr] = ["", ""];
  const code = await runCommand(command, {
    input: Readable.from(input),
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    outIsTerminal: false,
    outHasColours: false,
  });
  return { code, stdout, stderr };
}

async function users() {
  const store = await createSqliteStore(database);
  const all = await store.listUsers("", 10_000);
  await store.close();
  return all;
}

describe("latchkey user import", () => {
  it("creates the users of a file, and done again none", async () => {
    const file = [
      line({ roles: ["editor"], created_at: "2024-03-01T10:00:00Z" }),
      "",
      line({ id: "8", username: "eve", password_hash: null, disabled: true }),
    ];
    const imported = await importFile(...file, "");
    expect(imported).toMatchObject({ code: 0, stderr: "" });
    expect(imported.stdout).toContain("Imported 2 users into sqlite:");
    expect(await users()).toMatchObject([
      { id: "7", username: "ada", roles: ["editor"], createdAt: Date.UTC(2024, 2, 1, 10), disabledAt: null },
      { id: "8", username: "eve", roles: [], passwordHash: "!", disabledAt: expect.any(Number) },
    ]);
    const before = await users();
    expect((await importFile(...file)).stdout).toContain("Imported 0 users");
    expect(await users()).toStrictEqual(before);
  });

  it("takes 1,200 users, the last line without a line feed", async () => {
    const lines = Array.from({ length: 1200 }, (_, nth) => line({ id: `id-${nth}`, username: `user-${nth}` }));
    expect((await importFile(...lines)).stdout).toContain("Imported 1200 users");
    expect(await users()).toHaveLength(1200);
  });

  it.each([
    ["Line 3: it is not JSON", "{"],
    ["Line 3: it is not a JSON object", "[]"],
    ["Line 3: it has no 'password_hash'", '{"id":"9","username":"bob"}'],
    [
      "Line 3: it has an unknown field; the known ones are id, username",
      line({ id: "9", username: "bob", password: "hunter2" }),
    ],
    [
      "Line 3: The user cannot be imported: the format of the password hash is unknown",
      line({ id: "9", username: "bob", password_hash: "hunter2" }),
    ],
    ["Line 3: The user cannot be imported: 'id'", line({ id: 9, username: "bob" })],
    ["Line 3: The user cannot be imported: the time", line({ id: "9", username: "bob", created_at: "yesterday" })],
    ["Line 3: A username must not contain spaces", line({ id: "9", username: "bob b" })],
    ["Line 3: the id is the same as in line 1", line({ username: "bob" })],
    ["Line 3: the username is the same as in line 1", line({ id: "9", username: "ADA" })],
    ["Line 3: it is longer than 64 KiB", `"${"x".repeat(200_000)}"`],
  ])("names the line with a mistake, imports nobody and repeats no hash: %s", async (said, mistake) => {
    const { code, stdout, stderr } = await importFile(line(), line({ id: "8", username: "eve" }), mistake);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(said);
    expect(stderr).toContain("Nothing was imported.");
    expect(stderr).not.toMatch(/hunter2|[0-9a-f]{32}/);
    expect(await users()).toEqual([]);
  });

  it("imports all but those whose id or name is another's, says which lines, and exits with 1", async () => {
    await importFile(line());
    const { code, stdout, stderr } = await importFile(
      line({ id: "8", username: "eve" }),
      line({ username: "somebody" }),
      line({ id: "9" }),
    );
    expect(code).toBe(1);
    expect(stdout).toContain("Imported 1 user into");
    expect(stderr).toContain(
      "2 users could not be imported: line 2: the id belongs to another user; line 3: the username",
    );
    expect((await users()).map(({ username }) => username)).toEqual(["ada", "eve"]);
  });

  it("of a file that is not there says so", async () => {
    const { code, stderr } = await run("user", "import", join(folder, "none.jsonl"));
    expect(code).toBe(1);
    expect(stderr).toContain("cannot be read (ENOENT)");
  });
});

describe("what latchkey user import reads", () => {
  const shell = (script: string, ...input: readonly string[]) => {
    writeFileSync(join(folder, "users.jsonl"), `${input.join("\n")}\n`);
    return execFileSync("bash", ["-c", script], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, LATCHKEY: `${process.execPath} ${CLI}` },
    });
  };

  it.each([
    ["a pipe", "cat users.jsonl | $LATCHKEY user import -"],
    ["a pipe by its name", "cat users.jsonl | $LATCHKEY user import /dev/stdin"],
    ["a redirected file", "$LATCHKEY user import - < users.jsonl"],
    ["a process substitution", "$LATCHKEY user import <(cat users.jsonl)"],
    ["a FIFO", "mkfifo fifo; cat users.jsonl > fifo & $LATCHKEY user import fifo"],
  ])("may be %s", (_, script) => {
    const imported = shell(script, line(), line({ id: "8", username: "eve" }));
    expect(imported).toContain("Imported 2 users into sqlite:");
  });

  it("may come byte by byte, with a byte order mark and with line ends of Windows", async () => {
    const bytes = Buffer.from(`\ufeff${line()}\r\n${line({ id: "8", username: "ève" })}\r\n`);
    const single = [...bytes].map((byte) => Buffer.from([byte]));
    expect((await runWith(single, "user", "import", "-")).stdout).toContain("Imported 2 users");
    expect((await users()).map(({ username }) => username)).toEqual(["ada", "ève"]);
  });

  it.each([
    ["UTF-16", Buffer.from(`\ufeff${line()}`, "utf16le")],
    ["UTF-16", Buffer.from(`\ufeff${line()}`, "utf16le").swap16()],
    ["UTF-16", Buffer.from(line(), "utf16le")],
    ["UTF-32", Buffer.from([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0])],
    ["gzip", Buffer.from([0x1f, 0x8b, 8, 0])],
  ])("is refused by the name of its encoding: %s", async (encoding, bytes) => {
    const { code, stderr } = await importBytes(bytes);
    expect(code).toBe(1);
    expect(stderr).toContain(`is in ${encoding}, not in UTF-8`);
    expect(await users()).toEqual([]);
  });

  it("is refused by the line that is not UTF-8, rather than with another name", async () => {
    const latin1 = Buffer.from(`${line()}\n${line({ id: "8", username: "ève" })}\n`, "latin1");
    expect((await importBytes(latin1)).stderr).toContain("Line 2: it is not UTF-8");
    expect(await users()).toEqual([]);
  });

  it("is seen to be cut off within its last line, and nobody is imported", async () => {
    const whole = Buffer.from([0, 1, 2, 3].map((id) => `${line({ id: `${id}`, username: `user${id}` })}\n`).join(""));
    for (const missing of [2, 40, 120]) {
      const { code, stderr } = await importBytes(whole.subarray(0, whole.length - missing));
      expect(code).toBe(1);
      expect(stderr).toContain("Line 4: it is not JSON. The last line is incomplete: the file may be truncated.");
    }
    expect(await users()).toEqual([]);
    expect((await importBytes(whole.subarray(0, -1))).stdout).toContain("Imported 4 users");
  });

  it("has all its wrong lines named in one run: the first twenty, and how many more there are", async () => {
    const wrong = Array.from({ length: 40 }, (_, id) => line({ id: `${id}`, username: `user ${id}` }));
    const { code, stderr } = await importFile(
      line({ id: "good", username: "good" }),
      ...wrong,
      "{",
      `"${"x".repeat(70_000)}"`,
    );
    expect(code).toBe(1);
    expect(stderr).toContain("42 lines are wrong. Nothing was imported.");
    expect(stderr.match(/Line \d+: /g)).toEqual(Array.from({ length: 20 }, (_, nth) => `Line ${nth + 2}: `));
    expect(stderr).toContain("and 22 more");
    expect(await users()).toEqual([]);
  });

  it.each([
    ['{"id":"1","username":"a","username":"b","password_hash":null}', "username"],
    ['{"id":"1","\\u0069d":"2","username":"a","password_hash":null}', "id"],
    ['{"id":"1","username":"a\\"b","password_hash":null,"roles":[],"roles" : ["admin"]}', "roles"],
    ['{"password_hash":null,"id":"1","username":"a","password_hash":null}', "password_hash"],
  ])("is refused where a field comes twice: %s", async (text, name) => {
    expect((await importFile(text)).stderr).toContain(`Line 1: it has the field '${name}' twice`);
    expect(await users()).toEqual([]);
  });

  it("may have the name of a field as a value, and null for what is left out", async () => {
    const fields = { roles: ["username", "id"], created_at: null, disabled: null };
    expect((await importFile(line(fields), line({ id: "8", username: "eve", roles: null }))).code).toBe(0);
    expect(await users()).toMatchObject([{ roles: ["id", "username"], disabledAt: null }, { roles: [] }]);
  });

  it("says of people without a password that they cannot sign in with one yet", async () => {
    const imported = await importFile(line({ password_hash: null }), line({ id: "8", username: "eve" }));
    expect(imported.code).toBe(0);
    expect(imported.stdout).toContain("1 of them has no password and cannot sign in with one until");
  });

  it("names the family of a hash that cannot be verified here", async () => {
    const django = "pbkdf2_sha256$1000000$6lcI7W4XALI6sFfkBcJoJD$P8X0Nr7UeQn53as+ragkVhd51ujnCoQsXH6ertwhnaw=";
    const { stderr } = await importFile(line({ password_hash: django }));
    expect(stderr).toContain("the password hash is Django's PBKDF2");
    expect(stderr).not.toContain("6lcI7W4XALI6");
  });
});
