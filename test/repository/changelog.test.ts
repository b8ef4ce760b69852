import { expect, it } from "vitest";
import { readRepositoryFile } from "./sandbox.ts";

it("CHANGELOG.md has an entry for the version in package.json, with something in it", () => {
  const { version } = JSON.parse(readRepositoryFile("package.json"));
  const [, ...entries] = readRepositoryFile("CHANGELOG.md").split(/^## /m);
  const entry = entries.find((text) => text.startsWith(`[${version}]`));
  expect(entry).toMatch(/^- \S/m);
});
