import { once } from "node:events";
import { get, request } from "node:http";
import { createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { expectWithin } from "../support/on-time.ts";
import { latchkey, PASSWORD, type ServerProcess } from "../support/server-process.ts";
import { addUser, login, me, newDatabase, post, refresh, start, withPostgres } from "../support/two-servers.ts";

withPostgres();

/** Starting three processes takes a while on a machine that is busy. */
const SLOW = { timeout: 60_000 };

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
function logOf(server: ServerProcess): any[] {
  const lines = server.output().split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

function serving(server: ServerProcess): readonly number[] {
  return logOf(server)
    .filter(({ msg }) => msg === "worker serves")
    .map(({ pid }) => pid);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function exitOf(server: ServerProcess): Promise<number | null> {
  if (server.process.exitCode === null && server.process.signalCode === null) await once(server.process, "exit");
  return server.process.exitCode;
}

async function startWorkers(given: Readonly<Record<string, string>> = {}) {
  const place = await newDatabase({ LATCHKEY_WORKERS: "3", ...given });
  await addUser("ada", place.settings);
  const server = await start(place.settings);
  await expect.poll(() => serving(server).length, SLOW).toBe(3);
  return { ...place, server };
}

/** Refreshes sessions without a pause, each retried where its connection breaks, until it is stopped. */
function refreshLoad(server: ServerProcess, tokens: string[]) {
  let isOver = false;
  const statuses = new Set<number>();
  let refreshed = 0;
  const done = Promise.all(
    tokens.map(async (_, at) => {
      while (!isOver) {
        const answer = await refresh(server, tokens[at]!).catch(() => undefined);
        if (answer === undefined) {
          await wait(20);
          continue;
        }
        statuses.add(answer.status);
        if (answer.status === 200) refreshed += 1;
        tokens[at] = answer.body.refresh_token ?? tokens[at];
      }
    }),
  );
  return {
    statuses,
    /** Resolves when some dozens more have been answered. */
    async goesOn() {
      const before = refreshed;
      await expect.poll(() => refreshed - before, SLOW).toBeGreaterThan(40);
    },
    async stop() {
      isOver = true;
      await done;
    },
  };
}

/** A request on a connection of its own, so that whoever listens may get it. */
async function statusOf(url: string): Promise<number | undefined> {
  const sent = get(url, { agent: false });
  try {
    const [response] = await once(sent, "response");
    response.resume();
    return response.statusCode;
  } catch {
    // Its worker was killed meanwhile.
    return undefined;
  }
}

/** A failed login, which the worker that answered logs. */
async function loginOnItsOwnConnection(server: ServerProcess): Promise<void> {
  const sent = request(`${server.url}/auth/login`, {
    agent: false,
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  sent.end(JSON.stringify({ username: "nobody", password: PASSWORD }));
  const [response] = await once(sent, "response");
  response.resume();
  expect(response.statusCode).toBe(401);
}

const UNLIMITED = { LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0" };

describe("LATCHKEY_WORKERS", () => {
  it("starts that many processes on one port, says so once, and every line of theirs names its worker", async () => {
    const { server } = await startWorkers();
    const log = logOf(server);
    expect(log.filter(({ msg }) => msg === "listening")).toEqual([
      expect.objectContaining({ address: server.url, workers: 3 }),
    ]);
    expect(log.filter(({ msg }) => msg.startsWith("no administrator exists"))).toHaveLength(1);
    const authors = () => new Set(logOf(server).flatMap(({ event, worker }) => (event === undefined ? [] : [worker])));
    const pidOf = new Map(log.filter(({ msg }) => msg === "worker serves").map(({ worker, pid }) => [worker, pid]));
    try {
      // Whoever has answered is paused, so that the next connection is another one's.
      for (let answered = 1; answered <= 3; answered++) {
        await loginOnItsOwnConnection(server);
        await expect.poll(() => authors().size, SLOW).toBe(answered);
        for (const worker of authors()) process.kill(pidOf.get(worker), "SIGSTOP");
      }
    } finally {
      for (const pid of pidOf.values()) process.kill(pid, "SIGCONT");
    }
    expect([...authors()].sort()).toEqual([1, 2, 3]);
  });

  it("know together a logout within a second and share the limit on guesses", async () => {
    const { server } = await startWorkers();
    const all = async (accessToken: string) => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => me(server, accessToken)));
      return new Set(answers.map(({ status }) => status));
    };
    await expectWithin(1000, async () => {
      const pair = (await login(server)).body;
      expect(await all(pair.access_token)).toEqual(new Set([200]));
      await post(server, "/auth/logout", { bearer: pair.refresh_token });
      const at = performance.now();
      await expect.poll(() => all(pair.access_token), SLOW).toEqual(new Set([401]));
      return performance.now() - at;
    });
    const guesses = await Promise.all(Array.from({ length: 60 }, (_, index) => login(server, "ada", `wrong ${index}`)));
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(10);
  });

  it("a worker that is starting takes no request away from those that serve", async () => {
    const { server } = await startWorkers();
    const statuses = new Set<number>();
    for (let index = 0; index < 20; index++) statuses.add((await statusOf(`${server.url}/readyz`)) ?? 0);
    for (let round = 0; round < 3; round++) {
      process.kill(serving(server).at(-1)!, "SIGKILL");
      const deadline = performance.now() + SLOW.timeout;
      while (serving(server).length < 4 + round && performance.now() < deadline) {
        const status = await statusOf(`${server.url}/readyz`);
        if (status !== undefined) statuses.add(status);
      }
    }
    expect(serving(server)).toHaveLength(6);
    expect([...statuses]).toEqual([200]);
  });

  it("a worker that is killed under load is replaced, and nobody is logged out", async () => {
    const { server } = await startWorkers(UNLIMITED);
    const tokens = await Promise.all(Array.from({ length: 6 }, async () => (await login(server)).body.refresh_token));
    const load = refreshLoad(server, tokens);
    try {
      for (let round = 0; round < 3; round++) {
        await load.goesOn();
        process.kill(serving(server).at(-1)!, "SIGKILL");
        await expect.poll(() => serving(server).length, SLOW).toBe(4 + round);
      }
      await load.goesOn();
    } finally {
      await load.stop();
    }
    expect([...load.statuses]).toEqual([200]);
    expect(logOf(server).filter(({ msg }) => msg.startsWith("a worker ended"))).toHaveLength(3);
    for (const token of tokens) expect((await refresh(server, token)).status).toBe(200);
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "%s under load has all of them answer what is in flight, and exits with 0",
    async (signal) => {
      const { server, settings } = await startWorkers(UNLIMITED);
      const tokens = await Promise.all(Array.from({ length: 6 }, async () => (await login(server)).body.refresh_token));
      const load = refreshLoad(server, tokens);
      try {
        await load.goesOn();
        server.process.kill(signal);
        expect(await exitOf(server)).toBe(0);
      } finally {
        await load.stop();
      }
      expect([...load.statuses]).toEqual([200]);
      expect(serving(server).some(isAlive)).toBe(false);
      expect(logOf(server).at(-1)).toMatchObject({ msg: "all workers stopped" });
      const again = await start({ ...settings, LATCHKEY_WORKERS: "1" });
      for (const token of tokens) expect((await refresh(again, token)).status).toBe(200);
    },
  );

  it("where the primary is killed, the workers answer what is in flight and end", async () => {
    const { server } = await startWorkers();
    const pids = serving(server);
    expect(pids.every(isAlive)).toBe(true);
    server.process.kill("SIGKILL");
    await expect.poll(() => pids.some(isAlive), SLOW).toBe(false);
  });

  it("what keeps a server from starting is said once, and ends it with 1", async () => {
    const { settings } = await newDatabase({ LATCHKEY_WORKERS: "3" });
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const { code, stderr } = await latchkey(["start"], { ...settings, LATCHKEY_PORT: String(port) });
    taken.close();
    expect(code).toBe(1);
    expect(stderr.match(/is in use/g)).toHaveLength(1);
  });

  it("several such servers start on one empty database at once, with one ring of keys", async () => {
    const { settings, sql } = await newDatabase({ LATCHKEY_WORKERS: "2" });
    const servers = await Promise.all([start(settings), start(settings), start(settings)]);
    for (const server of servers) await expect.poll(() => serving(server).length, SLOW).toBe(2);
    expect(await sql("SELECT kid FROM latchkey.signing_keys")).toHaveLength(2);
    expect((await sql("SELECT version::int FROM latchkey.key_ring"))[0].version).toBe(1);
  });
});
