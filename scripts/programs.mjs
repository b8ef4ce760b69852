import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { basename, join } from "node:path";
import { root } from "./root.mjs";

/**
 * A program and how to call it.
 * @typedef {{ readonly file: string, readonly args: readonly string[], readonly shell?: boolean,
 *   readonly environment?: Readonly<Record<string, string | undefined>>, readonly yields?: boolean }} Program `environment`: in place
 *   of this process's own; `yields`: whether it leaves the processor to others, where {@link runQuietly} runs it
 */

/**
 * A command of an installed package, run with this Node.
 * @param {string} packageName
 * @param {readonly string[]} args
 * @param {string} [command] where it has another name than the package
 * @returns {Program}
 */
export function packageCommand(packageName, args, command = packageName) {
  const folder = join(root, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return { file: process.execPath, args: [join(folder, typeof bin === "string" ? bin : bin[command]), ...args] };
}

/**
 * npm: the one that runs this script, or else the one on the PATH.
 * @param {readonly string[]} args
 * @returns {Program}
 */
export function npm(args) {
  const running = process.env.npm_execpath;
  if (running !== undefined && basename(running).startsWith("npm-cli")) {
    return { file: process.execPath, args: [running, ...args] };
  }
  return { file: "npm", args, shell: process.platform === "win32" };
}

/**
 * Runs a program with its output shown, and says whether it succeeded.
 * @param {Program} program
 * @returns {Promise<boolean>}
 */
export function runShown({ file, args, shell = false }) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, shell, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", () => resolve(false));
    child.on("close", (code) => resolve(code === 0));
  });
}

/**
 * Runs a program and keeps what it prints. `code` is a number, or the name of the signal or error that ended it.
 * @param {Program} program
 * @returns {Promise<{ readonly code: number | string, readonly output: string }>}
 */
export function runQuietly({ file, args, shell = false, environment = process.env, yields = false }) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, shell, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    if (yields && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    /** @type {Buffer[]} */
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (error) => resolve({ code: "code" in error ? String(error.code) : 1, output: error.message }));
    child.on("close", (code, signal) =>
      resolve({ code: code ?? signal ?? 1, output: Buffer.concat(chunks).toString() }),
    );
  });
}
