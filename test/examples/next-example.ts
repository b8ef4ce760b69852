import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { expect } from "vitest";
import { freePort } from "../support/free-port.mjs";
import { addPeople, type RunningExample, root, startServer } from "./running-example.ts";

// Inside the package, so that Next.js and React resolve.
const folder = join(root, ".cache", "example-next");
const next = join(root, "node_modules/next/dist/bin/next");

/** Builds the example where `latchkey` is installed as a package, and type-checks it, as `next build` does. No network is needed. */
export async function buildNextExample(): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(root, "examples/next"), folder, {
    recursive: true,
    filter: (path) => !/\.next$|node_modules$/.test(path),
  });
  const installed = join(folder, "node_modules/latchkey");
  mkdirSync(installed, { recursive: true });
  cpSync(join(root, "package.json"), join(installed, "package.json"));
  cpSync(join(root, "dist"), join(installed, "dist"), { recursive: true });
  nameRoot();
  const env = { PATH: process.env.PATH, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [next, "build"], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  expect({ status, output: status === 0 ? "" : stdout + stderr }).toEqual({ status: 0, output: "" });
  await addPeople(join(folder, "app.db"));
}

/** Tells Next.js the folder that holds both the example and the installed packages, wherever a link may lead. */
function nameRoot(): void {
  const packages = realpathSync(join(root, "node_modules"));
  let common = root;
  while (relative(common, packages).startsWith("..")) common = resolve(common, "..");
  renameSync(join(folder, "next.config.ts"), join(folder, "example.config.ts"));
  const config = `import config from "./example.config";\nexport default { ...config, turbopack: { root: ${JSON.stringify(common)} } };\n`;
  writeFileSync(join(folder, "next.config.ts"), config);
}

/** Starts what has been built. */
export async function startNextExample(): Promise<RunningExample> {
  const port = await freePort();
  const command = [next, "start", "--hostname", "127.0.0.1", "--port", String(port)];
  return startServer(command, folder, port, "/api/orders");
}

export function removeNextExample(): void {
  rmSync(folder, { recursive: true, force: true });
}
