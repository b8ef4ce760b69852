// npm start: installs and builds what is missing, then becomes the server.
import { requireNode } from "./node-version.mjs";

requireNode();
const { prepare } = await import("./prepare.mjs");
await prepare("serving");

stopWithNpm();
const { fileURLToPath } = await import("node:url");
const cli = new URL("../dist/server/cli.js", import.meta.url);
process.argv = [process.execPath, fileURLToPath(cli), "start", ...process.argv.slice(2)];
await import(cli.href);

/** npm hands a SIGTERM only to the shell that it started, so the loss of that shell is taken for the signal. */
function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, 250);
  watch.unref();
}
