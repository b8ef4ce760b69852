import { describe, expect, it } from "vitest";
import { createSandbox, type Finished } from "./sandbox.ts";

const passing = 'import { expect, it } from "vitest";\nit("holds", () => expect(1).toBe(1));\n';
const failing = 'import { expect, it } from "vitest";\nit("does not hold", () => expect(1).toBe(2));\n';
const skipped = 'import { it } from "vitest";\nit.skip("waits", () => {});\nit.todo("is missing");\n';
const broken = 'import "./nowhere.ts";\n';
const rejecting = `${passing}void Promise.reject(new Error("nobody waits for this"));\n`;

/** Runs the tests of a small project by the same code as npm test does, and prints whether they passed and the totals. */
function runTests(files: Readonly<Record<string, string>>, refuseSkipped = false): Finished {
  const sandbox = createSandbox(["scripts", "package.json", "vitest.config.ts", "test/support"]);
  for (const [name, text] of Object.entries(files)) sandbox.write(`test/${name}`, text);
  sandbox.write(
    "run.mjs",
    `import { createTestRun } from "./scripts/test-run.mjs";
     const tests = createTestRun({ selection: [], refuseSkipped: ${refuseSkipped} });
     console.log((await tests.run()).passed ? "passed" : "failed");
     console.log(tests.totals());`,
  );
  return sandbox.node(["run.mjs"]);
}

function lastLines({ stdout }: Finished): readonly string[] {
  return stdout.trimEnd().split("\n").slice(-2);
}

describe("the totals that npm test ends with", () => {
  it("count the tests that passed, failed and were skipped", () => {
    const run = runTests({ "a.test.ts": passing, "b.test.ts": failing, "c.test.ts": skipped });
    expect(lastLines(run)).toEqual(["failed", "1 passed, 1 failed, 2 skipped"]);
  });

  it("count every file that cannot be loaded as a failure", () => {
    const run = runTests({ "a.test.ts": passing, "b.test.ts": broken, "c.test.ts": broken });
    expect(lastLines(run)).toEqual(["failed", "1 passed, 2 failed, 0 skipped"]);
  });

  it("count an unhandled rejection as a failure", () => {
    expect(lastLines(runTests({ "a.test.ts": rejecting }))).toEqual(["failed", "1 passed, 1 failed, 0 skipped"]);
  });

  it("count a run that found no test as a failure", () => {
    expect(lastLines(runTests({}))).toEqual(["failed", "0 passed, 1 failed, 0 skipped"]);
  });
});

describe("a skipped test", () => {
  it("is let pass where a person runs the tests", () => {
    const run = runTests({ "a.test.ts": passing, "c.test.ts": skipped });
    expect(lastLines(run)).toEqual(["passed", "1 passed, 0 failed, 2 skipped"]);
  });

  it("fails the run in CI, and is named", () => {
    const run = runTests({ "a.test.ts": passing, "c.test.ts": skipped }, true);
    expect(lastLines(run)).toEqual(["failed", "1 passed, 0 failed, 2 skipped"]);
    expect(run.stdout).toContain("test/c.test.ts: waits");
    expect(run.stdout).toContain("test/c.test.ts: is missing");
  });
});
