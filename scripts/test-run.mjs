import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageCommand, runShown } from "./programs.mjs";
import { seconds } from "./progress.mjs";
import { root } from "./root.mjs";

/**
 * What vitest's JSON report says, as far as it is read here.
 * @typedef {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: { name: string, status: string, assertionResults: { status: string, fullName: string }[] }[] }} Report
 */

const reportFile = ".cache/vitest.json";

/**
 * One run of vitest, and what can be said of it afterwards.
 * @param {{ readonly selection: readonly string[], readonly refuseSkipped: boolean }} options `selection` is handed to vitest;
 *   with `refuseSkipped` a test that did not run fails the run
 */
export function createTestRun({ selection, refuseSkipped }) {
  let totals = { passed: 0, failed: 1, skipped: 0 };

  return {
    async run() {
      const started = performance.now();
      const passed = await runTests();
      return { passed, line: `${passed ? "passed" : "FAILED"}  tests  ${seconds(started)}\n` };
    },
    totals: () => `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`,
  };

  async function runTests() {
    rmSync(join(root, reportFile), { force: true });
    mkdirSync(join(root, ".cache"), { recursive: true });
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportFile}`];
    const succeeded = await runShown(packageCommand("vitest", ["run", ...reporters, ...selection]));
    const report = readReport();
    if (report === undefined) return false;
    totals = count(report, succeeded);
    if (!refuseSkipped || totals.skipped === 0) return succeeded;
    process.stdout.write(
      `Skipped, which is not allowed here:\n${skippedTests(report)
        .map((name) => `  ${name}\n`)
        .join("")}`,
    );
    return false;
  }
}

/** @returns {Report | undefined} */
function readReport() {
  try {
    return JSON.parse(readFileSync(join(root, reportFile), "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * A file that could not be loaded has no tests to count, nor has an unhandled error: each still counts as a failure.
 * @param {Report} report
 * @param {boolean} succeeded
 */
function count(report, succeeded) {
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  );
  const failed = report.numFailedTests + brokenFiles.length;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && !succeeded ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** @param {Report} report */
function skippedTests(report) {
  return report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status !== "passed" && status !== "failed")
      .map(({ fullName }) => `${name.replace(root, "")}: ${fullName}`),
  );
}
