import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Sandbox } from "./sandbox.ts";
import { runNpm } from "./sandbox.ts";

/** One of the two packages: where its manifest is. */
export type PackageFolder = "." | "packages/verify";

/** What npm says of a package that it packed. */
export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Packs what `npm test` has just built; `npm pack` alone would build it once more. */
export function pack(folder: PackageFolder, ...options: readonly string[]): Packed {
  const workspace = folder === "." ? [] : ["--workspace", folder];
  const { stdout, stderr } = runNpm(["pack", ...workspace, "--ignore-scripts", "--json", ...options]);
  const [packed]: readonly Packed[] = JSON.parse(stdout);
  if (packed === undefined) throw new Error(stderr);
  return packed;
}

/** Packs into a sandbox, and returns the path of the file. */
export function packInto(sandbox: Sandbox, folder: PackageFolder): string {
  return join(sandbox.folder, pack(folder, "--pack-destination", sandbox.folder).filename);
}

/**
 * Installs packed files into an otherwise empty folder, with their dependencies. What npm has in its cache is not asked for again.
 * Returns what went wrong, if anything.
 */
export function installInto(sandbox: Sandbox, folder: string, files: readonly string[]): string | undefined {
  const at = join(sandbox.folder, folder);
  mkdirSync(dirname(at), { recursive: true });
  sandbox.write(`${folder}/package.json`, '{ "type": "module", "private": true }\n');
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  const { code, stderr } = runNpm(["install", ...options, ...files], at);
  return code === 0 ? undefined : stderr;
}
