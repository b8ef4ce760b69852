import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { freePort } from "../support/free-port.mjs";
import { durationOf, expectWithin } from "../support/on-time.ts";
import { temporaryFolder } from "../support/server-in-process.ts";
import { addUser, CLI, PASSWORD, type ServerProcess, startServer } from "../support/server-process.ts";

const running: ServerProcess[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill();
});

async function start(environment: Readonly<Record<string, string>> = {}) {
  const folder = temporaryFolder();
  const settings = { LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}`, ...environment };
  await addUser("ada", settings);
  const server = await startServer(settings);
  running.push(server);
  return { server, settings, folder };
}

/** What says that the server has taken a request, and waits for its body. */
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

/** A login whose body has come only in part. `finish` sends the rest. */
async function unfinishedLogin(url: string) {
  const body = JSON.stringify({ username: "ada", password: PASSWORD });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk) => {
    received += String(chunk);
  });
  const closed = once(socket, "close").then(() => received.slice(CONTINUE.length));
  socket.write(
    `POST /auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
  );
  await expect.poll(() => received).toBe(CONTINUE);
  return { closed, finish: () => socket.write(body.slice(10)), destroy: () => socket.destroy() };
}

async function login(url: string): Promise<{ refresh_token: string }> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/auth/login`, {
    method: "POST",
    headers,
    body: JSON.stringify({ username: "ada", password: PASSWORD }),
  });
  return response.json() as Promise<{ refresh_token: string }>;
}

async function exitOf(server: ServerProcess): Promise<number | null> {
  if (server.process.exitCode === null) await once(server.process, "exit");
  return server.process.exitCode;
}

describe("a log that cannot be written", () => {
  it.runIf(existsSync("/dev/full"))("costs its lines and nothing else", async () => {
    const port = String(await freePort());
    const { server: other, settings } = await start({ LATCHKEY_PORT: port });
    expect(await other.stop()).toBe(0);
    const child = spawn(process.execPath, [CLI, "start"], {
      env: { ...settings, LATCHKEY_PORT: port, LATCHKEY_LOG_LEVEL: "trace" },
      stdio: ["ignore", openSync("/dev/full", "w"), "inherit"],
    });
    try {
      let answered = 0;
      for (let attempt = 0; attempt < 200 && answered < 20; attempt++) {
        const response = await fetch(`${other.url}/livez`).catch(() => undefined);
        if (response?.status === 200) answered += 1;
        else await wait(50);
      }
      expect(answered).toBe(20);
      child.kill("SIGTERM");
      await once(child, "exit");
      expect(child.exitCode).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

describe("SIGTERM and SIGINT", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("%s ends an idle server at once, with exit code 0", async (signal) => {
    await expectWithin(8000, async () => {
      const { server } = await start();
      const keepAlive = await fetch(`${server.url}/livez`);
      expect(keepAlive.status).toBe(200);
      const tookMs = await durationOf(async () => {
        server.process.kill(signal);
        expect(await exitOf(server)).toBe(0);
      });
      expect(server.output()).toContain("stopping: no new requests");
      expect(server.output()).toContain('"msg":"stopped"');
      return tookMs;
    });
  });

  it("finish the request in flight, whose session is there after the restart, and exit with 0", async () => {
    const { server, settings } = await start();
    const slow = await unfinishedLogin(server.url);
    server.process.kill("SIGTERM");
    await expect
      .poll(() =>
        fetch(`${server.url}/livez`).then(
          () => "answered",
          () => "refused",
        ),
      )
      .toBe("refused");
    slow.finish();
    const answer = await slow.closed;
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(await exitOf(server)).toBe(0);

    const again = await startServer(settings);
    running.push(again);
    const { refresh_token: refreshToken } = JSON.parse(answer.split("\r\n\r\n")[1]!);
    const refreshed = await fetch(`${again.url}/auth/refresh`, {
      method: "POST",
      headers: { authorization: `Bearer ${refreshToken}` },
    });
    expect(refreshed.status).toBe(200);
  });

  it("leave a database that is whole in its one file", async () => {
    const { server, folder } = await start();
    await login(server.url);
    const log = join(folder, "latchkey.db-wal");
    expect(statSync(log).size).toBeGreaterThan(0);
    expect(await server.stop()).toBe(0);
    expect(statSync(log, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
  });

  it("lose no acknowledged refresh under load, and log nobody out", async () => {
    const { server, settings } = await start({ LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0" });
    const tokens = await Promise.all(Array.from({ length: 8 }, async () => (await login(server.url)).refresh_token));
    let stopped = false;
    const statuses = new Set<number>();
    let refreshed = 0;
    const load = tokens.map(async (_, at) => {
      while (!stopped) {
        const response = await fetch(`${server.url}/auth/refresh`, {
          method: "POST",
          headers: { authorization: `Bearer ${tokens[at]}` },
        }).catch(() => undefined);
        if (response === undefined) return;
        statuses.add(response.status);
        refreshed += 1;
        const body = (await response.json().catch(() => undefined)) as { refresh_token?: string } | undefined;
        tokens[at] = body?.refresh_token ?? tokens[at]!;
      }
    });
    await expect.poll(() => refreshed).toBeGreaterThan(40);
    server.process.kill("SIGTERM");
    expect(await exitOf(server)).toBe(0);
    stopped = true;
    await Promise.all(load);
    expect([...statuses]).toEqual([200]);

    const again = await startServer(settings);
    running.push(again);
    for (const token of tokens) {
      const response = await fetch(`${again.url}/auth/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
      });
      expect(response.status).toBe(200);
    }
  });

  it("arriving twice at once, as npm hands them on, count once; the second one later ends it at once with 1", async () => {
    const pressedTwice = async () => {
      const { server } = await start();
      const slow = await unfinishedLogin(server.url);
      const startedAt = performance.now();
      server.process.kill("SIGINT");
      await wait(20);
      server.process.kill("SIGINT");
      await wait(600);
      return { server, slow, tookMs: performance.now() - startedAt };
    };
    let { server, slow, tookMs } = await pressedTwice();
    // Where the machine has stalled in between, the second one may have come late.
    for (let tries = 1; tries < 5 && tookMs > 1000; tries++) ({ server, slow, tookMs } = await pressedTwice());
    expect(server.process.exitCode).toBeNull();
    server.process.kill("SIGINT");
    expect(await exitOf(server)).toBe(1);
    expect(server.output()).toContain("by a second signal");
    slow.destroy();
  });

  it("cut off at the deadline what never ends, say so, and exit with 1", async () => {
    const { server } = await start();
    const slow = await unfinishedLogin(server.url);
    const startedAt = performance.now();
    server.process.kill("SIGTERM");
    expect(await exitOf(server)).toBe(1);
    const seconds = (performance.now() - startedAt) / 1000;
    expect(seconds).toBeGreaterThan(9);
    expect(seconds).toBeLessThan(30);
    expect(server.output()).toContain('"cutOff":1,"msg":"stopped at the deadline');
    slow.destroy();
  });
});
