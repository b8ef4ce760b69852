import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, vi } from "vitest";
import { freePort } from "../support/free-port.mjs";
import { addUser, latchkey, PASSWORD } from "../support/server-process.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
// Inside the package, so that `latchkey` resolves to itself through its own exports, as it does for whoever installs it.
const folder = join(root, ".cache", "examples");
const secret = { LATCHKEY_SECRET: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM" };

/** The folders under `examples/` whose program is one file. */
export const examples = readdirSync(join(root, "examples")).filter((name) =>
  existsSync(join(root, "examples", name, "server.ts")),
);

/** An example as a process of its own, with a database of its own. */
export interface RunningExample {
  readonly url: string;
  stop(): Promise<void>;
}

/** Compiles them, and makes the database that each starts with. */
export async function prepareExamples(): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  for (const name of examples) {
    mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(join(root, "examples", name, "server.ts"), join(folder, name, "server.mts"));
  }
  const decorators = { experimentalDecorators: true, emitDecoratorMetadata: true };
  const imports = { rewriteRelativeImportExtensions: false, allowImportingTsExtensions: false };
  const config = {
    extends: "../../tsconfig.json",
    compilerOptions: { noEmit: false, ...imports, ...decorators, outDir: "out", rootDir: "." },
    include: ["*/*.mts"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  await addPeople(join(folder, "people.db"));
}

/** Makes a database with `ada`, who has the role `editor`, and `ben`. */
export async function addPeople(file: string): Promise<void> {
  const database = { ...secret, LATCHKEY_DATABASE_URL: `sqlite:${file}` };
  await addUser("ben", database);
  const ada = await latchkey(["user", "add", "ada", "--role", "editor", "--password-stdin"], database, `${PASSWORD}\n`);
  expect(ada).toMatchObject({ code: 0 });
}

export function removeExamples(): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Starts an example as its user would, in its own folder. */
export async function startExample(name: string): Promise<RunningExample> {
  copyFileSync(join(folder, "people.db"), join(folder, "out", name, "app.db"));
  const port = await freePort();
  return startServer(["server.mjs"], join(folder, "out", name), port, "/orders");
}

/** Starts a server with Node.js, and waits until the guard of a route answers. */
export async function startServer(
  command: readonly string[],
  cwd: string,
  port: number,
  guardedPath: string,
): Promise<RunningExample> {
  const example: ChildProcess = spawn(process.execPath, command, {
    cwd,
    env: { PATH: process.env.PATH, ...secret, PORT: String(port) },
    stdio: "inherit",
  });
  const url = `http://127.0.0.1:${port}`;
  async function stop(): Promise<void> {
    const ended = once(example, "exit");
    if (example.kill()) await ended;
  }
  const answersByGuard = async () => expect((await fetch(url + guardedPath)).status).toBe(401);
  await vi.waitFor(answersByGuard, { timeout: 60_000 }).catch(async (error) => {
    await stop();
    throw error;
  });
  return { url, stop };
}
