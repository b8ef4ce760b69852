// npm test: every check, then every test. With arguments, only the tests that they select: `npm test -- test/store`, or with
// --changed those that a change touches.
import { requireNode } from "./node-version.mjs";

requireNode();
const { prepare } = await import("./prepare.mjs");
const { checkNames, runChecks } = await import("./checks.mjs");
const { createTestRun } = await import("./test-run.mjs");

await prepare("everything");
const selection = process.argv.slice(2);
const isFullRun = selection.length === 0;
const tests = createTestRun({ selection, refuseSkipped: isFullRun && process.env.CI !== undefined });
const { failed, lines } = isFullRun ? await runChecks(checkNames) : { failed: [], lines: [] };
process.stdout.write("\n── tests\n");
const result = await tests.run();
process.stdout.write(`\n── summary\n${[...lines, result.line].join("")}`);
const problems = result.passed ? failed : [...failed, "tests"];
if (problems.length > 0) process.stdout.write(`\nFailed: ${problems.join(", ")}\n`);
process.stdout.write(`${tests.totals()}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
