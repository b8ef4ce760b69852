import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { rootSecretProblem } from "../../src/secrets/root-secret.ts";
import { runCommand } from "../../src/server/command-line.ts";
import { SqliteDatabase } from "../../src/store/sqlite/database.ts";
import { migrations } from "../../src/store/sqlite/schema.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { newSession } from "../support/records.ts";
import { claimsOf, headerOf, temporaryFolder } from "../support/server-in-process.ts";
import { type CommandResult, latchkey, PASSWORD, type ServerProcess, startServer } from "../support/server-process.ts";

let folder: string;
let environment: Readonly<Record<string, string>>;
const running: ServerProcess[] = [];

beforeEach(() => {
  folder = temporaryFolder();
  environment = { LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}` };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of running.splice(0)) await server.kill();
});

/** Runs a command in this process, which is faster by the start of one; what needs a real one uses {@link run}. */
const quick = (...command: readonly string[]): Promise<CommandResult> => quickWith("", ...command);

/** The same, with something at the standard input. */
async function quickWith(typed: string, ...command: readonly string[]): Promise<CommandResult> {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  let stdout = "";
  let stderr = "";
  const code = await runCommand(command, {
    input: Readable.from(typed === "" ? [] : [typed]),
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

const run = (...command: readonly string[]): Promise<CommandResult> => latchkey(command, environment);

/** What a command that must succeed prints. */
async function ok(...command: readonly string[]): Promise<string> {
  const result = await quick(...command);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return result.stdout;
}

/** What a command that must fail says on stderr: one line, nothing on stdout, exit code 1. */
async function refused(...command: readonly string[]): Promise<string> {
  return expectRefusal(await quick(...command));
}

async function addUser(username: string): Promise<void> {
  expect(await quickWith(`${PASSWORD}\n`, "user", "add", username, "--password-stdin")).toMatchObject({ code: 0 });
}

function expectRefusal(result: CommandResult): string {
  expect(result).toMatchObject({ code: 1, stdout: "" });
  return result.stderr;
}

async function serve(): Promise<ServerProcess> {
  const server = await startServer(environment);
  running.push(server);
  return server;
}

async function post(url: string, json: unknown): Promise<{ status: number; body: Record<string, string> }> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(json) });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

const signIn = (server: ServerProcess, username = "ada") =>
  post(`${server.url}/auth/login`, { username, password: PASSWORD });

async function me(server: ServerProcess, accessToken: string | undefined): Promise<number> {
  return (await fetch(`${server.url}/auth/me`, { headers: { authorization: `Bearer ${accessToken}` } })).status;
}

describe("the command line", () => {
  it("without a command shows what there is, and exits with 1", async () => {
    const { code, stderr } = await run();
    expect(code).toBe(1);
    for (const command of ["start", "user", "session", "client", "key", "secret", "migrate", "doctor"]) {
      expect(stderr).toMatch(new RegExp(`^ {2}${command} `, "m"));
    }
  });

  it("tells its version, its help and every setting with exit code 0", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await run("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    expect(await ok("--help")).toContain("Usage: latchkey");
    const help = await ok("start", "--help");
    for (const name of ["LATCHKEY_SECRET", "LATCHKEY_WORKERS", "LATCHKEY_LOG_LEVEL"]) expect(help).toContain(name);
    expect(existsSync(join(folder, "latchkey.db"))).toBe(false);
  });

  it.each([
    [["strat"], "Did you mean start?"],
    [["user", "lst"], "Did you mean list?"],
    [["user", "list", "--jsn"], "Did you mean --json?"],
    [["user", "add"], "missing required argument 'username'"],
    [["user", "add", "ada", "a-password-as-argument"], "too many arguments"],
    [["user", "list", "--limit", "0"], "whole number"],
    [["user", "role", "ada", "--set", "a", "--add", "b"], "cannot be used with"],
    [["session", "revoke"], "--user"],
    [["session", "revoke", "an-id", "--user", "ada"], "Name one: a session's id"],
    [["session", "revoke", "--all", "--user", "ada"], "Name one: a session's id"],
    [["backup"], "missing required argument"],
  ])("refuses %j with exit code 1 and a hint, before it touches anything", async (command, hint) => {
    expect(await refused(...command)).toContain(hint);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("never repeats a password that was given as an argument by mistake", async () => {
    expect(await refused("user", "add", "ada", "hunter2-hunter2")).not.toContain("hunter2");
  });

  it.each([
    ["user", "list"],
    ["user", "disable", "ada"],
    ["user", "role", "ada"],
    ["session", "list"],
    ["session", "revoke", "--user", "ada"],
    ["session", "revoke", "--all", "--yes"],
    ["backup", "copy.db"],
    ["client", "list"],
    ["client", "add", "reports"],
    ["client", "disable", "lkc_x"],
    ["client", "list"],
    ["client", "add", "reports"],
    ["client", "disable", "lkc_x"],
    ["key", "list"],
    ["key", "rotate"],
  ])("'%s %s' makes no database where there is none: it asks whether the place is right", async (...command) => {
    expect(await refused(...command)).toMatch(/No database exists at .*LATCHKEY_DATABASE_URL/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses a wrong configuration for every command that needs one, and for no other", async () => {
    environment = { ...environment, LATCHKEY_PROT: "1" };
    for (const command of [["start"], ["user", "list"], ["key", "list"], ["migrate"]]) {
      expect(await refused(...command)).toContain("Did you mean LATCHKEY_PORT?");
    }
    expect(rootSecretProblem((await ok("secret")).trim())).toBeUndefined();
  });

  it("shows a stack at level debug only", async () => {
    expect(await refused("user", "list")).not.toContain("    at ");
    environment = { ...environment, LATCHKEY_LOG_LEVEL: "debug" };
    expect(await refused("user", "list")).toContain("    at ");
  });
});

describe("latchkey start", () => {
  it("on a port that is taken says so in one line and makes nothing", async () => {
    const server = await startServer({ LATCHKEY_DATABASE_URL: `sqlite:${join(temporaryFolder(), "latchkey.db")}` });
    running.push(server);
    const { port } = new URL(server.url);
    environment = { ...environment, LATCHKEY_PORT: port };
    expect(expectRefusal(await run("start"))).toBe(
      `latchkey: Port ${port} on 127.0.0.1 is in use. Stop the program that listens there, or choose another port: LATCHKEY_PORT=${Number(port) + 1} npm start\n`,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    [
      "a file that is no database",
      "this is not a database, but long enough to have a header of sixteen bytes and more",
    ],
    ["a truncated database", "SQLite format 3\u0000"],
  ])("on %s names the file and the remedy in one line, and leaves it as it is", async (_, text) => {
    const path = join(folder, "latchkey.db");
    writeFileSync(path, text);
    environment = { ...environment, LATCHKEY_PORT: "0" };
    const said = expectRefusal(await run("start"));
    expect(said).toContain(path);
    expect(said.trim().split("\n")).toHaveLength(1);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it("in a directory that is not there says so in one line", async () => {
    environment = { LATCHKEY_PORT: "0", LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "missing/latchkey.db")}` };
    const said = expectRefusal(await run("start"));
    expect(said).toContain(join(folder, "missing"));
    expect(said.trim().split("\n")).toHaveLength(1);
  });

  it("not on a terminal writes one JSON line when it listens, and a hint while there is no administrator", async () => {
    const server = await serve();
    const lines = server
      .output()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ msg: "listening", address: server.url, issuer: server.url });
    await expect.poll(() => server.output()).toContain("latchkey user add NAME --role admin");
    expect(server.output()).not.toContain("/setup#");
  });

  it("goes on when whoever read its log has gone", async () => {
    environment = { ...environment, LATCHKEY_LOG_LEVEL: "trace" };
    const server = await serve();
    server.process.stdout?.destroy();
    for (let request = 0; request < 20; request++) expect((await fetch(`${server.url}/livez`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
  });
});

describe("latchkey user", () => {
  it("add creates a user who can sign in, with the roles given", async () => {
    const { code, stdout } = await latchkey(
      ["user", "add", "Ada", "--role", "admin", "--role", "ops", "--password-stdin"],
      environment,
      `${PASSWORD}\n`,
    );
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `Created Ada (admin, ops) in sqlite:${join(folder, "latchkey.db")}.\n`,
    });
    const server = await serve();
    const { body } = await signIn(server, "ada");
    expect(claimsOf(body.access_token!).roles).toEqual(["admin", "ops"]);
    expect(server.output()).not.toContain("no administrator");
  });

  it.each([
    [["ada"], "short", /^latchkey: The password was refused\. Use 15 characters or more\.\n$/],
    [["a b"], PASSWORD, /spaces/],
    [["ada", "--role", "Not A Role"], PASSWORD, /role/i],
  ])("add %j refuses what accounts refuse, and says why", async (args, password, says) => {
    const { code, stderr } = await quickWith(password, "user", "add", ...args, "--password-stdin");
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
    expect(stderr).not.toContain(password);
  });

  it("add refuses a name that is taken, and waits for no terminal that is not there", async () => {
    await addUser("ada");
    const again = await quickWith(PASSWORD, "user", "add", "ADA", "--password-stdin");
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toMatch(/^latchkey: This username is taken\. .*cannot reset another person's password.*\n$/);
    expect(await refused("user", "add", "bob")).toContain("--password-stdin");
  });

  it("list shows them in order of name, cut where asked, and as JSON", async () => {
    for (const name of ["carol", "Ada", "bob"]) await addUser(name);
    const names = (text: string) => JSON.parse(text).map(({ username }: { username: string }) => username);
    const all = await ok("user", "list", "--json");
    expect(names(all)).toEqual(["Ada", "bob", "carol"]);
    expect(Object.keys(JSON.parse(all)[0])).toEqual(["id", "username", "roles", "created_at", "disabled_at"]);
    expect((await ok("user", "list")).split("\n").map((line) => line.split(" ")[0])).toEqual([
      "USERNAME",
      "Ada",
      "bob",
      "carol",
      "",
    ]);

    const cut = await quick("user", "list", "--limit", "2", "--json");
    expect(names(cut.stdout)).toEqual(["Ada", "bob"]);
    expect(cut.stderr).toContain("--after 'bob'");
    expect(names(await ok("user", "list", "--after", "bob", "--json"))).toEqual(["carol"]);
  });

  it("role shows, adds, removes and sets", async () => {
    await addUser("root");
    await ok("user", "role", "root", "--add", "admin");
    await addUser("ada");
    expect(await ok("user", "role", "ada")).toBe("ada: no roles\n");
    expect(await ok("user", "role", "ada", "--add", "ops", "--add", "admin")).toBe("ada: admin, ops\n");
    expect(await ok("user", "role", "ada", "--remove", "ops", "--add", "audit")).toBe("ada: admin, audit\n");
    expect(await refused("user", "role", "ada", "--remove", "ops")).toContain("does not have the role 'ops'");
    expect(await ok("user", "role", "ada", "--set", "viewer")).toBe("ada: viewer\n");
    expect(await ok("user", "role", "ada")).toBe("ada: viewer\n");
  });

  it.each(["disable", "enable", "role"])(
    "%s of somebody unknown tells how to find out who there is",
    async (command) => {
      await ok("migrate");
      expect(await refused("user", command, "nobody")).toBe(
        "latchkey: No user has this name. 'latchkey user list' shows all users.\n",
      );
    },
  );
});

describe("while the server runs on the same database", () => {
  /** Waits until it is so, for the seconds that the commands promise and some more for a slow machine. */
  async function within(seconds: number, isSo: () => Promise<boolean>): Promise<void> {
    const until = performance.now() + seconds * 1000 + 5000;
    while (!(await isSo())) {
      if (performance.now() > until) throw new Error(`It was not so after ${seconds} s.`);
      await wait(50);
    }
  }

  it("a user who is added can sign in, and one who is disabled is refused at once, also with what they hold", async () => {
    const server = await serve();
    await addUser("ada");
    const { status, body } = await signIn(server);
    expect(status).toBe(200);
    expect(await me(server, body.access_token)).toBe(200);

    expect(await ok("user", "disable", "ada")).toMatch(/^Disabled ada\./);
    expect((await signIn(server)).status).toBe(401);
    const refreshed = await post(`${server.url}/auth/refresh`, { refresh_token: body.refresh_token });
    expect(refreshed).toMatchObject({ status: 401, body: { error: "session_revoked" } });
    await within(1, async () => (await me(server, body.access_token)) === 401);

    expect(await ok("user", "enable", "ada")).toMatch(/^Enabled ada\. .*stay revoked\.\n$/);
    expect((await signIn(server)).status).toBe(200);
  });

  it("a session whose id begins with a hyphen is revoked by it, wherever it stands among the options", async () => {
    const id = "-PeujDKZqMm1091pWwwJDA";
    const path = join(folder, "latchkey.db");
    const store = await createSqliteStore(path);
    const session = newSession({ id, expiresAt: Date.now() + 60_000, revokedAt: null, revokedFor: null });
    await store.createSessions([{ session, credentialsVersion: null, sessionLimit: 0 }]);
    await store.close();
    expect(await quick("session", "revoke", id)).toMatchObject({ code: 0, stdout: expect.stringContaining(id) });
    const reopened = await createSqliteStore(path);
    expect((await reopened.findSession(id))?.revokedFor).toBe("administrator");
    await reopened.close();
    expect((await quick("session", id, "revoke")).code).toBe(0);
    expect((await quick("session", "revoke", "-x")).stderr).toContain("unknown option");
  });

  it("sessions are listed, and one that is revoked is refused within a second", async () => {
    await addUser("ada");
    await addUser("bob");
    const server = await serve();
    const first = (await signIn(server)).body;
    const second = (await signIn(server)).body;
    const bobs = (await signIn(server, "bob")).body;

    const ids = (text: string) => JSON.parse(text).map(({ id }: { id: string }) => id);
    expect(ids(await ok("session", "list", "--json"))).toEqual([bobs.session_id, second.session_id, first.session_id]);
    expect(ids(await ok("session", "list", "--user", "ada", "--json"))).toEqual([second.session_id, first.session_id]);
    expect(JSON.parse(await ok("session", "list", "--user", "bob", "--json"))[0]).toEqual({
      id: bobs.session_id,
      subject: expect.any(String),
      username: "bob",
      client_id: "first-party",
      device: null,
      user_agent: "node",
      ip: "127.0.0.1",
      created_at: expect.any(String),
      last_used_at: expect.any(String),
      expires_at: expect.any(String),
    });
    const table = await ok("session", "list");
    expect(table.split("\n")).toHaveLength(5);
    expect(table).toContain(first.session_id);
    expect((await quick("session", "list", "--limit", "1")).stderr).toContain("More exist");

    expect(await ok("session", "revoke", first.session_id!)).toContain(`Revoked session ${first.session_id}.`);
    await within(1, async () => (await me(server, first.access_token)) === 401);
    expect(await me(server, second.access_token)).toBe(200);

    expect(await ok("session", "revoke", "--user", "ada")).toMatch(/^ada: revoked 1 session\./);
    await within(1, async () => (await me(server, second.access_token)) === 401);
    expect(await me(server, bobs.access_token)).toBe(200);
    expect(await refused("session", "revoke", "no-such-session")).toContain("No session has this id");
    expect(await refused("session", "list", "--user", "nobody")).toContain("No user has this name");
  });

  it("the signing key that is rotated signs within ten seconds, and what the old one signed stays good", async () => {
    await addUser("ada");
    const server = await serve();
    const before = (await signIn(server)).body;
    const [next, current] = JSON.parse(await ok("key", "list", "--json"));
    expect([next.state, current.state]).toEqual(["next", "current"]);
    expect(headerOf(before.access_token!).kid).toBe(current.kid);

    expect(await refused("key", "rotate")).toMatch(/verifiers that cache the JWKS may not have it yet\. Wait \d+ s/);
    expect(await ok("key", "rotate", "--force")).toContain(next.kid);
    let after = before;
    await within(10, async () => {
      await wait(300);
      after = (await signIn(server)).body;
      return headerOf(after.access_token!).kid === next.kid;
    });
    expect(await me(server, before.access_token)).toBe(200);
    expect(await me(server, after.access_token)).toBe(200);
    const states = JSON.parse(await ok("key", "list", "--json")).map(({ state }: { state: string }) => state);
    expect(states.sort()).toEqual(["current", "next", "retired"]);
    expect(await ok("key", "list")).toContain("VERIFIES UNTIL");
  });
});

describe("latchkey client", () => {
  const token = (server: ServerProcess, id: string, secret: string) =>
    fetch(`${server.url}/token`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
    });

  async function add(...options: readonly string[]) {
    const { code, stdout, stderr } = await quick("client", "add", ...options);
    expect(code).toBe(0);
    const [, id, secret] =
      /^client_id {6}(lkc_[\w-]{22})\n(?:client_secret {2}(lks_[\w-]{43})\n)?$/m.exec(stdout) ?? [];
    return { stdout, stderr, id: id!, secret };
  }

  it("add shows the secret once; disable ends its access tokens at a running server within seconds, and enable revives none", async () => {
    const server = await serve();
    const { id, secret, stdout, stderr } = await add("reports", "--scope", "a:read", "--scope", "revocations:read");
    expect(stdout).toContain(`Created the confidential client reports in sqlite:${join(folder, "latchkey.db")}.\n`);
    expect(stderr).toContain("cannot be shown again");
    const answer = await token(server, id, secret!);
    expect(answer.status).toBe(200);
    const { access_token: accessToken, scope } = (await answer.json()) as Record<string, string>;
    expect(scope).toBe("a:read revocations:read");
    expect(claimsOf(accessToken!)).toMatchObject({ sub: id, client_id: id, scope });

    const listed = await quick("client", "list");
    expect(listed.stdout).toMatch(new RegExp(`^${id} {2}reports {2}confidential {2}client_credentials `, "m"));
    expect(listed.stdout + (await quick("client", "list", "--json")).stdout).not.toContain("lks_");

    const feed = () => fetch(`${server.url}/auth/revocations`, { headers: { authorization: `Bearer ${accessToken}` } });
    expect((await feed()).status).toBe(200);
    expect((await quick("client", "disable", id)).stdout).toBe(
      "Disabled reports. A running server refuses its access tokens within a second.\n",
    );
    expect((await token(server, id, secret!)).status).toBe(401);
    await vi.waitFor(async () => expect((await feed()).status).toBe(401), 20_000);
    expect((await quick("client", "enable", id)).stdout).toContain("Enabled reports.");
    expect((await token(server, id, secret!)).status).toBe(200);
    expect((await feed()).status).toBe(401);
    expect(server.output()).not.toContain("lks_");
  });

  it("add --public gives no secret; list goes on after the last one shown", async () => {
    await addUser("ada");
    const first = await add("shell", "--public");
    expect([first.secret, first.stderr]).toEqual([undefined, ""]);
    const second = await add("app", "--public", "--grant", "password", "--grant", "refresh_token");
    const page = await quick("client", "list", "--limit", "1", "--json");
    expect(JSON.parse(page.stdout)).toMatchObject([{ id: first.id, kind: "public", grant_types: ["refresh_token"] }]);
    expect(page.stderr).toContain(`--after ${first.id}`);
    const next = await quick("client", "list", "--after", first.id, "--json");
    expect(JSON.parse(next.stdout)).toMatchObject([{ id: second.id, grant_types: ["password", "refresh_token"] }]);
  });

  it("refuses what no client can be, and a client_id that there is not, and changes nothing", async () => {
    await addUser("ada");
    for (const [options, hint] of [
      [["a\nb"], "no line breaks"],
      [["a", "--grant", "implicit"], "one of client_credentials, password, refresh_token"],
      [["a", "--public", "--grant", "client_credentials"], "has no secret"],
      [["a", "--grant", "password"], "refresh_token"],
      [["a", "--scope", 'a"b'], "printable ASCII"],
    ] as const) {
      expect(await refused("client", "add", ...options)).toContain(hint);
    }
    expect(JSON.parse((await quick("client", "list", "--json")).stdout)).toEqual([]);
    for (const act of ["disable", "enable"]) {
      expect(await refused("client", act, "lkc_unknown")).toContain("No client has this id");
    }
  });
});

describe("latchkey migrate", () => {
  it("makes a database, and says when there is nothing to do", async () => {
    const place = `sqlite:${join(folder, "latchkey.db")}`;
    expect(await ok("migrate")).toBe(`${place}: created, at schema version ${migrations.length}\n`);
    expect(await ok("migrate")).toBe(`${place}: nothing to do, already at schema version ${migrations.length}\n`);
    expect(readdirSync(folder)).not.toContain("latchkey.secret");
  });

  it("says from which version to which", async () => {
    writeFileSync(join(folder, "latchkey.db"), "", { mode: 0o600 });
    expect(await ok("migrate")).toMatch(new RegExp(`migrated from schema version 0 to ${migrations.length}\n$`));
  });

  it("refuses a database that a newer version has made, and leaves it as it is", async () => {
    await ok("migrate");
    const database = new SqliteDatabase(join(folder, "latchkey.db"));
    database.execute("PRAGMA user_version = 99");
    database.close();
    expect(await refused("migrate")).toMatch(/schema version 99.*Upgrade Latchkey/);
    expect(await refused("migrate")).toMatch(/schema version 99/);
  });
});
