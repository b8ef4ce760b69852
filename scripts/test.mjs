// npm test: every check, then every test. With arguments, only the tests that they select: `npm test -- test/store`, or with
// --changed those that a change touches since the branch began, or since a commit: --changed=HEAD~3.
import { requireNode } from "./node-version.mjs";

requireNode();
const { prepare } = await import("./prepare.mjs");
const { checkNames, runChecks } = await import("./checks.mjs");
const { createTestRun } = await import("./test-run.mjs");

const given = process.argv.slice(2);
const changed = given.find((argument) => /^--changed(?:=|$)/.test(argument));
const selection =
  changed === undefined ? given : [...(await choose(changed.split("=")[1])), ...given.filter((one) => one !== changed)];
const isFullRun = given.length === 0;
await prepare("everything");
const tests = createTestRun({ selection, refuseSkipped: isFullRun && process.env.CI !== undefined });
const { failed, lines } = isFullRun ? await runChecks(checkNames) : { failed: [], lines: [] };
process.stdout.write("\n── tests\n");
const result = await tests.run();
process.stdout.write(`\n── summary\n${[...lines, result.line].join("")}`);
const problems = result.passed ? failed : [...failed, "tests"];
if (problems.length > 0) process.stdout.write(`\nFailed: ${problems.join(", ")}\n`);
process.stdout.write(`${tests.totals()}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;

/**
 * The test files that a change touches, each printed with its reason. Ends the process where there are none.
 * @param {string | undefined} since
 */
async function choose(since) {
  const { changedFiles, testFiles, textOf, touchedTests } = await import("./changed-tests.mjs");
  const { base, files } = await changedFiles(since);
  const all = await testFiles();
  const chosen = touchedTests(files, all, textOf);
  process.stdout.write(`Changed since ${base}: ${files.length === 0 ? "nothing" : files.join(", ")}\n`);
  for (const reason of new Set(chosen.values())) {
    const touched = [...chosen.keys()].filter((test) => chosen.get(test) === reason);
    const rest = touched.length > 5 ? ` and ${touched.length - 5} more` : "";
    process.stdout.write(`  ${reason}: ${touched.slice(0, 5).join(", ")}${rest}\n`);
  }
  process.stdout.write(`${chosen.size} of ${all.length} test files are touched.\n`);
  if (chosen.size === 0) process.exit(0);
  return [...chosen.keys()];
}
