import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** `SECURITY 83, 84` inside the title of a test or of a group of them. */
const NAMED = /^\s*(?:it|describe)(?:\.each)?\b.*?\bSECURITY ((?:\d+(?:, )?)+)/gm;

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("the security checklist", () => {
  const named = new Set(
    readdirSync(ROOT, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) => [...readFileSync(`${ROOT}/${name}`, "utf8").matchAll(NAMED)])
      .flatMap(([, numbers = ""]) => numbers.match(/\d+/g) ?? [])
      .map(Number),
  );

  it("has a test that names each item on access tokens and keys, and on cookies, CSRF, CORS and headers", () => {
    expect([...range(32, 51), ...range(81, 94)].filter((item) => !named.has(item))).toEqual([]);
  });
});
