import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { PACKAGE_TEST_TIMEOUT_MS, requireProgram } from "../support/debian-package.ts";
import { startPostgres } from "../support/postgres.ts";
import { newSession, vouched } from "../support/records.ts";
import { addUser, latchkey, type ServerProcess, startServer } from "../support/server-process.ts";
import { login, me, post, refresh } from "../support/two-servers.ts";

/** The version of Debian 12, which is another one than the other tests run on. */
const PG_DUMP = {
  debianPackage: "postgresql-15",
  path: "/usr/lib/postgresql/15/bin/pg_dump",
  variable: "PG_DUMP",
} as const;

type Settings = Readonly<Record<string, string>>;

let folder: string;
let cleanUps: (() => Promise<unknown>)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-backup-"));
  cleanUps = [];
});
afterEach(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
  rmSync(folder, { recursive: true, force: true });
});

/** A database, and how docs/backup.md says that it is backed up and restored. */
interface Place {
  readonly settings: Settings;
  backUp(): Promise<void>;
  restore(): Promise<void>;
}

const shared = {
  LATCHKEY_SECRET: "Yq3mB8xW1nR6tKz0uHc5jLp2dVs9eGa7iTfQoXy4CMw",
  LATCHKEY_ISSUER: "http://127.0.0.1:4000",
} as const;

async function onSqlite(): Promise<Place> {
  const settings = { ...shared, LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}` };
  return {
    settings,
    async backUp() {
      const { code, stderr } = await latchkey(["backup", join(folder, "backup.db")], settings);
      expect([code, stderr]).toEqual([0, ""]);
    },
    async restore() {
      shell("rm -f latchkey.db latchkey.db-wal latchkey.db-shm");

      shell("install -m 600 backup.db latchkey.db");
    },
  };
}

async function onPostgres(test: TestContext): Promise<Place> {
  const programsFolder = dirname(requireProgram(test, PG_DUMP));
  const postgres = await startPostgres({ programsFolder });
  cleanUps.push(() => postgres.remove());
  const url = postgres.url(await postgres.createDatabase());
  const [{ version }] = await postgres.sql("SELECT current_setting('server_version') AS version");
  expect(version).not.toMatch(/^18/);
  return {
    settings: { ...shared, LATCHKEY_DATABASE_URL: url },
    async backUp() {
      shell(`${programsFolder}/pg_dump --format=custom --schema=latchkey --file=latchkey.dump '${url}'`);
    },
    async restore() {
      shell(`${programsFolder}/pg_restore --clean --if-exists --single-transaction --dbname='${url}' latchkey.dump`);
    },
  };
}

async function start(settings: Settings): Promise<ServerProcess> {
  const server = await startServer(settings);
  cleanUps.push(() => server.kill());
  return server;
}

function shell(command: string): void {
  const { status, stderr } = spawnSync("sh", ["-c", command], { cwd: folder, encoding: "utf8" });
  expect([command, status, stderr]).toEqual([command, 0, ""]);
}

const status = async (answer: Promise<{ readonly status: number }>) => (await answer).status;
const outcome = async (answer: ReturnType<typeof refresh>) => {
  const { status: code, body } = await answer;
  return code === 200 ? "200" : `${code} ${body.error}`;
};

/** Sessions before, around and after a backup that was taken while the server ran, and what is left of them once it is restored. */
async function restored({ settings, backUp, restore }: Place) {
  await addUser("ada", settings);
  const first = await start(settings);
  let goesOn = (await login(first)).body;
  const loggedOut = (await login(first)).body;
  const untouched = (await login(first)).body;
  await backUp();
  for (let rotations = 0; rotations < 5; rotations++) goesOn = (await refresh(first, goesOn.refresh_token)).body;
  expect(await status(post(first, "/auth/logout", { bearer: loggedOut.refresh_token }))).toBe(204);
  const later = (await login(first)).body;
  await first.kill();
  await restore();
  const server: ServerProcess = await start(settings);
  return { server, goesOn, loggedOut, untouched, later };
}

describe.each([
  ["SQLite", onSqlite],
  ["PostgreSQL of another version, with its own pg_dump", onPostgres],
] as const)("an older backup of %s that is restored", (_, createPlace) => {
  it("logs nobody out whose session is in it, and one command then ends every session where that is wanted", {
    timeout: PACKAGE_TEST_TIMEOUT_MS,
  }, async (test) => {
    const place = await createPlace(test);
    const { server, goesOn, loggedOut, untouched, later } = await restored(place);

    // The database knows nothing of the five rotations, and believes the token.
    expect(server.output()).not.toContain("session.rolled_back");
    expect(await status(me(server, goesOn.access_token))).toBe(200);
    const next = await refresh(server, goesOn.refresh_token);
    expect(next.status).toBe(200);
    const rolledBack = () => [...server.output().matchAll(/^.*session\.rolled_back.*$/gm)].map(([line]) => line);
    await expect.poll(rolledBack).toEqual([expect.stringContaining(goesOn.session_id)]);
    expect(await outcome(refresh(server, untouched.refresh_token))).toBe("200");

    // What docs/backup.md says is lost: a logout since, and a sign-in since, whose access token goes on to its end.
    expect(await outcome(refresh(server, loggedOut.refresh_token))).toBe("200");
    expect(await outcome(refresh(server, later.refresh_token))).toBe("401 invalid_refresh_token");
    expect(await status(me(server, later.access_token))).toBe(200);

    const asked = await latchkey(["session", "revoke", "--all"], place.settings);
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringMatching(/end 3 sessions .*--yes/)]);
    expect(await status(me(server, untouched.access_token))).toBe(200);
    const ended = await latchkey(["session", "revoke", "--all", "--yes"], place.settings);
    expect([ended.code, ended.stdout]).toEqual([0, expect.stringMatching(/^Ended 3 sessions\./)]);
    for (const token of [next.body, untouched, loggedOut, later].map(({ access_token }) => access_token)) {
      await expect.poll(() => status(me(server, token)), { timeout: 10_000, interval: 20 }).toBe(401);
    }
    expect(await outcome(refresh(server, next.body.refresh_token))).toBe("401 session_revoked");
    expect(await outcome(refresh(server, untouched.refresh_token))).toBe("401 session_revoked");
    const fresh = (await login(server)).body;
    expect(await status(me(server, fresh.access_token))).toBe(200);
    expect(await outcome(refresh(server, fresh.refresh_token))).toBe("200");
  });
});

describe("'latchkey backup'", () => {
  it("copies one moment while a server writes, for its owner alone, and replaces no file", {
    timeout: 60_000,
  }, async () => {
    const { settings } = await onSqlite();
    await addUser("ada", settings);
    const server = await start({ ...settings, LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0" });
    let pair = (await login(server)).body;
    let isOver = false;
    let rotations = 0;
    const load = (async () => {
      for (; !isOver; rotations++) pair = (await refresh(server, pair.refresh_token)).body;
    })();
    const files = ["one.db", "it's two.db", "three.db"].map((name) => join(folder, name));
    for (const file of files) {
      const before = rotations;
      const { code, stdout } = await latchkey(["backup", file], settings);
      expect([code, stdout]).toEqual([0, expect.stringContaining(`${file}: ${statSync(file).size} bytes`)]);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(rotations).toBeGreaterThan(before);
    }
    isOver = true;
    await load;
    const generations = [];
    for (const file of files) {
      const store = await createSqliteStore(file);
      await store.check();
      generations.push((await store.findSession(pair.session_id))!.rotation.confirmed);
      await store.close();
    }
    expect(generations.toSorted((one, other) => one - other)).toEqual(generations);
    const again = await latchkey(["backup", files[0]!], settings);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("already exists")]);
  });

  it("leaves nothing behind where it fails, and says of a PostgreSQL database what backs it up", async () => {
    const { settings } = await onSqlite();
    const place = join(folder, "latchkey.db");
    const store = await createSqliteStore(place);
    await store.createSessions(
      Array.from({ length: 500 }, () => vouched(newSession({ claims: { a: "x".repeat(500) } }))),
    );
    await store.close();
    shell("printf garbage-garbage | dd of=latchkey.db bs=4096 seek=20 conv=notrunc 2>/dev/null");
    const failed = await latchkey(["backup", join(folder, "copy.db")], settings);
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(/is damaged.*restore a backup/)]);
    expect(readdirSync(folder).filter((name) => name.includes("copy"))).toEqual([]);
    const refused = await latchkey(["backup", "x.db"], {
      ...shared,
      LATCHKEY_DATABASE_URL: "postgres://u@127.0.0.1/d",
    });
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("pg_dump")]);
  });
});
