import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { codeOf, examplesInComments, optionTable } from "../support/code-of.ts";
import { freePort } from "../support/free-port.mjs";
import { addUser, PASSWORD } from "../support/server-process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
// Inside the package, so that `latchkey` resolves to itself through its own exports, as it does where it is installed.
const folder = join(root, ".cache", "documentation-code");
const pagesIn = (directory: string) =>
  readdirSync(join(root, directory))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${directory}/${name}`);
const pages = ["README.md", ...pagesIn("docs")];

interface Example {
  readonly name: string;
  readonly code: string;
}

const nameOf = (page: string) => page.replace(/\W/g, "-");

const examples: Example[] = [
  ...pages.flatMap((page) => codeOf(page).map((code, index) => ({ name: `${nameOf(page)}-${index}`, code }))),
  // A page about a migration is one program, in parts.
  ...pagesIn("docs/migrate").map((page) => ({ name: nameOf(page), code: codeOf(page).join("\n") })),
  ...examplesInComments().map(({ about, code }, index) => ({ name: `comment-${about}-${index}`, code })),
  { name: "guard-options", code: guardsOfTheTable() },
];

/** A guard for every example in the table of its options. */
function guardsOfTheTable(): string {
  const calls = optionTable("docs/library.md", "## Guards").map((cells) => {
    const example = /^`(.*)`$/.exec(cells.at(-1)!.trim())?.[1];
    return `createGuard(issuer, ${example});`;
  });
  return ['import { createGuard } from "latchkey";', ...calls].join("\n");
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function compile(): { readonly code: number | null; readonly output: string } {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, code } of examples) writeFileSync(join(folder, `${name}.mts`), code);
  const options = {
    noEmit: false,
    outDir: "out",
    declaration: false,
    rootDir: ".",
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: false,
    experimentalDecorators: true,
  };
  // An example that continues the one before it may use its names.
  writeFileSync(join(folder, "before.d.ts"), 'declare const issuer: import("latchkey").Issuer;\n');
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: options, include: ["*.mts", "*.d.ts"] }),
  );
  const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  return { code: status, output: stdout };
}

describe("the TypeScript in README.md, docs/ and the doc comments", () => {
  it("compiles against the package's published types", () => {
    expect(examples.length).toBeGreaterThan(40);
    expect(compile()).toEqual({ code: 0, output: "" });
  });

  it("runs: the README's example signs in, guards a route and refuses a request without a token", async () => {
    compile();
    const port = await freePort();
    const script = join(folder, "out", "README-md-0.mjs");
    writeFileSync(script, readFileSync(script, "utf8").replaceAll("4000", String(port)));
    const secret = { LATCHKEY_SECRET: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM" };
    await addUser("ada", { ...secret, LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "app.db")}` });
    const example = spawn(process.execPath, [script], {
      cwd: folder,
      env: { ...process.env, ...secret },
      stdio: "inherit",
    });
    try {
      const url = `http://127.0.0.1:${port}`;
      const isUp = () =>
        fetch(`${url}/livez`).then(
          ({ ok }) => ok,
          () => false,
        );
      await expect.poll(isUp, { timeout: 60_000 }).toBe(true);
      expect((await fetch(`${url}/orders`)).status).toBe(401);
      const login = await fetch(`${url}/auth/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: "ada", password: PASSWORD }),
      });
      const { access_token: token } = (await login.json()) as { access_token: string };
      const orders = await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } });
      expect([orders.status, await orders.json()]).toEqual([200, { of: expect.any(String) }]);
    } finally {
      const ended = once(example, "exit");
      example.kill();
      await ended;
    }
  });
});
