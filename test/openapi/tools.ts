import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import { explainFailure } from "../../scripts/failure.mjs";
import { packagesAreCurrent } from "../../scripts/prepare.mjs";
import { npm, runQuietly } from "../../scripts/programs.mjs";
import { notPossible } from "../support/places.ts";

/** The folder of the linters and the generator: packages that nobody else has to install. */
export const folder = fileURLToPath(new URL("tools", import.meta.url));

/** How long a test may take that may have to install them first. */
export const TOOLS_TEST_TIMEOUT_MS = 300_000;

const RECORD = "node_modules/.package-lock.json";
let installed: Promise<string | undefined> | undefined;

/** Installs the tools where they are missing. Where that fails the test is skipped with the reason, which in CI is a failure. */
export async function requireTools(test: TestContext): Promise<void> {
  installed ??= install();
  const problem = await installed;
  if (problem !== undefined) notPossible(test, problem);
}

async function install(): Promise<string | undefined> {
  if (isCurrent()) return undefined;
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=warn"];
  const { code, output } = await runQuietly(npm(["ci", "--prefix", folder, ...options]));
  if (code === 0) return undefined;
  const { cause, remedy } = explainFailure(code, output);
  const problem = `the linters of test/openapi/tools could not be installed: ${cause}. ${remedy}`;
  // The reporter keeps the reasons of skipped tests to itself.
  console.warn(`The OpenAPI document is not linted, because ${problem}.`);
  return problem;
}

function isCurrent(): boolean {
  if (!existsSync(join(folder, RECORD))) return false;
  return packagesAreCurrent(packagesOf("package-lock.json"), packagesOf(RECORD));
}

function packagesOf(lockFile: string) {
  return JSON.parse(readFileSync(join(folder, lockFile), "utf8")).packages;
}

/** Runs one of the tools, in their folder, without anything that it would ask of or report to another host. */
export function runTool(packageName: string, command: string, args: readonly string[]) {
  const packageFolder = join(folder, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  const script = join(packageFolder, typeof bin === "string" ? bin : bin[command]);
  return runQuietly({
    file: process.execPath,
    args: [script, ...args],
    environment: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", NO_COLOR: "1" },
  });
}
