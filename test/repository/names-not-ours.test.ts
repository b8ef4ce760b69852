import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { readRepositoryFile, root } from "./sandbox.ts";

/** Commands that would bring a package by the name latchkey or @latchkey/… from the registry, which may be somebody else's. */
const installs =
  /\b(?:npm|pnpm|yarn|bun|deno)\s+(?:install|i|add|exec|x|dlx|ci)\s[^\n`]*?(?<![\w./-])(?:npm:)?@?latchkey(?:\/\w+)?(?:@[\w.^~-]+)?(?![\w./-])/;
const runs = /\b(?:npx|bunx|pnpx)\s+(?!--no )(?:-\S+\s+)*@?latchkey\b/;

function asksTheRegistry(text: string): boolean {
  return installs.test(text) || runs.test(text);
}

/** What people read: documents, examples, and the source with its messages. */
function readByPeople(): readonly string[] {
  const places = ["*.md", "docs", "examples", "packages", "src", "bench/*.mjs", "scripts"];
  const { stdout } = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "--", ...places], {
    cwd: root,
    encoding: "utf8",
  });
  return stdout.split("\n").filter((file) => /\.(?:md|m?[jt]sx?|json)$/.test(file));
}

describe("until the names latchkey and @latchkey/verify are ours", () => {
  it("nothing that people read asks the registry for them", () => {
    const files = readByPeople();
    expect(files.length).toBeGreaterThan(200);
    const found = files.flatMap((file) =>
      readRepositoryFile(file)
        .split("\n")
        .flatMap((line, index) => (asksTheRegistry(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it.each([
    "npm install latchkey",
    "npm i -D express latchkey@latest",
    "pnpm add @latchkey/verify",
    "yarn add latchkey",
    "npx latchkey secret",
    "npx -y latchkey secret",
    "bunx latchkey",
    "npm exec latchkey",
  ])("'%s' would be found", (command) => {
    expect(asksTheRegistry(`Run \`${command}\`, then go on.`)).toBe(true);
  });

  it.each([
    "npx --no latchkey secret",
    "npm install ./latchkey-0.1.0.tgz @hono/node-server",
    "npm pack --workspace packages/verify",
    "latchkey user add ada",
    "npm install pg",
  ])("'%s' would not be", (command) => {
    expect(asksTheRegistry(`Run \`${command}\`, then go on.`)).toBe(false);
  });
});
