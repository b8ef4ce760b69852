import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { examine, examineNode } from "../../src/server/doctor.ts";
import { inspectDatabase } from "../../src/server/inspect-database.ts";
import { OLDEST_NODE } from "../../src/server/package-version.ts";
import { readConfig, type Variables } from "../../src/server/settings/config.ts";
import { createSecret } from "../../src/server/settings/secret-file.ts";
import { SqliteDatabase } from "../../src/store/sqlite/database.ts";
import { serve, temporaryFolder } from "../support/server-in-process.ts";
import { latchkey } from "../support/server-process.ts";

/** Findings as `subject state text`. */
async function examined(folder: string, variables: Variables = {}): Promise<readonly string[]> {
  const findings = await examine(
    readConfig({ LATCHKEY_PORT: "0", LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}`, ...variables }),
  );
  return findings.map(({ subject, state, text }) => `${subject} ${state} ${text}`);
}

/** A folder with a database and a secret that a server has used and left. */
async function usedFolder(): Promise<string> {
  const server = await serve();
  await server.signIn();
  await server.stop();
  return server.folder;
}

describe("the doctor", () => {
  it("says of an https issuer that no proxy is trusted, and of trusted ones which they are", async () => {
    const folder = temporaryFolder();
    const https = { LATCHKEY_ISSUER: "https://auth.example.com", LATCHKEY_SECRET: createSecret() };
    expect(await examined(folder, https)).toContainEqual(
      expect.stringMatching(/^proxies note LATCHKEY_TRUSTED_PROXIES is not set, and the issuer is https/),
    );
    expect(await examined(folder, { ...https, LATCHKEY_TRUSTED_PROXIES: "10.0.0.1" })).toContain(
      "proxies ok 10.0.0.1 are trusted",
    );
  });

  it("finds nothing wrong where nothing has been started yet, and makes nothing", async () => {
    const folder = temporaryFolder();
    const findings = await examined(folder);
    expect(findings).toEqual([
      `node ok ${process.versions.node}`,
      "configuration ok valid, for development",
      expect.stringMatching(/^database note .*the first start creates it/),
      expect.stringMatching(/^secret note the first start creates one/),
      expect.stringMatching(/^disk ok \d+ MiB free/),
      expect.stringMatching(/^issuer note/),
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("finds a used database whole, writable and at its version, and changes nothing in it", async () => {
    const folder = await usedFolder();
    const before = readdirSync(folder);
    const findings = await examined(folder);
    expect(findings.filter((finding) => / wrong /.test(finding))).toEqual([]);
    expect(findings).toContainEqual(expect.stringMatching(/^database ok .*intact and writable, schema version \d+$/));
    expect(findings).toContainEqual(expect.stringMatching(/^secret ok kept in /));
    expect(findings).toContainEqual(expect.stringMatching(/^clock ok /));
    expect(readdirSync(folder).filter((name) => !/-(?:wal|shm)$/.test(name))).toEqual(
      before.filter((name) => !/-(?:wal|shm)$/.test(name)),
    );
  });

  it.each([0o644, 0o604, 0o666])(
    "finds a database that every user of the machine can read, with mode %o",
    async (mode) => {
      const folder = await usedFolder();
      const path = join(folder, "latchkey.db");
      chmodSync(path, mode);
      expect(await examined(folder)).toContainEqual(
        expect.stringMatching(/^database wrong .*can be read by every user .* Run: chmod o= '.*latchkey\.db'/),
      );
      const refused = await latchkey(["start"], { LATCHKEY_DATABASE_URL: `sqlite:${path}`, LATCHKEY_PORT: "0" });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/can be read by every user/);
      const files = readdirSync(folder).filter((name) => name.startsWith("latchkey.db"));
      for (const file of files) chmodSync(join(folder, file), 0o660);
      expect(await examined(folder)).toContainEqual(expect.stringMatching(/^database ok /));
    },
  );

  it("finds a running server at a loopback issuer, and what is something else there", async () => {
    const server = await serve();
    const port = { LATCHKEY_PORT: String(server.address.port) };
    expect(await examined(server.folder, port)).toContainEqual(`issuer ok ${server.url} answers`);
    await server.stop();
    expect(await examined(server.folder, port)).toContainEqual(
      expect.stringMatching(/^issuer note .*no server runs now/),
    );

    const elsewhere = await serve({ LATCHKEY_ISSUER: "http://127.0.0.1:1" });
    expect(await examined(server.folder, { LATCHKEY_PORT: String(elsewhere.address.port) })).toContainEqual(
      expect.stringMatching(/^issuer wrong something else answers/),
    );

    const other = createServer((_, response) => response.end("<html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port: taken } = other.address() as AddressInfo;
    expect(await examined(server.folder, { LATCHKEY_PORT: String(taken) })).toContainEqual(
      expect.stringMatching(/^issuer wrong something else answers/),
    );
    other.close();
  });

  it("asks no other machine", async () => {
    const variables = { LATCHKEY_ISSUER: "https://auth.example.com", LATCHKEY_SECRET: createSecret() };
    expect(await examined(temporaryFolder(), variables)).toContainEqual(
      "issuer note https://auth.example.com, which is not checked from here",
    );
  });

  it("tells everything that is wrong with the configuration, and looks no further", async () => {
    const findings = await examined(temporaryFolder(), { LATCHKEY_WORKERS: "8", LATCHKEY_PROT: "1" });
    expect(findings).toEqual([
      `node ok ${process.versions.node}`,
      expect.stringMatching(
        /^configuration wrong LATCHKEY_WORKERS is 8, but only one process can serve a SQLite database/,
      ),
      expect.stringMatching(/^configuration wrong LATCHKEY_PROT is not a setting/),
    ]);
  });

  it("finds a secret file that others can read, one that is gone, and a secret that is not the right one", async () => {
    const folder = await usedFolder();
    const path = join(folder, "latchkey.secret");
    chmodSync(path, 0o644);
    expect(await examined(folder)).toContainEqual(expect.stringMatching(/^secret wrong .*chmod 600/));
    const kept = readFileSync(path, "utf8").trim();
    rmSync(path);
    expect(await examined(folder)).toContainEqual(expect.stringMatching(/^secret wrong .*the signing keys need it/));
    expect(await examined(folder, { LATCHKEY_SECRET: createSecret() })).toContainEqual(
      expect.stringMatching(/^secret wrong .*LATCHKEY_SECRET/),
    );
    expect(await examined(folder, { LATCHKEY_SECRET: kept })).toContainEqual("secret ok from LATCHKEY_SECRET");
    const changed = { LATCHKEY_SECRET: createSecret(), LATCHKEY_SECRET_PREVIOUS: kept };
    expect(await examined(folder, changed)).toContainEqual("secret ok from LATCHKEY_SECRET");
    expect(readdirSync(folder)).not.toContain("latchkey.secret");
  });

  it.each([
    [
      "is no database",
      "not a database at all, and longer than a header would have to be to be read as one",
      /^database wrong /,
    ],
    ["is cut short", "SQLite format 3\u0000", /^database wrong /],
  ])("finds a database that %s, and leaves it as it is", async (_, text, finding) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "latchkey.db"), text);
    expect(await examined(folder)).toContainEqual(expect.stringMatching(finding));
    expect(readFileSync(join(folder, "latchkey.db"), "utf8")).toBe(text);
  });

  it("finds a database of a newer version, and a directory that is not there", async () => {
    const folder = await usedFolder();
    const database = new SqliteDatabase(join(folder, "latchkey.db"));
    database.execute("PRAGMA user_version = 99");
    database.close();
    expect(await examined(folder)).toContainEqual(
      expect.stringMatching(/^database wrong .*schema version 99.*Upgrade/),
    );
    expect(await examined(join(folder, "missing"))).toContainEqual(
      expect.stringMatching(/^database wrong .*missing is not a directory/),
    );
  });

  it("finds damage inside a database", async () => {
    const folder = await usedFolder();
    const path = join(folder, "latchkey.db");
    const bytes = readFileSync(path);
    bytes.fill(0xff, 4096 * 3, 4096 * 6);
    writeFileSync(path, bytes);
    expect(await examined(folder)).toContainEqual(expect.stringMatching(/^database wrong .*damaged/));
  });

  it("finds what SQLite's own check finds, in a database that can still be read", async () => {
    const folder = await usedFolder();
    const path = join(folder, "latchkey.db");
    const database = new SqliteDatabase(path);
    database.execute(`
      PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET sql = replace(sql, 'device TEXT,', 'device TEXT NOT NULL,') WHERE name = 'sessions';
    `);
    database.close();
    const inspection = await inspectDatabase({ kind: "sqlite", path }, { lookForFaults: true });
    expect(inspection?.faults).toEqual(["NULL value in sessions.device"]);
    expect(await examined(folder)).toContainEqual(
      `database wrong ${path} is damaged: NULL value in sessions.device. Restore a backup.`,
    );
  });

  it("finds a clock that is behind what the database has seen", async () => {
    const folder = await usedFolder();
    const database = new SqliteDatabase(join(folder, "latchkey.db"));
    database.execute("UPDATE sessions SET created_at = created_at + 3600000, expires_at = expires_at + 3600000");
    database.close();
    expect(await examined(folder)).toContainEqual(expect.stringMatching(/^clock wrong it is 3[56]\d\d s behind/));
  });

  it("finds a Node that is too old", () => {
    const [major = 0, minor = 0] = OLDEST_NODE.split(".").map(Number);
    expect(examineNode(`${major}.${minor}.0`).state).toBe("ok");
    expect(examineNode(`${major}.${minor - 1}.9`).state).toBe("wrong");
    expect(examineNode(`${major - 1}.99.0`).state).toBe("wrong");
    expect(examineNode(`${major + 2}.0.0`).state).toBe("ok");
  });

  it("exits with 0 where nothing is wrong, and with 1 where something is, counted", async () => {
    const environment = {
      LATCHKEY_PORT: "0",
      LATCHKEY_DATABASE_URL: `sqlite:${join(temporaryFolder(), "latchkey.db")}`,
    };
    expect(await latchkey(["doctor"], environment)).toMatchObject({ code: 0, stderr: "" });
    const { code, stdout, stderr } = await latchkey(["doctor"], {
      ...environment,
      LATCHKEY_PROT: "1",
      LATCHKEY_WORKERS: "2",
    });
    expect({ code, stderr }).toEqual({ code: 1, stderr: "latchkey: 2 problems found.\n" });
    expect(stdout).toMatch(
      /^WRONG {3}configuration {2}LATCHKEY_WORKERS is 2, but only one process can serve a SQLite database/m,
    );
  });
});
