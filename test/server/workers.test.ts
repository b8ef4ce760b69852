import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { createLogger } from "../../src/server/process/logger.ts";
import { startWorkers, type Workers } from "../../src/server/process/workers.ts";
import { temporaryFolder } from "../support/server-in-process.ts";

const file = fileURLToPath(new URL("worker-script.mjs", import.meta.url));
const PATIENTLY = { timeout: 60_000 };
const running: Workers[] = [];
afterEach(async () => {
  for (const workers of running.splice(0)) await workers.stop(0);
});

function start(count: number, ...args: readonly string[]) {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", form: "json", secrets: [], write: (line) => void lines.push(line) });
  const workers = startWorkers({ count, logger, script: { file, args } });
  running.push(workers);
  const entries = () => lines.map((line) => JSON.parse(line));
  return {
    workers,
    entries,
    serves: () => entries().filter(({ msg }) => msg === "worker serves").length,
    async url() {
      return `http://127.0.0.1:${(await workers.serving).address.port}`;
    },
  };
}

/**
 * Has `count` workers answer, each once, and gives their process ids. Which of those that listen gets a connection is the
 * kernel's choice, so whoever has answered is paused until the others have.
 */
async function answerers(url: string, count: number): Promise<ReadonlySet<number>> {
  const seen = new Set<number>();
  try {
    while (seen.size < count) {
      const pid = Number(await (await fetch(url)).text());
      seen.add(pid);
      process.kill(pid, "SIGSTOP");
    }
  } finally {
    for (const pid of seen) process.kill(pid, "SIGCONT");
  }
  return seen;
}

describe("workers", () => {
  it("serve one port together, and say once where", async () => {
    const { url, serves } = start(3);
    const address = await url();
    await expect.poll(serves, PATIENTLY).toBe(3);
    expect((await answerers(address, 3)).size).toBe(3);
  });

  it("that end are replaced, with a line that says how they ended, while the others serve", async () => {
    const { url, serves, entries } = start(2);
    const address = await url();
    await expect.poll(serves, PATIENTLY).toBe(2);
    const before = await answerers(address, 2);
    await expect(fetch(`${address}/die`)).rejects.toThrow();
    expect((await answerers(address, 1)).size).toBe(1);
    await expect.poll(serves, PATIENTLY).toBe(3);
    const after = await answerers(address, 2);
    expect([...after].filter((pid) => before.has(pid))).toHaveLength(1);
    const ended = entries().filter(({ level }) => level === "error");
    expect(ended).toEqual([
      {
        level: "error",
        time: expect.any(String),
        worker: expect.any(Number),
        pid: expect.any(Number),
        exitCode: 7,
        signal: null,
        delayMs: 250,
        msg: "a worker ended; starting another",
      },
    ]);
  });

  it("give up with the first worker's exit code where it ends before it serves, and start no other one", async () => {
    const { workers, entries } = start(4, "fails");
    expect(await workers.gaveUp).toBe(3);
    expect(entries()).toEqual([]);
  });

  it("give up where none is left and none starts any more", async () => {
    const { workers, url, entries, serves } = start(1, "fails-later", join(temporaryFolder(), "started"));
    const address = await url();
    await expect.poll(serves, PATIENTLY).toBe(1);
    await expect(fetch(`${address}/die`)).rejects.toThrow();
    expect(await workers.gaveUp).toBe(1);
    expect(entries().at(-1)).toMatchObject({ level: "fatal", msg: expect.stringContaining("no worker is left") });
    expect(entries().filter(({ msg }) => msg.startsWith("a worker ended before it served"))).toHaveLength(5);
  });

  it("stop together, and say whether each of them ended well", async () => {
    const { workers, url, serves } = start(2);
    await url();
    await expect.poll(serves, PATIENTLY).toBe(2);
    expect(await workers.stop(5000)).toBe(true);
  });

  it("that do not end by the deadline are ended, which is not well", async () => {
    const { workers, url, serves } = start(2);
    const address = await url();
    await expect.poll(serves, PATIENTLY).toBe(2);
    const hanging = await fetch(`${address}/hang`);
    const cutOff = expect(hanging.text()).rejects.toThrow();
    expect(await workers.stop(300)).toBe(false);
    await cutOff;
  });

  it("that stop before the first one serves leave none behind", async () => {
    const { workers } = start(2);
    expect(await workers.stop(5000)).toBe(true);
  });
});
