import { describe, expect, it } from "vitest";
import { lint } from "./lint.ts";

function refusalsOf(file: string, code: string): readonly string[] {
  return lint({ [file]: `${code}\n` })
    .filter(({ rule }) => rule === "plugin" || rule === "style/noProcessEnv" || rule === "suspicious/noConsole")
    .map(({ message }) => message);
}

describe("time, randomness, settings and output have one door each", () => {
  it.each([
    ["the clock", "export const now = Date.now();"],
    ["the clock by its constructor", "export const now = new Date();"],
    ["the clock through the global object", "export const now = globalThis.Date.now();"],
    ["a monotonic clock", "export const now = process.hrtime.bigint();"],
    ["a monotonic clock by import", 'import { performance } from "node:perf_hooks";\nexport { performance };'],
    ["chance", "export const chance = Math.random();"],
    ["random bytes", 'import { randomBytes } from "node:crypto";\nexport { randomBytes };'],
    ["random bytes under another name", 'import { randomBytes as bytes } from "node:crypto";\nexport { bytes };'],
    ["random identifiers", "export const id = crypto.randomUUID();"],
    ["the environment", "export const secret = process.env.LATCHKEY_SECRET;"],
    ["the environment by import", 'import { env } from "node:process";\nexport { env };'],
    ["the console", 'console.error("refused");'],
  ])("refuses %s in an ordinary source file", (_what, code) => {
    expect(refusalsOf("src/http/handler.ts", code)).not.toEqual([]);
  });

  it("lets environment.ts read the clock and the random source", () => {
    expect(refusalsOf("src/environment.ts", "export const now = Date.now();")).toEqual([]);
  });

  it("lets the server read its settings and write to the console", () => {
    expect(refusalsOf("src/server/settings/config.ts", "console.log(process.env.LATCHKEY_PORT);")).toEqual([]);
  });

  it("lets any file turn a given instant into a date", () => {
    expect(refusalsOf("src/http/handler.ts", "export const at = (ms: number) => new Date(ms).toISOString();")).toEqual(
      [],
    );
  });
});
