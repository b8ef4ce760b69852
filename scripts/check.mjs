// npm run check: every check but the tests. Names after it run only those, as in `npm run check -- types style`.
import { requireNode } from "./node-version.mjs";

requireNode();
const { prepare } = await import("./prepare.mjs");
const { runChecks, staticChecks } = await import("./checks.mjs");

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in staticChecks));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no check '${unknown.join("', '")}'. There are: ${Object.keys(staticChecks).join(", ")}.\n`,
  );
  process.exit(1);
}
await prepare();
const checks = Object.entries(staticChecks).filter(([name]) => wanted.length === 0 || wanted.includes(name));
const failed = await runChecks(Object.fromEntries(checks));
if (failed.length > 0) process.stdout.write(`\nFailed: ${failed.join(", ")}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
