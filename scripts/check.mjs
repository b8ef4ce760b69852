// npm run check: every check but the tests. Names after it run only those, as in `npm run check -- types style`.
import { requireNode } from "./node-version.mjs";

requireNode();
const { prepare } = await import("./prepare.mjs");
const { checkNames, runChecks } = await import("./checks.mjs");

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !checkNames.some((known) => known === name));
if (unknown.length > 0) {
  process.stderr.write(`Unknown check '${unknown.join("', '")}'. The checks are: ${checkNames.join(", ")}.\n`);
  process.exit(1);
}
await prepare("everything");
const { failed, lines } = await runChecks(checkNames.filter((name) => wanted.length === 0 || wanted.includes(name)));
process.stdout.write(`\n── summary\n${lines.join("")}`);
if (failed.length > 0) process.stdout.write(`\nFailed: ${failed.join(", ")}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
