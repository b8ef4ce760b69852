import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { architecturePicture, pictureFile, sourceFiles } from "../../scripts/architecture-picture.mjs";
import { root } from "../../scripts/root.mjs";

const MOST_FILES = 20;
const MOST_LINES = 400;
const MOST_FILES_UNEXPLAINED = 5;

function filesByFolder(): ReadonlyMap<string, readonly string[]> {
  const folders = new Map<string, string[]>();
  for (const file of sourceFiles()) folders.set(dirname(file), [...(folders.get(dirname(file)) ?? []), file]);
  return folders;
}

describe("the rooms of src/", () => {
  it("are drawn in docs/architecture.svg as they import each other now", () => {
    expect(readFileSync(join(root, pictureFile), "utf8")).toBe(architecturePicture());
  });

  it("have at most 20 files at one level", () => {
    expect([...filesByFolder()].filter(([, files]) => files.length > MOST_FILES).map(([folder]) => folder)).toEqual([]);
  });

  it("have no file of more than 400 lines", () => {
    const lines = (file: string) => readFileSync(join(root, "src", file), "utf8").split("\n").length - 1;
    expect(sourceFiles().filter((file) => lines(file) > MOST_LINES)).toEqual([]);
  });

  it("are explained in docs/architecture.md where they have more than five files", () => {
    const page = readFileSync(join(root, "docs/architecture.md"), "utf8");
    const large = [...filesByFolder()].filter(
      ([folder, files]) => folder !== "." && files.length > MOST_FILES_UNEXPLAINED,
    );
    expect(large.map(([folder]) => folder).filter((folder) => !page.includes(`\`${folder}/\``))).toEqual([]);
  });

  it("include every file that docs/architecture.md names", () => {
    const page = readFileSync(join(root, "docs/architecture.md"), "utf8");
    const named = [...page.matchAll(/`([a-z-]+(?:\/[a-z-]+)*\.ts)`/g)].map(([, file]) => file!);
    const files = sourceFiles();
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((file) => !files.some((one) => one === file || one.endsWith(`/${file}`)))).toEqual([]);
  });

  it("include every folder that docs/architecture.md names", () => {
    const page = readFileSync(join(root, "docs/architecture.md"), "utf8");
    const named = [...page.matchAll(/`([a-z-]+(?:\/[a-z-]+)*)\/`/g)]
      .map(([, folder]) => folder)
      .filter((folder) => folder !== "src");
    const folders = new Set(sourceFiles().flatMap((file) => [dirname(file), dirname(dirname(file))]));
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((folder) => !folders.has(folder ?? "") && folder !== "connection")).toEqual([]);
  });
});
