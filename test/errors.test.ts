import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type ErrorCode, errorCatalogue, isLatchkeyError, LatchkeyError } from "../src/errors.ts";

const codes = Object.keys(errorCatalogue) as ErrorCode[];

describe("the error catalogue", () => {
  it("agrees with the table in docs/http.md, code by code and status by status, both ways", () => {
    const page = readFileSync(new URL("../docs/http.md", import.meta.url), "utf8");
    const table = page.slice(page.indexOf("## Errors"), page.indexOf("## What to do"));
    const documented = [...table.matchAll(/^\| ([\d, ]+) \| (.+) \|$/gm)].flatMap(([, statuses, named]) =>
      [...named!.matchAll(/`(\w+)`/g)].map(([, code]) => ({
        code: code!,
        statuses: statuses!.split(", ").map(Number),
      })),
    );
    expect(documented.map(({ code }) => code).sort()).toEqual([...codes].sort());
    for (const { code, statuses } of documented) expect(statuses).toContain(errorCatalogue[code as ErrorCode].status);
  });

  it("says in every description what was wrong, in full sentences", () => {
    for (const code of codes) expect(errorCatalogue[code].description).toMatch(/^[A-Z].*[.…]$/);
  });
});

describe("LatchkeyError", () => {
  it("keeps what the public sees, what the operator is told and the cause apart", () => {
    const cause = new Error("disk I/O error");
    const error = new LatchkeyError("store_unavailable", { detail: "/data is full", cause, retryAfterSeconds: 2 });
    expect(error).toMatchObject({
      code: "store_unavailable",
      status: 503,
      detail: "/data is full",
      cause,
      retryAfterSeconds: 2,
    });
    expect(error.description).toBe(errorCatalogue.store_unavailable.description);
  });

  it("is recognised across copies of the module, and nothing else is", () => {
    expect(isLatchkeyError(new LatchkeyError("not_found"))).toBe(true);
    for (const other of [new Error("not_found"), { code: "not_found" }, null, undefined, "not_found"]) {
      expect(isLatchkeyError(other)).toBe(false);
    }
  });
});
