import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCommand } from "../../src/server/program.ts";
import { createSqliteStore } from "../../src/store/sqlite.ts";
import { foreignHashes } from "../accounts/foreign-hashes.ts";
import { temporaryFolder } from "./in-process.ts";

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

async function run(...command: readonly string[]) {
  let [stdout, stderr] = ["", ""];
  const code = await runCommand(command, {
    input: Readable.from([]),
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
    ["Line 3: it has a field that is none of id, username", line({ id: "9", username: "bob", password: "hunter2" })],
    [
      "Line 3: The user cannot be imported: the password hash",
      line({ id: "9", username: "bob", password_hash: "hunter2" }),
    ],
    ["Line 3: The user cannot be imported: 'id'", line({ id: 9, username: "bob" })],
    ["Line 3: The user cannot be imported: the time", line({ id: "9", username: "bob", created_at: "yesterday" })],
    ["Line 3: A username may not hold spaces", line({ id: "9", username: "bob b" })],
    ["Line 3: the id is that of line 1", line({ username: "bob" })],
    ["Line 3: the username is that of line 1", line({ id: "9", username: "ADA" })],
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
      "2 users could not be imported: line 2: the id is another user's; line 3: the username is",
    );
    expect((await users()).map(({ username }) => username)).toEqual(["ada", "eve"]);
  });

  it("of a file that is not there says so", async () => {
    const { code, stderr } = await run("user", "import", join(folder, "none.jsonl"));
    expect(code).toBe(1);
    expect(stderr).toContain("cannot be read (ENOENT)");
  });
});
