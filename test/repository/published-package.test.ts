import { describe, expect, it } from "vitest";
import { type PackageFolder, pack } from "./packed.ts";
import { readRepositoryFile } from "./sandbox.ts";

interface Manifest {
  readonly version: string;
  readonly engines: object;
  readonly exports: object;
  readonly bin?: object;
  readonly dependencies: { readonly jose: string };
}

const folders: readonly PackageFolder[] = [".", "packages/verify"];
const manifestOf = (folder: PackageFolder): Manifest => JSON.parse(readRepositoryFile(`${folder}/package.json`));
const packed = { ".": pack(".", "--dry-run"), "packages/verify": pack("packages/verify", "--dry-run") };
const pathsOf = (folder: PackageFolder) => packed[folder].files.map(({ path }) => path);

/** Every path that a value of package.json points at. */
function targets(value: unknown): readonly string[] {
  if (typeof value === "string") return [value.replace(/^\.\//, "")];
  return Object.values(value as object).flatMap(targets);
}

describe.each(folders)("the package in %s", (folder) => {
  const { exports, bin = {} } = manifestOf(folder);

  it("holds every file that package.json points at", () => {
    expect(pathsOf(folder)).toEqual(expect.arrayContaining([...targets(exports), ...targets(bin)]));
  });

  it("holds the compiled source, the pages that a reader looks for, and nothing else", () => {
    const pages = [...(folder === "." ? ["CHANGELOG.md"] : []), "LICENSE", "README.md", "package.json"];
    expect(pathsOf(folder)).toEqual(expect.arrayContaining(pages));
    const others = pathsOf(folder).filter(
      (path) => !pages.includes(path) && !/^dist\/.+(?:\.m?js|\.d\.m?ts|\.LICENSE\.txt)$/.test(path),
    );
    expect(others).toEqual([]);
  });
});

describe("the package latchkey", () => {
  it("holds the script of the API reference page with its licence", () => {
    expect(pathsOf(".")).toContain("dist/http/assets/openapi-explorer.min.js");
    expect(pathsOf(".")).toContain("dist/http/assets/openapi-explorer.LICENSE.txt");
  });

  it("makes the command latchkey executable", () => {
    const command = packed["."].files.find(({ path }) => path === targets(manifestOf(".").bin)[0]);
    expect((command?.mode ?? 0) & 0o111).toBe(0o111);
  });

  it("stays within its size: packed, unpacked, and in number of files", () => {
    const { size, unpackedSize, files } = packed["."];
    expect(size).toBeLessThan(700_000);
    expect(unpackedSize).toBeLessThan(2_400_000);
    expect(files.length).toBeLessThan(600);
  });
});

describe("the package @latchkey/verify", () => {
  it("depends on jose and nothing else, in the range of latchkey", () => {
    expect(manifestOf("packages/verify").dependencies).toEqual({ jose: manifestOf(".").dependencies.jose });
  });

  it("has the version, the engines and the licence of latchkey", () => {
    const { version, engines } = manifestOf(".");
    expect(manifestOf("packages/verify")).toMatchObject({ version, engines });
    expect(readRepositoryFile("packages/verify/LICENSE")).toBe(readRepositoryFile("LICENSE"));
  });

  it("is no dependency of latchkey", () => {
    expect(Object.keys(manifestOf(".").dependencies)).not.toContain("@latchkey/verify");
  });

  it("stays within its size: packed, unpacked, and in number of files", () => {
    const { size, unpackedSize, files } = packed["packages/verify"];
    expect(size).toBeLessThan(40_000);
    expect(unpackedSize).toBeLessThan(150_000);
    expect(files.length).toBeLessThan(50);
  });
});
