import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, type TestContext } from "vitest";
import { runQuietly } from "../../scripts/programs.mjs";
import { codeOf } from "../support/code-of.ts";
import { notPossible } from "../support/places.ts";
import { createTestBed } from "../support/test-bed.ts";
import { asymmetricAlgorithms, createWorld } from "./world.ts";

const TIMEOUT = { timeout: 600_000 };
/** The first two as the table of docs/verify.md names them. */
const REQUIREMENTS = ["pyjwt[crypto]==2.15.1", "joserfc==1.8.0", "openapi-spec-validator==0.9.0"];

const cache = fileURLToPath(new URL("../../.cache/python", import.meta.url));
const python = process.env.PYTHON ?? "python3";
let prepared: Promise<{ readonly interpreter: string } | { readonly problem: string }> | undefined;

/** A Python with the libraries, in an environment of its own. Where there is none, the test is skipped with the reason. */
async function requirePython(test: TestContext): Promise<string> {
  prepared ??= prepare();
  const found = await prepared;
  return "interpreter" in found ? found.interpreter : notPossible(test, found.problem);
}

async function prepare(): Promise<Awaited<NonNullable<typeof prepared>>> {
  const version = await runQuietly({ file: python, args: ["--version"] });
  if (version.code !== 0) return skipped(`there is no ${python}. Install it, or name another with PYTHON=/path/to/it`);
  const name = createHash("sha256")
    .update([version.output, ...REQUIREMENTS].join())
    .digest("hex");
  const folder = join(cache, name.slice(0, 16));
  const interpreter = join(folder, "bin", "python");
  if (existsSync(interpreter)) return { interpreter };
  mkdirSync(cache, { recursive: true });
  // Whole or not at all: what an interrupted run has left is not taken for it.
  const unfinished = mkdtempSync(join(cache, "unfinished-"));
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...REQUIREMENTS];
  try {
    const made = await runQuietly({ file: python, args: ["-m", "venv", "--copies", unfinished] });
    if (made.code !== 0) {
      return skipped(`no virtual environment could be made (apt-get install python3-venv): ${lastLine(made.output)}`);
    }
    const installed = await runQuietly({ file: join(unfinished, "bin", "python"), args: pip });
    if (installed.code !== 0) return skipped(`pip could not install the libraries: ${lastLine(installed.output)}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
    return { interpreter };
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

const lastLine = (output: string) => output.trim().split("\n").at(-1);

function skipped(problem: string) {
  // The reporter keeps the reasons of skipped tests to itself.
  console.warn(`No test in Python, because ${problem}.`);
  return { problem };
}

/** Says of each token, in order, whose it is, or by which exception it was refused. */
const JUDGE = `

import json
import sys

for token in sys.argv[1:]:
    try:
        print(json.dumps({"sub": verify(token)["sub"]}))
    except Exception as error:
        print(json.dumps({"refused": type(error).__name__}))
`;

/** What the libraries and the page refuse a token with, and not what a program fails with that has a mistake. */
const ITS_OWN = /^(?:PyJWKClientError|\w*(?:Invalid|Expired|Decode|Unsupported|BadSignature)\w*|ValueError)$/;

const programs = codeOf("docs/verify.md", "python").map(
  (code) => [/PyJWKClient/.test(code) ? "PyJWT" : "joserfc", code] as const,
);

for (const algorithm of asymmetricAlgorithms) {
  it(
    `docs/verify.md: PyJWT and joserfc verify access tokens by ${algorithm}, and refuse those that are not for this service`,
    TIMEOUT,
    async (test) => {
      const interpreter = await requirePython(test);
      const world = await createWorld(algorithm);
      try {
        expect(programs.map(([library]) => library)).toEqual(["PyJWT", "joserfc"]);
        for (const [library, program] of programs) {
          const args = [
            "-W",
            "ignore",
            "-c",
            world.adapt(program) + JUDGE,
            world.good,
            ...Object.values(world.refused),
          ];
          const { output } = await runQuietly({ file: interpreter, args });
          const lines = output.split("\n").filter((line) => line.startsWith("{"));
          expect(lines, output).toHaveLength(1 + Object.keys(world.refused).length);
          const [good, ...refused] = lines.map((line) => JSON.parse(line));
          expect([library, good]).toEqual([library, { sub: expect.stringMatching(/./) }]);
          expect(Object.keys(world.refused).map((name, index) => [library, name, refused[index].refused])).toEqual(
            Object.keys(world.refused).map((name) => [library, name, expect.stringMatching(ITS_OWN)]),
          );
        }
      } finally {
        await world.close();
      }
    },
  );
}

it(
  "the OpenAPI document is valid for Python's openapi-spec-validator, and without the patterns that re cannot read",
  TIMEOUT,
  async (test) => {
    const interpreter = await requirePython(test);
    const folder = mkdtempSync(join(cache, "document-"));
    try {
      const bed = await createTestBed();
      const document = (await bed.call("GET", "/openapi.json")).body;
      const judge = async () => {
        const path = join(folder, "openapi.json");
        writeFileSync(path, JSON.stringify(document));
        return runQuietly({
          file: interpreter,
          args: ["-W", "error::FutureWarning", "-m", "openapi_spec_validator", path],
        });
      };
      expect(await judge()).toMatchObject({ code: 0 });
      document.components.schemas.Login.properties.device.pattern = "^\\p{L}*$";
      expect((await judge()).output).toContain("is not a 'regex'");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
