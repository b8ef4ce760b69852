import { spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { explainFailure } from "../../scripts/failure.mjs";
import { notPossible } from "../support/places.ts";
import { installInto, packInto } from "./packed.ts";
import { createSandbox, root } from "./sandbox.ts";

const PATIENCE_MS = 300_000;

const sandbox = createSandbox([], { packages: false, whenDone: afterAll });
let problem: string | undefined;

/** Each packed, and installed into a folder of its own that holds nothing else. */
beforeAll(() => {
  problem = installInto(sandbox, "api", [packInto(sandbox, ".")]);
  problem ??= installInto(sandbox, "service", [packInto(sandbox, "packages/verify")]);
}, PATIENCE_MS);

/** Without a way to the registry, and what is needed not in npm's cache, a test is skipped and says so; in CI that is a failure. */
function requireInstalled(test: TestContext): void {
  if (problem === undefined) return;
  const { cause, show } = explainFailure(1, problem);
  if (show || !cause.includes("cannot be reached")) throw new Error(problem);
  notPossible(test, `what it depends on cannot be installed here: ${cause}`);
}

/** Compiles a file of the sandbox as its user would, declarations of the packages included, and returns what the compiler found. */
function compile(file: string, types: readonly string[]) {
  const options = "--ignoreConfig --strict --module nodenext --target es2023 --lib es2023,dom".split(" ");
  const found = ["--types", types.join(","), "--typeRoots", join(root, "node_modules/@types")];
  return sandbox.node([join(root, "node_modules/typescript/bin/tsc"), ...options, ...found, file]);
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((total, { parentPath, name }) => total + statSync(join(parentPath, name)).size, 0);
}

const serving = `
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { createHandler, createIssuer, type IssuerOptions, isLatchkeyError } from "latchkey";
import { toNodeListener } from "latchkey/node";
import { createPostgresStore } from "latchkey/postgres";
import { createSqliteStore } from "latchkey/sqlite";
import { createVerifier } from "latchkey/verify";

const server = createServer();
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const options: IssuerOptions = {
  issuer: "http://127.0.0.1:" + (server.address() as AddressInfo).port,
  secret: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
  store: await createSqliteStore("app.db"),
  subjects: async (ids) => new Map(ids.map((id) => [id, { roles: ["editor"] }])),
};
const issuer = await createIssuer(options);
server.on("request", toNodeListener(createHandler(issuer)));

const first = await issuer.issue({ subject: "ada" });
const { accessToken, refreshToken } = await issuer.refresh(first.refreshToken);
const { sub, roles } = await issuer.verify(accessToken);
await issuer.revoke(refreshToken);
const ended = await issuer.refresh(refreshToken).catch((error: unknown) => isLatchkeyError(error) && error.code);
console.log(sub, roles, ended, typeof createPostgresStore, typeof createVerifier);
console.log(options.issuer, (await issuer.issue({ subject: "grace" })).accessToken);
process.stdin.once("end", () => process.exit()).resume();
`;

const verifying = `
import { createVerifier, isLatchkeyError, type VerifierOptions } from "@latchkey/verify";

export async function check(issuer: string, accessToken: string): Promise<unknown[]> {
  const options: VerifierOptions = { issuer, audience: issuer, algorithms: ["ES256"] };
  const verifier = createVerifier(options);
  const { sub, roles } = await verifier.verify(accessToken);
  const forged = await verifier.verify(accessToken.slice(0, -9) + "AAAAAAAAA").catch((error: unknown) => error);
  return [sub, roles, isLatchkeyError(forged) && forged.code];
}
`;

describe("installed into an empty folder", () => {
  it("latchkey issues, refreshes, verifies and revokes, and @latchkey/verify verifies what it issued", async (test) => {
    requireInstalled(test);
    sandbox.write("api/main.ts", serving);
    sandbox.write("service/check.ts", verifying);
    expect(compile("api/main.ts", ["node"]).stdout).toBe("");
    expect(compile("service/check.ts", []).stdout).toBe("");

    const api = spawn(process.execPath, ["main.js"], {
      cwd: join(sandbox.folder, "api"),
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => void api.kill());
    const lines = createInterface({ input: api.stdout })[Symbol.asyncIterator]();
    const { value: printed } = await lines.next();
    expect(printed).toBe("ada [ 'editor' ] session_revoked function function");

    const [issuer = "", token = ""] = (await lines.next()).value.split(" ");
    const { check } = await import(pathToFileURL(join(sandbox.folder, "service/check.js")).href);
    expect(await check(issuer, token)).toEqual(["grace", ["editor"], "invalid_access_token"]);
  });

  it("latchkey refuses a misspelt option and the path of a file that is not public, by its types", (test) => {
    requireInstalled(test);
    sandbox.write(
      "api/misuse.ts",
      [
        'import type { IssuerOptions } from "latchkey";',
        'import { nearestName } from "latchkey/dist/nearest-name.js";',
        "export const misspelt: Partial<IssuerOptions> = { accessTtlSecond: 900 };",
        "nearestName();",
      ].join("\n"),
    );
    expect(compile("api/misuse.ts", ["node"]).stdout.match(/error TS\d+/g)).toEqual(["error TS2307", "error TS2561"]);
  });

  it("each stays within its size, with all that it depends on", (test) => {
    requireInstalled(test);
    const megabytes = (folder: string) => bytesIn(join(sandbox.folder, folder, "node_modules")) / 2 ** 20;
    expect(megabytes("api")).toBeLessThan(60);
    expect(megabytes("service")).toBeLessThan(1.5);
  });
});
