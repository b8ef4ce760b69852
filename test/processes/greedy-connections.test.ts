import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { times } from "../support/long-run.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";

const MIB = 1024 * 1024;

async function start(): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-greedy-"));
  const server = await startServer({ LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}` });
  onTestFinished(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return server;
}

/** What the server's process holds in memory. */
function residentBytes({ process }: ServerProcess): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${process.pid}/status`, "utf8"))![1]) * 1024;
}

/** What it has had of the processor: when that hardly grows, it has done what it was asked. */
function processorTicks({ process }: ServerProcess): number {
  const fields = readFileSync(`/proc/${process.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Connects so many clients, at most a hundred at a time, since the system keeps a bounded number waiting. */
async function connected({ url }: ServerProcess, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(100, count - sockets.length) }, () => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.on("error", () => {});
      sockets.push(socket);
      return new Promise((resolve) => socket.once("connect", resolve));
    });
    await Promise.all(some);
  }
  return sockets;
}

const answers = async ({ url }: ServerProcess) => (await fetch(`${url}/livez`)).status;

it.each(["/docs/openapi-explorer.js", "/openapi.json", "/auth/me"])(
  "100 clients that ask for %s again and again, and never read, take less than 50 MiB",
  async (path) => {
    const server = await start();
    for (let index = 0; index < 50; index++) await (await fetch(server.url + path)).arrayBuffer();
    const before = residentBytes(server);
    let most = before;
    for (const length of [16, 2000]) {
      const sockets = await connected(server, 100);
      const request = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
      for (const socket of sockets) {
        socket.pause();
        socket.write(request.repeat(length).slice(0, 55_000));
      }
      for (let [ticks, quiet] = [0, 0]; quiet < 5; ) {
        expect(await answers(server)).toBe(200);
        most = Math.max(most, residentBytes(server));
        await wait(200);
        const now = processorTicks(server);
        quiet = now > ticks + 2 ? 0 : quiet + 1;
        ticks = now;
      }
    }
    expect((most - before) / MIB).toBeLessThan(50);
  },
);

it("idle connections by the thousand are survived, and cost others nothing", async () => {
  const server = await start();
  const sockets = await connected(server, times({ short: 1000, long: 10_000 }));
  expect(await answers(server)).toBe(200);
  for (const socket of sockets) socket.destroy();
  expect(await answers(server)).toBe(200);
});
