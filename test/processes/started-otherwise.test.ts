import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { notPossible } from "../support/places.ts";
import { CLI } from "../support/server-process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-started-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a program that starts the server, and waits until its output matches. */
async function started(command: readonly [string, ...string[]], cwd: string, database: string, until: RegExp) {
  const [file, ...args] = command;
  const child = spawn(file, args, {
    cwd,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      LATCHKEY_DATABASE_URL: database,
      LATCHKEY_PORT: "0",
      LATCHKEY_SECRET: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {}
  });
  await expect.poll(() => output, { timeout: 60_000 }).toMatch(until);
  return { child, output: () => output };
}

/** The processes that it has started, and those that these have. */
function descendants({ pid }: Pick<ChildProcess, "pid">): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(path) ? readFileSync(path, "utf8").trim().split(" ").filter(Boolean).map(Number) : [];
  return children.flatMap((child) => [child, ...descendants({ pid: child })]);
}

describe("a server that another program has started", () => {
  it("ends, with what it has in hand, when npx gets SIGTERM", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
    symlinkSync(root, join(folder, "node_modules/latchkey"));
    symlinkSync("../latchkey/dist/server/cli.js", join(folder, "node_modules/.bin/latchkey"));
    writeFileSync(join(folder, "package.json"), '{ "name": "somebodys", "private": true }');
    const { child, output } = await started(
      ["npx", "latchkey", "start"],
      folder,
      `sqlite:${join(folder, "l.db")}`,
      /listening/,
    );
    const server = descendants(child).at(-1)!;
    expect(readFileSync(`/proc/${server}/cmdline`, "utf8")).toContain("latchkey\0start");

    child.kill("SIGTERM");

    await expect.poll(() => existsSync(`/proc/${server}`)).toBe(false);
    expect(output()).toContain('"msg":"stopped"');
  });

  const places = {
    "that serves": (folder: string) => [`sqlite:${join(folder, "l.db")}`, /listening/] as const,
    "that waits for its database": () => ["postgres://nobody@127.0.0.1:1/none", /cannot be reached/] as const,
  };
  it.for(Object.entries(places))("as process 1 of a container, %s, ends on SIGTERM", async ([, place], test) => {
    const unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"] as const;
    const probe = spawnSync(unshare[0], [...unshare.slice(1), "true"], { encoding: "utf8" });
    if (probe.status !== 0) notPossible(test, `there is no way to be process 1 here: ${probe.error ?? probe.stderr}`);
    const folder = newFolder();
    const [database, until] = place(folder);
    const { child } = await started([...unshare, process.execPath, CLI, "start"], folder, database, until);
    const [server] = descendants(child);

    process.kill(server!, "SIGTERM");

    const [code] = await once(child, "exit");
    expect(code).toBe(until.source === "listening" ? 0 : 128 + 15);
  });
});
