import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../.cache/runtimes", import.meta.url));
const INSTALL_TIMEOUT_MS = 120_000;

/** A runtime that the verifier has to work on: what runs a script, or why it cannot be had here. */
export type Runtime = { readonly name: string } & (
  | { readonly command: readonly string[] }
  | { readonly missing: string }
);

/** How the registry's package with the plain binary is called here; they come without install scripts. */
interface RuntimePackage {
  readonly name: string;
  readonly version: string;
  readonly packageName: string | undefined;
  readonly binary: string;
  readonly args: readonly string[];
}

const { platform, arch } = process;
const isUsual = (arch === "x64" || arch === "arm64") && (platform === "darwin" || (platform === "linux" && isGlibc()));
const bunArch = arch === "arm64" ? "aarch64" : arch;
const denoPlatform = platform === "darwin" ? `darwin-${arch}` : `linux-${arch}-glibc`;

const packages: readonly RuntimePackage[] = [
  ...["22.23.3", "24.21.0"].map((version) => ({
    name: "Node.js",
    version,
    packageName: isUsual ? `node-${platform}-${arch}` : undefined,
    binary: "bin/node",
    args: [],
  })),
  {
    name: "Bun",
    version: "1.4.5",
    packageName: isUsual ? `@oven/bun-${platform}-${bunArch}` : undefined,
    binary: "bin/bun",
    args: ["--no-install"],
  },
  {
    name: "Deno",
    version: "2.9.6",
    packageName: isUsual ? `@deno/${denoPlatform}` : undefined,
    binary: "deno",
    args: ["run", "--allow-net=127.0.0.1", "--no-lock", "--no-remote", "--node-modules-dir=manual"],
  },
];

/** The runtime of the tests, and every other that is there or can be installed. */
export function runtimes(): readonly Runtime[] {
  const own = { name: `Node.js ${process.versions.node} (this one)`, command: [process.execPath] };
  return [own, ...packages.map(provide)];
}

function provide({ name, version, packageName, binary, args }: RuntimePackage): Runtime {
  const label = `${name} ${version}`;
  if (packageName === undefined) return { name: label, missing: `there is none for ${platform} on ${arch}` };
  const home = join(folder, `${packageName.replace("/", "-")}-${version}`);
  const file = join(home, "node_modules", packageName, binary);
  const problem = existsSync(file) ? undefined : install(`${packageName}@${version}`, home);
  return problem === undefined ? { name: label, command: [file, ...args] } : { name: label, missing: problem };
}

/** Installs beside and moves into place, so that nothing half installed is ever taken for whole. Gives what went wrong. */
function install(specifier: string, home: string): string | undefined {
  mkdirSync(folder, { recursive: true });
  const beside = mkdtempSync(join(folder, "installing-"));
  try {
    const options = ["--ignore-scripts", "--no-save", "--no-package-lock", "--prefix", beside];
    const { status, stderr, error } = spawnSync("npm", ["install", ...options, specifier], {
      cwd: beside,
      encoding: "utf8",
      timeout: INSTALL_TIMEOUT_MS,
    });
    if (status !== 0) return `npm could not install ${specifier}: ${error?.message ?? firstError(stderr)}`;
    if (!existsSync(home)) renameSync(beside, home);
    return undefined;
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

function firstError(output: string): string {
  return output.split("\n").find((line) => line.startsWith("npm error")) ?? "it did not say why";
}

function isGlibc(): boolean {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}
