import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSandbox, readRepositoryFile, root, runNpm } from "./sandbox.ts";

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Packs what `npm test` has just built; `npm pack` alone would build it once more. */
function pack(...options: readonly string[]): Packed {
  const { stdout, stderr } = runNpm(["pack", "--ignore-scripts", "--json", ...options]);
  const [packed]: readonly Packed[] = JSON.parse(stdout);
  if (packed === undefined) throw new Error(stderr);
  return packed;
}

/** Every path that a value of package.json points at. */
function targets(value: unknown): readonly string[] {
  if (typeof value === "string") return [value.replace(/^\.\//, "")];
  return Object.values(value as object).flatMap(targets);
}

const manifest = JSON.parse(readRepositoryFile("package.json"));
const { files } = pack("--dry-run");
const paths = files.map(({ path }) => path);

describe("the published package", () => {
  it("holds every file that package.json points at", () => {
    expect(paths).toEqual(expect.arrayContaining([...targets(manifest.exports), ...targets(manifest.bin)]));
  });

  it("holds the script of the API reference page with its licence", () => {
    expect(paths).toContain("dist/http/assets/openapi-explorer.min.js");
    expect(paths).toContain("dist/http/assets/openapi-explorer.LICENSE.txt");
  });

  it("holds the compiled source, the pages that a reader looks for, and nothing else", () => {
    const pages = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];
    expect(paths).toEqual(expect.arrayContaining(pages));
    const others = paths.filter(
      (path) => !pages.includes(path) && !/^dist\/.+(?:\.m?js|\.d\.m?ts|\.LICENSE\.txt)$/.test(path),
    );
    expect(others).toEqual([]);
  });

  it("makes the command latchkey executable", () => {
    const command = files.find(({ path }) => path === targets(manifest.bin)[0]);
    expect((command?.mode ?? 0) & 0o111).toBe(0o111);
  });

  it("loads and type-checks where it is installed, declarations included", () => {
    const sandbox = createSandbox([]);
    const installed = join(sandbox.folder, "consumer/node_modules/latchkey");
    mkdirSync(installed, { recursive: true });
    const { filename } = pack("--pack-destination", sandbox.folder);
    spawnSync("tar", ["-xzf", join(sandbox.folder, filename), "--strip-components=1", "-C", installed]);
    sandbox.write("consumer/package.json", '{ "type": "module" }');
    sandbox.write(
      "consumer/main.ts",
      [
        'import { createIssuer, type IssuerOptions, LatchkeyError } from "latchkey";',
        'import { createPostgresStore } from "latchkey/postgres";',
        'import { createSqliteStore } from "latchkey/sqlite";',
        'import { createVerifier } from "latchkey/verify";',
        "const misspelt: Partial<IssuerOptions> = { accessTtlSecond: 900 };",
        "console.log(typeof createIssuer, typeof createSqliteStore, typeof createPostgresStore, typeof createVerifier, typeof LatchkeyError, typeof misspelt);",
      ].join("\n"),
    );
    const options = "--ignoreConfig --strict --module nodenext --target es2023 --lib es2023,dom --types node".split(
      " ",
    );
    const compiled = sandbox.node([join(root, "node_modules/typescript/bin/tsc"), ...options, "consumer/main.ts"]);
    expect(compiled.stdout.match(/error TS\d+/g)).toEqual(["error TS2561"]);
    expect(sandbox.node(["consumer/main.js"]).stdout).toBe("function function function function function object\n");
  });
});
