// npm test: every check, then every test. With arguments, only the tests that they select: `npm test -- test/store`.
import { requireNode } from "./node-version.mjs";

requireNode();
const { prepare } = await import("./prepare.mjs");
const { runChecks, staticChecks } = await import("./checks.mjs");
const { createTestRun } = await import("./test-run.mjs");

await prepare();
const selection = process.argv.slice(2);
const isFullRun = selection.length === 0;
const tests = createTestRun({ selection, refuseSkipped: isFullRun && process.env.CI !== undefined });
const failed = await runChecks(isFullRun ? { ...staticChecks, tests: tests.run } : { tests: tests.run });
if (failed.length > 0) process.stdout.write(`\nFailed: ${failed.join(", ")}\n`);
process.stdout.write(`${tests.totals()}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
