// npm run faults: the tests that prove something by numbers, with the numbers of the long run. With arguments, only the tests
// that they select, as in `npm run faults -- kill`. Their figures take the place of those before in docs/reliability.json and in
// the table of docs/reliability.md.
import { requireNode } from "./node-version.mjs";

requireNode();
const { readdirSync, readFileSync, rmSync } = await import("node:fs");
const { cpus, totalmem } = await import("node:os");
const { join } = await import("node:path");
const { prepare } = await import("./prepare.mjs");
const { packageCommand, runQuietly, runShown } = await import("./programs.mjs");
const { keepFigures } = await import("./reliability-page.mjs");
const { root } = await import("./root.mjs");

const everyRun = ["test/faults/", "test/issuer/engine-model", "test/http/fuzz", "mutations", "test/refresh-token/"];
const kept = join(root, ".cache/faults");

await prepare("everything");
const selection = process.argv.slice(2);
rmSync(kept, { recursive: true, force: true });
process.env.FAULTS = "long";
const succeeded = await runShown(packageCommand("vitest", ["run", ...(selection.length > 0 ? selection : everyRun)]));
if (succeeded) await keep();
process.exitCode = succeeded ? 0 : 1;

async function keep() {
  const { output } = await runQuietly({ file: "git", args: ["rev-parse", "--short", "HEAD"] });
  const figures = readdirSync(kept).map((name) => JSON.parse(readFileSync(join(kept, name), "utf8")));
  keepFigures(figures, {
    machine: {
      processors: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      system: process.platform,
    },
    date: new Date().toISOString().slice(0, 10),
    commit: output.trim(),
  });
  process.stdout.write("\nThe figures stand in docs/reliability.json and docs/reliability.md.\n");
}
