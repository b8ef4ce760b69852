import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { createOperatorTrace } from "../../src/server/operator.ts";
import { runOnDatabaseOf } from "../support/command-in-process.ts";
import { type InProcessServer, PASSWORD, serve, temporaryFolder } from "../support/server-in-process.ts";

afterEach(() => vi.unstubAllEnvs());

const latchkeyIn = (folder: string, ...command: readonly string[]) => runOnDatabaseOf(folder, command, PASSWORD);
const latchkey = (server: InProcessServer, ...command: readonly string[]) => latchkeyIn(server.folder, ...command);

const lines = (server: InProcessServer) =>
  server.log.flatMap((text) => text.trim().split("\n")).map((line) => JSON.parse(line));

it("what the command line changes is in the log of the running server, with the operating-system user and the user's name", async () => {
  const server = await serve();
  await latchkey(server, "user", "add", "ada", "--role", "admin", "--password-stdin");
  await latchkey(server, "user", "add", "eve", "--password-stdin");
  await latchkey(server, "user", "role", "eve", "--add", "ops");
  await latchkey(server, "user", "disable", "eve");
  writeFileSync(join(server.folder, "users.jsonl"), '{"id":"7","username":"bob","password_hash":null}\n');
  await latchkey(server, "user", "import", join(server.folder, "users.jsonl"));
  await latchkey(server, "client", "add", "worker");
  await latchkey(server, "throttle", "clear", "--all");
  const file = join(server.folder, "copy.db");
  await latchkey(server, "backup", file);
  const actor = expect.stringContaining(userInfo().username);
  await vi.waitFor(
    () =>
      expect(lines(server)).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ event: "user.created", username: "ada", actor }),
          expect.objectContaining({ event: "user.created", username: "eve", actor }),
          expect.objectContaining({ event: "user.roles_changed", username: "eve", roles: ["ops"], actor }),
          expect.objectContaining({ event: "user.disabled", username: "eve", actor }),
          expect.objectContaining({ event: "users.imported", created: 1, actor }),
          expect.objectContaining({ event: "client.created", actor }),
          expect.objectContaining({ event: "throttle.cleared", actor }),
          expect.objectContaining({ event: "database.backed_up", file, actor }),
        ]),
      ),
    { timeout: 20_000, interval: 100 },
  );
});

it("a migration is in the log of the server that starts after it, and none where nothing was migrated", async () => {
  const folder = temporaryFolder();
  for (let time = 0; time < 2; time++) expect((await latchkeyIn(folder, "migrate")).code).toBe(0);
  const server = await serve({}, folder);
  const told = () => lines(server).filter(({ event }) => event === "database.migrated");
  await vi.waitFor(() => expect(told()).toHaveLength(1), { timeout: 20_000, interval: 100 });
  expect(told()).toMatchObject([{ from: 0, actor: expect.stringContaining(userInfo().username) }]);
});

it("an operator's act is told once, by one of two servers on the database, also by one that starts later", async () => {
  const first = await serve();
  await latchkey(first, "user", "add", "ada", "--password-stdin");
  const told = (server: InProcessServer) => lines(server).filter(({ event }) => event === "user.created").length;
  await vi.waitFor(() => expect(told(first)).toBe(1), { timeout: 20_000, interval: 100 });
  await first.stop();
  await latchkey(first, "user", "add", "eve", "--password-stdin");
  const second = await serve({}, first.folder);
  await vi.waitFor(() => expect(told(second)).toBe(1), { timeout: 20_000, interval: 100 });
  expect(told(first)).toBe(1);
});

it("of a thousand sessions that one command ends, a hundred are told and the rest as a number", async () => {
  const trace = createOperatorTrace("root");
  const base = { time: "2026-01-01T00:00:00.000Z", requestId: null, ip: null };
  for (let nth = 0; nth < 1000; nth++)
    trace.onEvent({ ...base, type: "session.revoked", sessionId: `${nth}`, subject: null, reason: "administrator" });
  const kept: { type: string; count?: number; actor: string }[] = [];
  await trace.keep({ addOperatorEvents: async (texts) => void kept.push(...texts.map((text) => JSON.parse(text))) });
  expect(kept).toHaveLength(101);
  expect(kept.at(-1)).toMatchObject({ type: "sessions.revoked", count: 900, actor: "root" });
});

it("log lines of sign-ins, refused ones, refreshes and logouts name the user; what is typed for an unknown one is not", async () => {
  const server = await serve();
  const { body } = await server.signIn("ada");
  await server.post("/auth/login", { username: "ada", password: "a wrong password" });
  await server.post("/auth/login", { username: "hunter2", password: "a wrong password" });
  const refreshed = await server.post("/auth/refresh", { refresh_token: body.refresh_token });
  await server.post("/auth/logout", { refresh_token: refreshed.body.refresh_token });
  const named = lines(server).filter(({ username }) => username === "ada");
  expect(named.map(({ event }) => event)).toEqual([
    "user.registered",
    "login.succeeded",
    "login.failed",
    "session.refreshed",
    "session.logged_out",
  ]);
  expect(server.log.join("")).not.toContain("hunter2");
});

it("'throttle list' shows whom a limit refuses at a running server, and 'throttle clear' lifts it at once", async () => {
  const server = await serve();
  await server.signIn("ada");
  const login = async (password: string) => (await server.post("/auth/login", { username: "ada", password })).status;
  for (let nth = 0; nth < 10; nth++) await login("a wrong password");
  expect(await login(PASSWORD)).toBe(429);
  expect((await latchkey(server, "throttle", "list")).output).toMatch(/^ada +10 of 10 +failed logins/m);
  expect(await latchkey(server, "throttle", "clear", "ada")).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^Lifted \d+ counts/),
  });
  expect(await login(PASSWORD)).toBe(200);
  expect((await latchkey(server, "throttle", "list")).output).not.toContain("ada");
});

it("'throttle clear' asks for one thing to lift, and changes nothing without", async () => {
  const server = await serve();
  for (const given of [[], ["ada", "--all"], ["--address", "192.0.2.1", "--all"]]) {
    const { code, output } = await latchkey(server, "throttle", "clear", ...given);
    expect([code, output]).toEqual([1, expect.stringContaining("Name one:")]);
  }
});

it("the first ignored X-Forwarded-For of a near proxy is one warning that names the setting", async () => {
  const server = await serve();
  for (let nth = 0; nth < 3; nth++) await server.get("/livez", { "x-forwarded-for": "192.0.2.7" });
  const warnings = () => lines(server).filter(({ msg }) => msg.includes("LATCHKEY_TRUSTED_PROXIES"));
  expect(warnings()).toMatchObject([{ level: "warn", peer: "127.0.0.1" }]);
  const behind = await serve({ LATCHKEY_TRUSTED_PROXIES: "127.0.0.1" });
  await behind.get("/livez", { "x-forwarded-for": "192.0.2.7" });
  expect(behind.log.join("")).not.toContain("LATCHKEY_TRUSTED_PROXIES");
});
