import { describe, expect, it } from "vitest";
import { touchedTests } from "../../scripts/changed-tests.mjs";
import { createSandbox, readRepositoryFile } from "./sandbox.ts";

const files: Readonly<Record<string, string>> = {
  "src/records/rotation.ts": "export const rotation = 1;",
  "src/engine/refresh.ts": 'import { rotation } from "../records/rotation.ts";',
  "src/json.ts": "export const json = 1;",
  "test/engine.test.ts": 'import { refresh } from "../src/engine/refresh.ts";',
  "test/json.test.ts": 'import { json } from "../src/json.ts";',
  "test/server.test.ts": 'import { startServer } from "./support/server-process.ts";',
  "test/support/server-process.ts": 'const cli = "dist/server/cli.js";',
  "test/worker.test.ts": 'new Worker(new URL("./worker.mjs", import.meta.url));',
  "test/worker.mjs": 'import "../src/json.ts";',
  "test/pages.test.ts": 'readFileSync(join(root, "docs/library.md"));',
};
const tests = Object.keys(files).filter((file) => file.endsWith(".test.ts"));
const touched = (...changed: readonly string[]) => [...touchedTests(changed, tests, (file) => files[file]).keys()];

describe("a change touches", () => {
  it("the tests that import it, however far away, and those that run the build", () => {
    expect(touched("src/records/rotation.ts")).toEqual(["test/engine.test.ts", "test/server.test.ts"]);
  });

  it("the tests whose workers load it", () => {
    expect(touched("src/json.ts")).toEqual(["test/json.test.ts", "test/server.test.ts", "test/worker.test.ts"]);
  });

  it("the tests that read the page", () => {
    expect(touched("docs/library.md")).toEqual(["test/pages.test.ts"]);
  });

  it("the test itself, and those that share a file of test/support", () => {
    expect(touched("test/json.test.ts")).toEqual(["test/json.test.ts"]);
    expect(touched("test/support/server-process.ts")).toEqual(["test/server.test.ts"]);
  });

  it("a test that imports a file which is gone", () => {
    const rest = Object.fromEntries(Object.entries(files).filter(([file]) => file !== "src/json.ts"));
    const chosen = touchedTests(["src/json.ts"], ["test/json.test.ts"], (file) => rest[file]);
    expect([...chosen]).toEqual([["test/json.test.ts", "imports src/json.ts"]]);
  });

  it("every test, where it is one of the lock file", () => {
    expect(touched("package-lock.json")).toEqual(tests);
  });

  it("no test, where no test knows of it", () => {
    expect(touched("LICENSE")).toEqual([]);
  });
});

describe("in this repository", () => {
  it("the rotation rules touch their own tests and the tests of the built server, and not those of the address keys", () => {
    const read = (file: string) => {
      try {
        return readRepositoryFile(file);
      } catch {
        return undefined;
      }
    };
    const some = [
      "test/rotation/decision.test.ts",
      "test/processes/rotation.test.ts",
      "test/accounts/address-keys.test.ts",
    ];
    const there = some.filter((file) => read(file) !== undefined);
    const chosen = touchedTests(["src/records/rotation.ts"], there, read);
    expect(there.length).toBeGreaterThan(1);
    expect([...chosen.keys()]).toEqual(there.filter((file) => !file.includes("address-keys")));
  });
});

it("npm test -- --changed succeeds and says so where nothing has changed", () => {
  const sandbox = createSandbox(["scripts", "package.json", "package-lock.json"]);
  const git =
    "const { execFileSync } = await import('node:child_process'); for (const args of JSON.parse(process.argv[1])) execFileSync('git', args);";
  const commands = [
    ["init", "-q"],
    ["add", "-A"],
    ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "all"],
  ];
  const path = { PATH: process.env.PATH ?? "" };
  sandbox.write(".gitignore", "node_modules\n");
  expect(sandbox.node(["--input-type=module", "-e", git, JSON.stringify(commands)], path)).toMatchObject({ code: 0 });
  const { code, stdout } = sandbox.node(["scripts/test.mjs", "--changed"], path);
  expect(stdout).toMatch(/^Changed since [0-9a-f]+: nothing\n0 of 0 test files are touched\.\n$/);
  expect(code).toBe(0);
});
