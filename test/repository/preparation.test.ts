import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it, onTestFailed } from "vitest";
import { explainFailure } from "../../scripts/failure.mjs";
import { nodeVersionProblem } from "../../scripts/node-version.mjs";
import { packagesAreCurrent, servingPackages } from "../../scripts/prepare.mjs";
import { createSandbox, readRepositoryFile } from "./sandbox.ts";

interface PeersOf {
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** What an installation is made from. */
const manifests = [".npmrc", "package.json", "package-lock.json", ...workspaceManifests()];

function workspaceManifests(): readonly string[] {
  const { packages } = JSON.parse(readRepositoryFile("package-lock.json"));
  return Object.keys(packages)
    .filter((path) => path !== "" && !path.includes("node_modules/"))
    .map((path) => `${path}/package.json`);
}

const noRegistry = { npm_config_registry: "http://127.0.0.1:9" };

describe("the Node that npm start and npm test run on", () => {
  it.each(["20.19.0", "20.20.2", "21.0.0", "22.12.0", "100.0.0"])("may be %s", (version) => {
    expect(nodeVersionProblem(version)).toBeUndefined();
  });

  it.each(["8.17.0", "18.20.8", "20.9.0", "20.18.3"])(
    "may not be %s, which one line says with what is needed",
    (version) => {
      const problem = nodeVersionProblem(version);
      expect(problem).toContain("20.19 or later is needed");
      expect(problem).toContain(version);
      expect(problem).not.toContain("\n");
    },
  );

  it.each(["start", "test", "check"])("is looked at by scripts/%s.mjs before anything else", (script) => {
    const sandbox = createSandbox(["scripts", "package.json"], { packages: false });
    sandbox.write(
      "old-node.mjs",
      'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.8" } });',
    );
    const { code, stdout, stderr } = sandbox.node(["--import", "./old-node.mjs", `scripts/${script}.mjs`]);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toBe(`${nodeVersionProblem("18.20.8")}\n`);
  });
});

describe("installing", () => {
  const locked = {
    "": { version: "0.1.0" },
    "node_modules/zod": { version: "4.6.7", integrity: "sha512-a" },
    "node_modules/@libsql/win32-x64-msvc": { version: "0.5.29", integrity: "sha512-b", optional: true },
  };
  const zod = locked["node_modules/zod"];

  it("is not done again when all is there but the parts for other systems", () => {
    expect(packagesAreCurrent(locked, { "node_modules/zod": zod })).toBe(true);
  });

  it.each([
    ["a package is missing", {}],
    ["a package has another version", { "node_modules/zod": { ...zod, version: "4.6.6" } }],
    ["a package has another content", { "node_modules/zod": { ...zod, integrity: "sha512-c" } }],
  ])("is done again when %s", (_what, installed) => {
    expect(packagesAreCurrent(locked, installed)).toBe(false);
  });

  it("brings for the server what the product depends on and the compiler, and no framework or tool", () => {
    const { packages } = JSON.parse(readRepositoryFile("package-lock.json"));
    const names = Object.keys(servingPackages(packages));
    expect(names).toEqual(
      expect.arrayContaining(["hono", "jose", "pino", "zod", "typescript"].map((name) => `node_modules/${name}`)),
    );
    expect(
      names.filter((name) =>
        /\/(?:express|fastify|next|pg|react|vitest|@nestjs|@types|openapi-explorer|latchkey)\b/.test(name),
      ),
    ).toEqual([]);
  });

  it("brings for the server every package that one of those asks for as its peer", () => {
    const { packages } = JSON.parse(readRepositoryFile("package-lock.json"));
    const needed = servingPackages(packages);
    const peers = Object.values(needed as Readonly<Record<string, PeersOf>>).flatMap(
      ({ peerDependencies = {}, peerDependenciesMeta = {} }) =>
        Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true),
    );
    expect(peers.filter((name) => !(`node_modules/${name}` in needed))).toEqual([]);
    expect(peers).toContain("zod");
  });

  it("tells in one line that there is no way to the package registry, and keeps the log", () => {
    const sandbox = createSandbox([...manifests, "scripts"], { packages: false });
    const cache = { npm_config_cache: `${sandbox.folder}/cache` };
    const { code, stderr } = sandbox.node(["scripts/start.mjs"], { ...noRegistry, ...cache });
    const [progress, problem, ...rest] = stderr.split("\n");
    expect(code).toBe(1);
    expect(progress).toMatch(/^Installing what the server needs, \d+ packages … \d/);
    expect(problem).toBe(
      "Installing failed: the package registry cannot be reached (ECONNREFUSED). " +
        "Check the network and its proxy, then run this again. Log: .cache/install.log",
    );
    expect(rest).toEqual([""]);
    expect(sandbox.read(".cache/install.log")).toContain("ECONNREFUSED");
  });

  it("tells in one line that npm is not there", () => {
    const sandbox = createSandbox([...manifests, "scripts"], { packages: false });
    const { code, stderr } = sandbox.node(["scripts/start.mjs"], { PATH: sandbox.folder });
    expect(code).toBe(1);
    expect(stderr).toContain("\nInstalling failed: npm is not here. Install it (it comes with Node.js)");
  });
});

describe("a failure is explained", () => {
  it.each([
    ["npm error code ENOTFOUND\nnpm error network EACCES", "registry cannot be reached (ENOTFOUND)"],
    ["npm error code EAI_AGAIN", "registry cannot be reached (EAI_AGAIN)"],
    ["npm error code ETIMEDOUT", "registry cannot be reached (ETIMEDOUT)"],
    ["npm warn tar TAR_ENTRY_ERROR ENOSPC: no space left on device, write", "the disk is full (ENOSPC)"],
    ["npm error code SELF_SIGNED_CERT_IN_CHAIN", "certificate is not trusted (SELF_SIGNED_CERT_IN_CHAIN)"],
    ["npm error code EINTEGRITY", "not the one in package-lock.json (EINTEGRITY)"],
    ["npm error code EUSAGE", "do not agree (EUSAGE)"],
    ["npm error code EACCES", "may not be written (EACCES)"],
    ["npm ERR! code E403", "refuses access (E403)"],
  ])("from %j: %s", (output, cause) => {
    const explanation = explainFailure(1, output);
    expect(explanation.cause).toContain(cause);
    expect(explanation.show).toBe(false);
  });

  it("by showing the compiler's own words when the source does not compile", () => {
    const output = "src/engine/options.ts(3,7): error TS2322: Type '\"ENOSPC\"' is not assignable to type 'number'.";
    expect(explainFailure(2, output)).toMatchObject({ cause: "the compiler found errors", show: true });
  });

  it("by showing all that was printed when nothing in it is known", () => {
    expect(explainFailure(1, "npm error code ENOVEL").show).toBe(true);
  });
});

const copied = ["scripts", "package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];

describe("building", () => {
  const cli = '#!/usr/bin/env node\nconsole.log("serving", ...process.argv.slice(2));\n';

  it("is done once, and again when a source file has changed; then the server gets what was asked for", () => {
    const sandbox = createSandbox(copied);
    sandbox.write("src/server/cli.ts", cli);
    const first = sandbox.node(["scripts/start.mjs", "--port", "0"]);
    expect(first.stderr).toMatch(/^Building … \d\S* s\n$/);
    expect(first.stdout).toBe("serving start --port 0\n");
    expect(sandbox.node(["scripts/start.mjs"])).toEqual({ code: 0, stdout: "serving start\n", stderr: "" });
    sandbox.write("src/server/cli.ts", cli.replace("serving", "serving anew"));
    const again = sandbox.node(["scripts/start.mjs"]);
    expect(again.stderr).toMatch(/^Building … /);
    expect(again.stdout).toBe("serving anew start\n");
  });

  it("shows what the compiler cannot read, ends with one line that says so, and is tried again the next time", () => {
    const sandbox = createSandbox(copied);
    sandbox.write("src/server/cli.ts", `${cli}export const port = ;\n`);
    for (const _attempt of [1, 2]) {
      const { code, stdout, stderr } = sandbox.node(["scripts/start.mjs"]);
      expect(code).toBe(1);
      expect(stdout).toBe("");
      expect(stderr).toContain("src/server/cli.ts(3,21): error TS1109");
      expect(stderr).toMatch(/\nBuilding failed: the compiler found errors\. .+ Log: \.cache\/build\.log\n$/);
    }
  });
});

describe("types", () => {
  const wrong = '#!/usr/bin/env node\nexport const port: number = "4000";\nconsole.log("serving");\n';

  it("are not looked at by npm start, which has no framework's types", () => {
    const sandbox = createSandbox(copied);
    sandbox.write("src/server/cli.ts", wrong);
    expect(sandbox.node(["scripts/start.mjs"])).toMatchObject({ code: 0, stdout: "serving\n" });
  });

  it("are checked by the build that npm pack runs, which leaves nothing to publish where one is wrong", () => {
    const sandbox = createSandbox(copied);
    sandbox.write("src/server/cli.ts", wrong);
    const { code, stderr } = sandbox.node(["scripts/build.mjs"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("src/server/cli.ts(2,14): error TS2322")]);
    expect(existsSync(`${sandbox.folder}/dist`)).toBe(false);
  });
});

describe("npm start", () => {
  it("ends with the shell that npm ran it in, by SIGTERM, since npm passes no signal on to it", async () => {
    const sandbox = createSandbox(copied);
    sandbox.write(
      "src/server/cli.ts",
      [
        "#!/usr/bin/env node",
        "const running = setInterval(() => {}, 1000);",
        'process.once("SIGTERM", () => {',
        '  console.log("stopped");',
        "  clearInterval(running);",
        "});",
        'console.log("serving");',
      ].join("\n"),
    );
    const env = { PATH: sandbox.folder, npm_lifecycle_event: "start" };
    const command = `"${process.execPath}" scripts/start.mjs; true`;
    const shell = spawn("/bin/sh", ["-c", command], { cwd: sandbox.folder, env, detached: true });
    onTestFailed(() => void process.kill(-(shell.pid ?? Number.NaN), "SIGKILL"));
    const printed: string[] = [];
    for await (const text of shell.stdout.setEncoding("utf8")) {
      printed.push(text);
      if (text.includes("serving")) shell.kill("SIGKILL");
    }
    expect(printed.join("")).toBe("serving\nstopped\n");
  });
});
