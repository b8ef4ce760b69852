import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { describe, expect, expectTypeOf, it } from "vitest";
import { type ChallengeScheme, type ErrorCode, errorCatalogue, isLatchkeyError, LatchkeyError } from "../src/errors.ts";
import { isLatchkeyError as isLatchkeyErrorOfVerify } from "../src/verify/verifier.ts";

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

describe("an error narrowed by its code", () => {
  const needsNonce: unknown = new LatchkeyError("use_dpop_nonce");

  it("is recognised with its own code, and with no other", () => {
    expect(isLatchkeyError(needsNonce, "use_dpop_nonce")).toBe(true);
    for (const code of codes.filter((code) => code !== "use_dpop_nonce")) {
      expect(isLatchkeyError(needsNonce, code), code).toBe(false);
    }
    expect(isLatchkeyError({ code: "use_dpop_nonce" }, "use_dpop_nonce")).toBe(false);
  });

  it("is recognised where it comes from another copy of the module", async () => {
    const copy: typeof import("../src/errors.ts") = await import(`../src/errors.ts?${"copy"}`);
    expect(copy.LatchkeyError).not.toBe(LatchkeyError);
    const foreign = new copy.LatchkeyError("not_found");
    expect(foreign).not.toBeInstanceOf(LatchkeyError);
    expect([isLatchkeyError(foreign, "not_found"), isLatchkeyError(foreign, "server_busy")]).toEqual([true, false]);
  });

  it("is recognised where it comes from another realm", () => {
    const foreign: unknown = runInNewContext(
      'Object.assign(new Error("away"), { code: "store_unavailable", [Symbol.for("latchkey.error")]: true })',
    );
    expect(foreign).not.toBeInstanceOf(Error);
    expect([isLatchkeyError(foreign, "store_unavailable"), isLatchkeyError(foreign, "not_found")]).toEqual([
      true,
      false,
    ]);
  });

  it("is the same function for services that only verify", () => {
    expect(isLatchkeyErrorOfVerify).toBe(isLatchkeyError);
  });

  it("asks for no code as a callback, which gets an index", () => {
    const errors: readonly unknown[] = [new Error("x"), new LatchkeyError("not_found"), new LatchkeyError("not_found")];
    const isOurs = isLatchkeyError as (value: unknown, index: number) => boolean;
    expect(errors.filter(isOurs)).toHaveLength(2);
  });

  it("has the types of its code: status, time to wait and challenge", () => {
    const error = new LatchkeyError("too_many_requests") as unknown;
    if (!isLatchkeyError(error)) throw error;
    expectTypeOf(error.code).toEqualTypeOf<ErrorCode>();
    expectTypeOf(error.retryAfterSeconds).toEqualTypeOf<number | undefined>();
    if (isLatchkeyError(error, "use_dpop_nonce")) {
      expectTypeOf(error).toEqualTypeOf<LatchkeyError<"use_dpop_nonce">>();
      expectTypeOf(error.code).toEqualTypeOf<"use_dpop_nonce">();
      expectTypeOf(error.status).toEqualTypeOf<401>();
      expectTypeOf(error.retryAfterSeconds).toEqualTypeOf<undefined>();
      expectTypeOf(error.challenge).toEqualTypeOf<ChallengeScheme>();
    } else if (isLatchkeyError(error, "too_many_requests")) {
      expectTypeOf(error.status).toEqualTypeOf<429>();
      expectTypeOf(error.retryAfterSeconds).toEqualTypeOf<number | undefined>();
    } else {
      // What was not that code is still one of ours.
      expectTypeOf(error).toEqualTypeOf<LatchkeyError>();
    }
    expectTypeOf(new LatchkeyError("not_found")).toExtend<LatchkeyError>();
    // @ts-expect-error The catalogue has no such code.
    isLatchkeyError(error, "use_dpop_nonces");
    // @ts-expect-error What is not found cannot be waited for.
    new LatchkeyError("not_found", { retryAfterSeconds: 1 });
    // @ts-expect-error A 404 has no challenge.
    new LatchkeyError("not_found", { challenge: "DPoP" });
    expect(isLatchkeyError(error, "too_many_requests")).toBe(true);
  });
});
