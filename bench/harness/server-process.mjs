import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cpuMsOf, rssMiBOf } from "./process-tree.mjs";
import { reasonIn } from "./reason.mjs";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * A server under measurement, in a process of its own. What it has used is that of its child processes, too, and `undefined`
 * where /proc does not tell; `databaseCpuMs` is that of a database server's processes, where there is one.
 * @typedef {{ readonly url: string, cpuMs(): number | undefined, rssMiB(): number | undefined, databaseCpuMs?(): number | undefined,
 *   stop(): Promise<void> }} ServerProcess
 */

/**
 * Starts a server and waits for the line in which it says where it listens: JSON with `address`, among other lines or not.
 * @param {{ readonly file: string, readonly args: readonly string[], readonly environment: Readonly<Record<string, string>>,
 *   readonly folder: string }} command
 * @returns {Promise<ServerProcess>}
 */
export async function startServerProcess({ file, args, environment, folder }) {
  const child = spawn(file, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  /** @type {string[]} */
  const errors = [];
  child.stderr.on("data", (chunk) => {
    if (errors.length < 50) errors.push(String(chunk));
  });
  const exited = once(child, "exit").finally(() => running.delete(child));
  exited.catch(() => {});
  try {
    const url = await announced(child, exited, errors);
    return { url, cpuMs: () => cpuMsOf(child.pid), rssMiB: () => rssMiBOf(child.pid), stop: () => stop(child, exited) };
  } catch (error) {
    await stop(child, exited);
    throw error;
  }
}

/**
 * @param {import("node:child_process").ChildProcessByStdio<null, import("node:stream").Readable, any>} child
 * @param {Promise<unknown[]>} exited
 * @param {readonly string[]} errors
 * @returns {Promise<string>}
 */
function announced(child, exited, errors) {
  const reason = (/** @type {string} */ what) => new Error(`${what}. ${reasonIn(errors.join(""))}`.trim());
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(reason("it did not listen in time")), START_TIMEOUT_MS);
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      const address = /"address":\s*"(http:[^"]+)"/.exec(line)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      // From here on its log is read and thrown away, as by a collector that keeps up.
      lines.close();
      child.stdout.resume();
      resolve(address);
    });
    exited.then(
      ([code]) => {
        clearTimeout(timer);
        reject(reason(`it ended with ${code} before it listened`));
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {Promise<unknown>} exited
 */
async function stop(child, exited) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exited.catch(() => {});
  clearTimeout(timer);
}
