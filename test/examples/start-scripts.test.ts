import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { examples, root } from "./running-example.ts";

it.each(examples)("the start script of examples/%s compiles it where it is, in the checkout", (name) => {
  const folder = join(root, "examples", name);
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const [compiler, ...options] = scripts.start.split(" && ")[0].split(" ");
  const outDir = mkdtempSync(join(tmpdir(), "latchkey-example-"));
  onTestFinished(() => rmSync(outDir, { recursive: true, force: true }));
  const args = [...options, "--outDir", outDir];
  const { stdout } = spawnSync(join(root, "node_modules/.bin", compiler), args, { cwd: folder, encoding: "utf8" });
  expect(stdout).toBe("");
  expect(readdirSync(outDir)).toContain("server.js");
});
