import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** The repository's folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** A file of the repository, as text. */
export function readRepositoryFile(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** What a program left behind. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that holds part of the repository and what a test puts beside it, removed when the test ends. */
export interface Sandbox {
  readonly folder: string;
  write(path: string, text: string): void;
  read(path: string): string;
  /** Runs this Node in the folder, outside any npm script. */
  node(args: readonly string[], env?: Readonly<Record<string, string>>): Finished;
}

/**
 * Copies the named files and folders of the repository, and links `node_modules` unless told not to. Where it is linked no
 * program is on the PATH: an `npm ci` in here would empty the real one.
 */
export function createSandbox(
  copied: readonly string[],
  { packages = true, whenDone = onTestFinished as (remove: () => void) => void } = {},
): Sandbox {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-repository-"));
  whenDone(() => rmSync(folder, { recursive: true, force: true }));
  for (const path of copied) cpSync(join(root, path), join(folder, path), { recursive: true });
  if (packages) symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return {
    folder,
    write(path, text) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    },
    read: (path) => readFileSync(join(folder, path), "utf8"),
    node: (args, env = {}) => run(process.execPath, args, folder, packages ? { PATH: folder, ...env } : env),
  };
}

/** Runs npm, in the repository's folder if no other is named. */
export function runNpm(args: readonly string[], cwd = root, env: Readonly<Record<string, string>> = {}): Finished {
  const npm = process.env.npm_execpath;
  return npm !== undefined && basename(npm).startsWith("npm-cli")
    ? run(process.execPath, [npm, ...args], cwd, env)
    : run("npm", args, cwd, env);
}

function run(file: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Finished {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:npm_|VITEST|CI$|NODE_ENV$)/.test(name));
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}
