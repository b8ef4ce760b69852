import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openIssuer } from "../../src/server/open-issuer.ts";
import { createLogger, logEvents } from "../../src/server/process/logger.ts";
import { readConfig } from "../../src/server/settings/config.ts";
import { SqliteDatabase } from "../../src/store/sqlite/database.ts";
import { type InProcessServer, PASSWORD, serve, temporaryFolder } from "../support/server-in-process.ts";

const SECRET = "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM";
const PREVIOUS_SECRET = "Zs0pW8dK3vXn7bQy2mRf6tLh1cJg9uEa5iToVwYx4CN";
const NEW_PASSWORD = "another horse, another battery";

interface Entry {
  readonly level: string;
  readonly time: string;
  readonly event?: string;
  readonly requestId?: string;
}

function entries(server: InProcessServer): readonly Entry[] {
  return server.log.map((line) => JSON.parse(line));
}

describe("the log of a server at level trace", () => {
  it("PARITY 40: holds one line for every sign-in, refresh, reuse, revoke, logout and password change, with its request id", async () => {
    const server = await serve({ LATCHKEY_LOG_LEVEL: "trace" });
    const requestIds: (string | null)[] = [];
    async function send(path: string, json: unknown, bearer?: string) {
      const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
      const answer = await server.post(path, json, headers);
      requestIds.push(answer.headers.get("x-request-id"));
      return answer.body;
    }
    const credentials = { username: "ada", password: PASSWORD };
    await send("/auth/register", credentials);
    const stolen = await send("/auth/login", credentials);
    await send("/auth/login", { ...credentials, password: "wrong horse battery staple" });
    const second = await send("/auth/refresh", stolen);
    await send("/auth/refresh", second);
    await send("/auth/refresh", stolen);
    const other = await send("/auth/login", credentials);
    const third = await send("/auth/login", credentials);
    const change = { current_password: PASSWORD, new_password: NEW_PASSWORD };
    const changed = await send("/auth/password", change, other.access_token);
    await send("/auth/reauthenticate", { password: NEW_PASSWORD }, changed.access_token);
    await send("/auth/logout", changed);
    await send("/auth/logout", third);

    const events = entries(server).filter(({ event }) => event !== undefined);
    expect(events.map(({ event, level }) => `${level} ${event}`)).toEqual([
      "info user.registered",
      "info login.succeeded",
      "warn login.failed",
      "info session.refreshed",
      "info session.refreshed",
      "warn refresh_token.reused",
      "info login.succeeded",
      "info login.succeeded",
      "info user.password_changed",
      "info session.revoked",
      "info session.revoked",
      "info session.reauthenticated",
      "info session.logged_out",
    ]);
    const expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 9, 10].map((at) => requestIds[at]);
    expect(events.map(({ requestId }) => requestId)).toEqual(expected);
    for (const { time } of events) expect(new Date(time).toISOString()).toBe(time);
  });

  it("tells of a database that lost acknowledged writes, once for each session that shows it", async () => {
    const folder = temporaryFolder();
    const database = join(folder, "latchkey.db");
    const before = await serve({}, folder);
    const pair = (await before.signIn()).body;
    await before.stop();
    copyFileSync(database, join(folder, "backup.db"));

    const later = await serve({}, folder);
    const second = (await later.post("/auth/refresh", pair)).body;
    const third = (await later.post("/auth/refresh", second)).body;
    await later.stop();
    copyFileSync(join(folder, "backup.db"), database);

    const restored = await serve({}, folder);
    expect((await restored.post("/auth/refresh", third)).status).toBe(200);
    const events = entries(restored).filter(({ event }) => event !== undefined);
    expect(events.map(({ event, level }) => `${level} ${event}`)).toEqual([
      "warn session.rolled_back",
      "info session.refreshed",
    ]);
  });

  it("CVE-2024-51752 WorkOS: holds no password, token, cookie, header or secret, whatever is done and whatever fails", async () => {
    const folder = temporaryFolder();
    const settings = {
      LATCHKEY_LOG_LEVEL: "trace",
      LATCHKEY_SECRET: SECRET,
      LATCHKEY_SECRET_PREVIOUS: PREVIOUS_SECRET,
      LATCHKEY_PASSWORD_GRANT: "on",
    };
    const server = await serve(settings, folder);
    const canaries = [PASSWORD, NEW_PASSWORD, SECRET, PREVIOUS_SECRET];
    const plant = (name: string) => {
      const canary = `canary-${name}-5e2a9f61c7d04b38`;
      canaries.push(canary);
      return canary;
    };
    const headers = () => ({
      authorization: `Bearer ${plant("authorization")}`,
      cookie: `session=${plant("cookie")}; other=${plant("second-cookie")}`,
      "x-csrf-token": plant("csrf"),
      "proxy-authorization": `Basic ${plant("proxy")}`,
    });

    const pair = (await server.signIn()).body;
    const second = (await server.post("/auth/refresh", pair)).body;
    canaries.push(pair.access_token, pair.refresh_token, second.access_token, second.refresh_token);
    for (const path of [
      "/auth/login",
      "/auth/register",
      "/auth/refresh",
      "/auth/logout",
      "/auth/password",
      "/auth/reauthenticate",
      "/auth/setup",
      "/nowhere",
    ]) {
      const password = plant(`password${path.replaceAll("/", "-")}`);
      await server.post(path, { username: "ada", password }, headers());
      await server.post(path, { username: password, password }, {});
      await server.post(
        path,
        {
          refresh_token: plant("refresh"),
          password,
          current_password: password,
          new_password: password,
          setup_token: plant("setup"),
        },
        headers(),
      );
      await fetch(`${server.url}${path}`, {
        method: "POST",
        body: `{"password": "${password}", oops`,
        headers: { "content-type": "application/json", ...headers() },
      });
      await fetch(`${server.url}${path}?token=${plant("query")}`, {
        method: "POST",
        body: password,
        headers: { "content-type": "text/plain" },
      });
    }
    for (const parameters of [
      { grant_type: "password", username: "ada", password: plant("form") },
      { grant_type: "password", username: "ada", password: PASSWORD },
      { grant_type: "refresh_token", refresh_token: second.refresh_token },
      { grant_type: plant("grant"), client_secret: plant("client") },
    ]) {
      await fetch(`${server.url}/token`, { method: "POST", body: new URLSearchParams(parameters), headers: headers() });
    }
    await server.get(`/auth/sessions/${second.refresh_token}`, headers());
    await server.get(`/${pair.access_token}`, headers());
    await server.get("/auth/me", { authorization: `Bearer ${second.access_token}` });
    await server.post(
      "/auth/password",
      { current_password: PASSWORD, new_password: NEW_PASSWORD },
      { authorization: `Bearer ${second.access_token}` },
    );

    const database = new SqliteDatabase(join(folder, "latchkey.db"));
    database.execute("BEGIN IMMEDIATE");
    const failed = await Promise.all([
      server.post("/auth/refresh", second, { cookie: plant("cookie-while-locked") }),
      server.post("/auth/register", { username: "bob", password: plant("while-locked") }, headers()),
    ]);
    database.execute("ROLLBACK");
    database.close();
    expect(failed.map(({ status }) => status)).toEqual([503, 503]);
    await server.stop();

    const log = server.log.join("");
    expect(log).toContain('"level":"error"');
    expect(server.log.length).toBeGreaterThan(50);
    for (const canary of canaries) expect(log).not.toContain(canary);
    expect(log).not.toContain("canary");
    // Not `eyJ` alone: random ids hold any three letters now and then.
    expect(log).not.toContain(pair.access_token.slice(0, 8));
    expect(log).not.toMatch(/\blkr_[\w-]/);
  });

  it("holds what a client says of itself as data in one line", async () => {
    const server = await serve({ LATCHKEY_LOG_LEVEL: "trace" });
    await server.post("/auth/register", { username: "ada", password: PASSWORD });
    const linesBefore = server.log.length;
    const userAgent = 'evil \u009b2J \u0085 "}';
    await server.post("/auth/login", { username: "ada", password: PASSWORD }, { "user-agent": userAgent });
    const lines = server.log.slice(linesBefore);
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0]!)).toMatchObject({ event: "login.succeeded", userAgent });
    for (const line of lines) {
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(line).not.toMatch(/[\u007f-\u009f]/);
    }
  });

  it("tells of what the engine was handed with line breaks and escapes as data in one line", async () => {
    const reading = readConfig({ LATCHKEY_DATABASE_URL: `sqlite:${join(temporaryFolder(), "latchkey.db")}` });
    if ("problems" in reading) throw new Error(reading.problems.join());
    const lines: string[] = [];
    const logger = createLogger({ level: "trace", form: "json", secrets: [], write: (line) => void lines.push(line) });
    const { issuer } = await openIssuer(reading.config, { onEvent: logEvents(logger) });
    await issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    lines.length = 0;
    const userAgent = 'a\r\n{"level":"info","msg":"forged"}\u001b[2J';
    await issuer.login({ username: "ada", password: PASSWORD }, { userAgent });
    await issuer.close();
    expect(lines).toHaveLength(1);
    expect(lines[0]!.indexOf("\n")).toBe(lines[0]!.length - 1);
    expect(lines[0]).not.toContain("\u001b");
    expect(JSON.parse(lines[0]!)).toMatchObject({ userAgent, msg: "signed in" });
  });
});
