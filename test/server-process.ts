import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The built command line; `npm test` builds before it tests. */
export const CLI = fileURLToPath(new URL("../dist/server/cli.js", import.meta.url));

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

/** Starts a server and waits until it listens. */
export async function startServer(environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const child = spawn(process.execPath, [CLI, "start"], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LATCHKEY_PORT: "0", ...environment },
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
    lines.on("line", (line) => {
      written.push(`${line}\n`);
      const address = /"address":"(http:[^"]+)"/.exec(line)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
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
