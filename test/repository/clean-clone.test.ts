import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from "vitest";
import { freePort } from "../support/free-port.mjs";
import { notPossible } from "../support/places.ts";
import { root } from "./sandbox.ts";

const folder = mkdtempSync(join(tmpdir(), "latchkey-clone-"));
const starts: Started[] = [];

interface Started {
  readonly printed: string;
  readonly script: number;
}

beforeAll(async () => {
  const { stdout } = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: root, encoding: "utf8" });
  for (const file of stdout.split("\0").filter((name) => name !== "" && !/^(?:docs|bench\/peers)\//.test(name))) {
    if (statSync(join(root, file), { throwIfNoEntry: false }) === undefined) continue;
    cpSync(join(root, file), join(folder, file), { recursive: true });
  }
  for (const _time of [1, 2]) starts.push(await start());
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs what `npm start` runs until it serves the script of the API reference page, or ends. */
async function start(): Promise<Started> {
  const port = await freePort();
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:npm_(?!config_)|VITEST|CI$|NODE_ENV$)/.test(name));
  const server = spawn(process.execPath, ["scripts/start.mjs"], {
    cwd: folder,
    env: { ...Object.fromEntries(kept), LATCHKEY_PORT: String(port) },
  });
  let printed = "";
  for (const output of [server.stdout, server.stderr]) output.on("data", (chunk) => (printed += chunk));
  const ended = once(server, "close");
  const serves = vi.waitUntil(() => printed.includes('"msg":"listening"'), { timeout: 250_000 });
  await Promise.race([serves, ended]);
  const script = await fetch(`http://127.0.0.1:${port}/docs/openapi-explorer.js`).catch(() => undefined);
  const found = { printed, script: (await script?.text())?.length ?? 0 };
  server.kill();
  await ended;
  return found;
}

function requireRegistry(test: TestContext): void {
  const [first] = starts;
  if (first?.printed.includes("registry cannot be reached")) notPossible(test, "the registry cannot be reached");
}

describe("npm start in a clean clone", () => {
  it("installs, builds and serves, the script of the API reference page too", (test) => {
    requireRegistry(test);
    const [first] = starts;
    expect(first?.printed).toMatch(/^Installing what the server needs, \d+ packages … \d+(?:\.\d)? s\nBuilding … /);
    expect(first?.script).toBeGreaterThan(100_000);
  });

  it("installs less than 160 MB", (test) => {
    requireRegistry(test);
    const files = readdirSync(join(folder, "node_modules"), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const blocks = files.reduce((total, { parentPath, name }) => total + statSync(join(parentPath, name)).blocks, 0);
    expect((blocks * 512) / 1e6).toBeLessThan(160);
    expect(files.some(({ parentPath }) => parentPath.includes("node_modules/next"))).toBe(false);
  });

  it("neither installs nor builds the second time", (test) => {
    requireRegistry(test);
    expect(starts[1]?.printed).not.toMatch(/Installing|Building/);
    expect(starts[1]?.script).toBe(starts[0]?.script);
  });
});
