import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addUser, latchkey, PASSWORD, type ServerProcess, startServer } from "../support/server-process.ts";

let folder: string;
let environment: Record<string, string>;
let servers: ServerProcess[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-continuity-"));
  environment = {
    LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}`,
    LATCHKEY_ISSUER: "http://127.0.0.1:4000",
  };
  servers = [];
  await addUser("ada", environment);
});

afterEach(async () => {
  for (const server of servers) await server.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function start(extra: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const server = await startServer({ ...environment, ...extra });
  servers.push(server);
  return server;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, string>;
}

async function send(
  method: string,
  url: string,
  { json, bearer }: { json?: unknown; bearer?: string } = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(json !== undefined && { "content-type": "application/json" }),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
}

async function login({ url }: ServerProcess): Promise<Record<string, string>> {
  const { status, body } = await send("POST", `${url}/auth/login`, { json: { username: "ada", password: PASSWORD } });
  expect(status).toBe(200);
  return body;
}

/** Both tokens of a pair still work; gives the next pair. */
async function expectGood({ url }: ServerProcess, pair: Record<string, string>): Promise<Record<string, string>> {
  const me = await send("GET", `${url}/auth/me`, { bearer: pair.access_token! });
  expect([me.status, me.body.username]).toEqual([200, "ada"]);
  const { status, body } = await send("POST", `${url}/auth/refresh`, { json: { refresh_token: pair.refresh_token } });
  expect(status).toBe(200);
  return body;
}

describe("tokens go on working", () => {
  it("across a restart", async () => {
    const first = await start();
    const pair = await login(first);
    expect(await first.stop()).toBe(0);
    await expectGood(await start(), pair);
  });

  it("across 'latchkey key rotate' while the server runs, before and after it has noticed", async () => {
    const server = await start();
    const pair = await login(server);
    const rotated = await latchkey(["key", "rotate", "--force"], environment);
    expect(rotated.code).toBe(0);
    const next = await expectGood(server, pair);
    await server.stop();
    const restarted = await start();
    const after = await expectGood(restarted, next);
    const kidOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()).kid;
    expect(kidOf(after.access_token!)).not.toBe(kidOf(pair.access_token!));
    const jwks = await send("GET", `${restarted.url}/.well-known/jwks.json`);
    const published = (jwks.body.keys as unknown as { kid: string }[]).map(({ kid }) => kid);
    expect(published).toEqual(expect.arrayContaining([kidOf(after.access_token!), kidOf(pair.access_token!)]));
  });

  it("across a change of the root secret with the previous one given, and not without it", async () => {
    const first = await start();
    const pair = await login(first);
    await first.stop();
    const old = readFileSync(join(folder, "latchkey.secret"), "utf8").trim();
    const fresh = (await latchkey(["secret"], {})).stdout.trim();

    const withoutPrevious = await latchkey(["start"], { ...environment, LATCHKEY_SECRET: fresh, LATCHKEY_PORT: "0" });
    expect(withoutPrevious.code).toBe(1);
    expect(withoutPrevious.stderr + withoutPrevious.stdout).toContain("LATCHKEY_SECRET_PREVIOUS");

    const second = await start({ LATCHKEY_SECRET: fresh, LATCHKEY_SECRET_PREVIOUS: old });
    const next = await expectGood(second, pair);
    await second.stop();
    await expectGood(await start({ LATCHKEY_SECRET: fresh }), next);
  });

  it("but not after a logout: a restart forgets no revocation", async () => {
    const first = await start();
    const pair = await login(first);
    expect(
      (await send("POST", `${first.url}/auth/logout`, { json: { refresh_token: pair.refresh_token } })).status,
    ).toBe(204);
    await first.kill();
    const second = await start();
    const me = await send("GET", `${second.url}/auth/me`, { bearer: pair.access_token! });
    expect([me.status, me.body.error]).toEqual([401, "session_revoked"]);
    const refresh = await send("POST", `${second.url}/auth/refresh`, { json: { refresh_token: pair.refresh_token } });
    expect([refresh.status, refresh.body.error]).toEqual([401, "session_revoked"]);
  });

  it("nor within seconds of 'latchkey session revoke' and 'latchkey user disable' in another process", async () => {
    const server = await start();
    const isRefused = async (bearer: string) => (await send("GET", `${server.url}/auth/me`, { bearer })).status === 401;
    for (const command of [
      ["session", "revoke"],
      ["user", "disable", "ada"],
    ]) {
      const pair = await login(server);
      const full = command[0] === "session" ? [...command, pair.session_id!] : command;
      expect((await latchkey(full, environment)).code).toBe(0);
      await expect.poll(() => isRefused(pair.access_token!), { interval: 100 }).toBe(true);
    }
  });
});
