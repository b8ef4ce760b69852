import { describe, expect, it } from "vitest";
import { sortFindings } from "../../scripts/checks.mjs";
import { linterFiles } from "./lint.ts";
import { createSandbox } from "./sandbox.ts";

const sound = "export const port = 4000;\n";
const upward = 'import { createHandler } from "../http/handler.ts";\n\ncreateHandler();\n';
const badlyFormatted = "export const   port = 4000\n";

/** Which of the two checks fail, when one run of Biome looks at these files. */
function failing(files: Readonly<Record<string, string>>): readonly string[] {
  const sandbox = createSandbox(linterFiles);
  for (const [path, text] of Object.entries(files)) sandbox.write(path, text);
  const options = ["check", "--error-on-warnings", "--max-diagnostics=none", "src"];
  const { code, stdout, stderr } = sandbox.node(["node_modules/@biomejs/biome/bin/biome", ...options]);
  const { style, imports } = sortFindings(code === 0, stdout + stderr);
  return [...(style.passed ? [] : ["style"]), ...(imports.passed ? [] : ["imports"])];
}

describe("one run of Biome", () => {
  it("passes both checks where it finds nothing", () => {
    expect(failing({ "src/engine/port.ts": sound })).toEqual([]);
  });

  it("fails imports alone for an import against the direction", () => {
    expect(failing({ "src/engine/port.ts": upward })).toEqual(["imports"]);
  });

  it("fails style alone for the format and for any other rule", () => {
    expect(failing({ "src/engine/port.ts": badlyFormatted })).toEqual(["style"]);
    expect(failing({ "src/engine/port.ts": "export let port = 4000;\n" })).toEqual(["style"]);
  });

  it("fails both where it finds both", () => {
    expect(failing({ "src/engine/up.ts": upward, "src/engine/port.ts": badlyFormatted })).toEqual(["style", "imports"]);
  });

  it("fails style where it could not even start, so that no failure is lost", () => {
    expect(sortFindings(false, "Biome exited because the configuration resulted in errors.").style.passed).toBe(false);
  });
});
