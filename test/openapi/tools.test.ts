import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runQuietly } from "../../scripts/programs.mjs";
import type { IssuerOptions } from "../../src/index.ts";
import { addUser, startServer } from "../support/server-process.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";
import { folder, requireTools, runTool, TOOLS_TEST_TIMEOUT_MS } from "./tools.ts";

const TIMEOUT = { timeout: TOOLS_TEST_TIMEOUT_MS };
const work = mkdtempSync(join(tmpdir(), "latchkey-openapi-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const ISSUER = "https://auth.latchkey.test";

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
type Node = any;

async function readDocument(options: Partial<IssuerOptions>): Promise<Node> {
  const bed = await createTestBed(options);
  return (await bed.call("GET", "/openapi.json")).body;
}

function write(document: Node): string {
  const path = join(work, "openapi.json");
  writeFileSync(path, JSON.stringify(document, null, 2));
  return path;
}

/** Each linter by its recommended rules, and what it finds: errors, warnings and hints alike. */
const linters = {
  async Spectral(document: Node): Promise<readonly string[]> {
    const output = join(work, "spectral.json");
    const args = ["--ruleset", join(folder, ".spectral.yaml"), "--fail-severity", "hint"];
    await runTool("@stoplight/spectral-cli", "spectral", [
      ...["lint", write(document), ...args],
      ...["--format", "json", "--output", output],
    ]);
    const found: readonly Node[] = JSON.parse(readFileSync(output, "utf8"));
    return found.map(({ code, path, message }) => `${code} at ${path.join("/")}: ${message}`);
  },

  async Redocly(document: Node): Promise<readonly string[]> {
    const args = ["lint", write(document), "--extends", "recommended", "--format", "json", "--max-problems", "1000"];
    const { output } = await runTool("@redocly/cli", "redocly", args);
    // A note about the version of Node may come first.
    const { problems } = JSON.parse(output.slice(output.indexOf('{\n  "totals"'), output.lastIndexOf("}") + 1));
    return problems.map(({ ruleId, message }: Node) => `${ruleId}: ${message}`);
  },
};

describe("the OpenAPI document", () => {
  for (const [name, lint] of Object.entries(linters)) {
    it(
      `has no error and no warning in ${name}, by the recommended rules, whatever the issuer's options`,
      TIMEOUT,
      async (test) => {
        await requireTools(test);
        for (const options of [{ issuer: ISSUER }, { issuer: `${ISSUER}/tenant`, passwordMinLength: 40 }]) {
          expect(await lint(await readDocument(options))).toEqual([]);
        }
      },
    );

    it(
      `is looked at by ${name}: it finds what is not declared, and an example that is not valid`,
      TIMEOUT,
      async (test) => {
        await requireTools(test);
        const document = await readDocument({ issuer: ISSUER });
        document.components.schemas.Login.properties.device.example = "x".repeat(129);
        document.paths["/auth/login"].post.security = [{ nothing: [] }];
        const found = (await lint(document)).join("\n");
        expect(found).toMatch(/example/);
        expect(found).toMatch(/nothing/);
      },
    );
  }
});

describe("a client generated from a server's OpenAPI document by openapi-typescript", () => {
  it("type-checks, signs in, refreshes, lists sessions and ends one at that server", TIMEOUT, async (test) => {
    await requireTools(test);
    const database = { LATCHKEY_DATABASE_URL: `sqlite:${join(work, "latchkey.db")}` };
    await addUser("ada", database);
    const server = await startServer(database);
    try {
      const generated = join(folder, ".cache");
      mkdirSync(generated, { recursive: true });
      const types = ["--output", join(generated, "latchkey.d.ts")];
      const generator = await runTool("openapi-typescript", "openapi-typescript", [
        `${server.url}/openapi.json`,
        ...types,
      ]);
      expect(generator).toMatchObject({ code: 0 });
      expect(await runTool("typescript", "tsc", ["-p", folder])).toEqual({ code: 0, output: "" });
      const args = [join(generated, "sign-in.mjs"), server.url, "ada", PASSWORD];
      const { output } = await runQuietly({ file: process.execPath, args });
      expect(JSON.parse(output)).toEqual({
        isSameSession: true,
        isNewPair: true,
        expiresInSeconds: 900,
        device: "Ada's laptop",
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        isCurrent: true,
        ended: 204,
        late: "session_revoked",
      });
    } finally {
      await server.stop();
    }
  });
});
