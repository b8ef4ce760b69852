import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.mjs";

/** The built command line; `npm test` builds before it tests. */
export const CLI = fileURLToPath(new URL("../../dist/server/cli.js", import.meta.url));

/** A real server process of the built package, on a free port of the loopback interface. */
export interface ServerProcess {
  readonly url: string;
  readonly process: ChildProcess;
  /** Everything it has written so far. */
  output(): string;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Asks it to stop, and gives its exit code. */
  stop(): Promise<number | null>;
}

const START_TIMEOUT_MS = 60_000;

/** Log levels at which a server does not tell where it listens. */
const QUIET_LEVELS = ["warn", "error", "fatal", "silent"];

/** Starts a server and waits until it listens; where it is to log nothing of that, until it serves. */
export async function startServer(environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const isQuiet = QUIET_LEVELS.includes(environment.LATCHKEY_LOG_LEVEL ?? "");
  const port = isQuiet ? await freePort() : 0;
  const child = spawn(process.execPath, [CLI, "start"], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LATCHKEY_PORT: String(port), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written: string[] = [];
  child.stderr.on("data", (chunk) => written.push(String(chunk)));
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, "exit");

  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`The server did not listen in time:\n${written.join("")}`)),
      START_TIMEOUT_MS,
    );
    const listens = (address: string) => {
      clearTimeout(timer);
      resolve(address);
    };
    lines.on("line", (line) => {
      written.push(`${line}\n`);
      const address = /"address":"(http:[^"]+)"/.exec(line)?.[1];
      if (address !== undefined) listens(address);
    });
    if (isQuiet) {
      const address = `http://127.0.0.1:${port}`;
      serves(address, child).then(() => listens(address), reject);
    }
    exited.then(([code]) => reject(new Error(`The server ended with ${code}:\n${written.join("")}`)), reject);
  });
  const hasExited = () => child.exitCode !== null || child.signalCode !== null;

  return {
    url,
    process: child,
    output: () => written.join(""),
    async kill() {
      if (!hasExited()) child.kill("SIGKILL");
      await exited;
    },
    async stop() {
      if (!hasExited()) child.kill("SIGTERM");
      await exited;
      return child.exitCode;
    },
  };
}

async function serves(address: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const isReady = await fetch(`${address}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await wait(20);
  }
}

export const PASSWORD = "correct horse battery staple";

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of the built command line to its end. */
export async function latchkey(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  input = "",
): Promise<CommandResult> {
  const child = spawn(process.execPath, [CLI, ...command], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: "pipe",
  });
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    written.stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    written.stderr += String(chunk);
  });
  child.stdin.end(input);
  await once(child, "close");
  return { code: child.exitCode, ...written };
}

/** Creates a user with {@link PASSWORD} through the command line. */
export async function addUser(username: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const { code, stderr } = await latchkey(["user", "add", username, "--password-stdin"], environment, `${PASSWORD}\n`);
  if (code !== 0) throw new Error(`'latchkey user add' ended with ${code}: ${stderr}`);
}
