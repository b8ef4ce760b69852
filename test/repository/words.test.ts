import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { readRepositoryFile, root } from "./sandbox.ts";

/** Words that are always wrong here, and what to write instead. */
const refused: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\banew\b/i, "again"],
  [/\bbelongs? into\b/i, "belongs in"],
  [/\bwhoever(?:'s)?\b/i, "anyone who, a client that"],
  [/(?:\/\*\*|^\s*\*) Gives\b/, "Returns, at the start of a doc comment"],
];

const places = ["src", "docs", "examples", "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/** The lines of a text that hold a refused word, each with what to write. */
function findings(path: string, text: string): readonly string[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      refused
        .filter(([pattern]) => pattern.test(line))
        .map(([, instead]) => `${path}:${index + 1}: write "${instead}": ${line.trim().slice(0, 120)}`),
    );
}

/** Of the changelog the section that is still written; what has been released stays as it was. */
function textOf(path: string): string {
  const text = readRepositoryFile(path);
  return path === "CHANGELOG.md" ? text.split(/^## \[\d/m)[0]! : text;
}

describe("plain English", () => {
  it("has none of the refused words in the source, the documentation and the examples", () => {
    const listed = spawnSync("git", ["ls-files", ...places], { cwd: root, encoding: "utf8" }).stdout.split("\n");
    const paths = listed.filter((path) => /\.(?:ts|tsx|mjs|md)$/.test(path));
    expect(paths.length).toBeGreaterThan(200);
    expect(paths.flatMap((path) => findings(path, textOf(path)))).toEqual([]);
  });

  it.each([
    ["// Whoever asks is told.", "anyone who"],
    ["The secret belongs into the environment.", "belongs in"],
    ["  /** Gives the number of rows. */", "Returns"],
    [" * Gives the number of rows.", "Returns"],
    ["Read it anew.", "again"],
  ])("finds the refused word in %j and names what to write", (line, instead) => {
    expect(findings("a.ts", line)).toEqual([expect.stringContaining(instead)]);
  });
});
