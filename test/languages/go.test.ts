import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runQuietly } from "../../scripts/programs.mjs";
import { codeOf } from "../support/code-of.ts";
import { asymmetricAlgorithms, createWorld } from "./world.ts";

const TIMEOUT = { timeout: 600_000 };
const [program] = codeOf("docs/verify.md", "go");
// No other Go than the one that is here.
const environment = { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly" };
const go = (...args: readonly string[]) => runQuietly({ file: "go", args, environment });

const version = await go("version");
const minor = Number(/ go1\.(\d+)/.exec(version.output)?.[1] ?? 0);
/** What the libraries need. */
const OLDEST_MINOR = 25;

if (minor < OLDEST_MINOR) {
  const found =
    minor === 0 ? "no Go on the PATH" : `only Go 1.${minor} on the PATH, and the libraries need 1.${OLDEST_MINOR}`;
  console.warn(`No test in Go, because there is ${found}. Everything else is tested without it.`);
  it(`docs/verify.md: golang-jwt is not tried here, because there is ${found}`, () => {
    expect(minor).toBeLessThan(OLDEST_MINOR);
  });
} else {
  for (const algorithm of asymmetricAlgorithms) {
    it(
      `docs/verify.md: golang-jwt verifies access tokens by ${algorithm}, and refuses those that are not for this service`,
      TIMEOUT,
      async () => {
        const world = await createWorld(algorithm);
        const folder = mkdtempSync(join(tmpdir(), "latchkey-go-"));
        try {
          cpSync(fileURLToPath(new URL("go", import.meta.url)), folder, { recursive: true });
          mkdirSync(join(folder, "access"));
          writeFileSync(join(folder, "access", "verify.go"), world.adapt(program!));
          const { output } = await go("-C", folder, "run", ".", world.good, ...Object.values(world.refused));
          const lines = output.split("\n").filter((line) => line.startsWith("{"));
          expect(lines, output).toHaveLength(1 + Object.keys(world.refused).length);
          const [good, ...refused] = lines.map((line) => JSON.parse(line));
          expect(good).toEqual({ sub: expect.stringMatching(/./), sid: expect.stringMatching(/./) });
          expect(Object.keys(world.refused).map((name, index) => [name, refused[index]])).toEqual(
            Object.keys(world.refused).map((name) => [name, { refused: expect.stringMatching(/./) }]),
          );
        } finally {
          rmSync(folder, { recursive: true, force: true });
          await world.close();
        }
      },
    );
  }
}
