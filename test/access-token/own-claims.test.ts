import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkOwnClaims, OWN_CLAIMS_MAX_BYTES } from "../../src/access-token/own-claims.ts";

const refusedNaming = (claim: string) =>
  expect.objectContaining({
    name: "TypeError",
    message: expect.stringMatching(new RegExp(`^Option 'claims': '${claim}' `)),
  });

describe("PARITY 27: own claims when they are set", () => {
  it.each([
    ...["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "client_id", "auth_time", "roles", "scope", "amr"],
    ...["acr", "azp", "nonce", "cnf", "act", "may_act", "typ", "active", "token_type", "username"],
  ])("'%s' would shadow a registered claim and is refused by name", (claim) => {
    expect(() => checkOwnClaims({ tenant: "acme", [claim]: "x" })).toThrow(refusedNaming(claim));
  });

  it("descriptive names are the application's, and a registered name is no name of ours further down", () => {
    const claims = {
      email: "a@example.test",
      groups: ["staff"],
      entitlements: [],
      Sub: 1,
      nested: { sub: 1, exp: "x" },
    };
    expect(checkOwnClaims(claims)).toEqual(claims);
  });

  it("any JSON object comes back equal, frozen, and out of reach of later changes", () => {
    const json = fc.jsonValue({ maxDepth: 5 });
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^own_[a-z]{1,8}$/), json, { maxKeys: 4 }), (claims) => {
        fc.pre(Buffer.byteLength(JSON.stringify(claims)) <= OWN_CLAIMS_MAX_BYTES);
        fc.pre(!/__proto__|constructor|prototype|\\ud[89a-f]/.test(JSON.stringify(claims)));
        const before = JSON.stringify(claims);
        const checked = checkOwnClaims(claims);
        expect(JSON.stringify(checked)).toBe(before);
        expect(Object.isFrozen(checked)).toBe(true);
        Object.assign(claims, { own_later: 1 });
        expect(JSON.stringify(checked)).toBe(before);
      }),
    );
  });

  it("a later change deep inside the argument does not reach what was checked", () => {
    const claims = { limits: { seats: [1, 2] } };
    const checked = checkOwnClaims(claims);
    claims.limits.seats.push(3);
    expect(checked).toEqual({ limits: { seats: [1, 2] } });
    expect(() => Object.assign(checked.limits as object, { seats: 0 })).toThrow(TypeError);
  });

  it.each<readonly [string, unknown]>([
    ["undefined", undefined],
    ["a function", () => 1],
    ["a symbol", Symbol("s")],
    ["a bigint", 1n],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["a date", new Date(0)],
    ["a map", new Map()],
    ["bytes", new Uint8Array(2)],
    ["an instance of a class", new (class Limits {})()],
    ["half a character", "\ud800"],
  ])("%s is not plain JSON and is refused by name, at the top and further down", (_, value) => {
    expect(() => checkOwnClaims({ mine: value })).toThrow(refusedNaming("mine"));
    expect(() => checkOwnClaims({ mine: { list: [0, value] } })).toThrow(refusedNaming("mine\\.list\\[1\\]"));
  });

  it("a list with a hole, and a name that is a symbol or half a character, are refused", () => {
    expect(() => checkOwnClaims({ list: Object.assign([1], { length: 2 }) })).toThrow(refusedNaming("list\\[1\\]"));
    expect(() => checkOwnClaims({ [Symbol("s")]: 1 } as Record<string, unknown>)).toThrow(TypeError);
    expect(() => checkOwnClaims({ "\udc00": 1 })).toThrow(TypeError);
  });

  it("eight levels are taken, nine and a circle are not", () => {
    const nested = (levels: number): unknown => (levels === 0 ? 1 : { in: nested(levels - 1) });
    expect(checkOwnClaims(nested(8) as Record<string, unknown>)).toEqual(nested(8));
    expect(() => checkOwnClaims(nested(9) as Record<string, unknown>)).toThrow(/nested deeper than 8 levels/);
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    expect(() => checkOwnClaims(circle)).toThrow(/nested deeper than 8 levels/);
  });

  it("2,048 bytes as JSON in UTF-8 are taken, one more is not", () => {
    const overhead = Buffer.byteLength('{"a":""}');
    expect(checkOwnClaims({ a: "x".repeat(2048 - overhead) })).toBeDefined();
    expect(() => checkOwnClaims({ a: "x".repeat(2049 - overhead) })).toThrow(/has 2049 bytes/);
    expect(() => checkOwnClaims({ a: "é".repeat(1021) })).toThrow(/has 2050 bytes/);
  });

  it("__proto__, constructor and prototype are refused at any depth, and nothing is polluted", () => {
    for (const name of ["__proto__", "constructor", "prototype"]) {
      const claims = JSON.parse(`{"${name}":{"admin":true}}`) as Record<string, unknown>;
      expect(() => checkOwnClaims(claims)).toThrow(refusedNaming(name));
      expect(() => checkOwnClaims({ mine: [claims] })).toThrow(refusedNaming(`mine\\[0\\]\\.${name}`));
    }
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });

  it.each<readonly [string, unknown]>([
    ["null", null],
    ["a list", []],
    ["a text", "claims"],
    ["a map", new Map()],
  ])("%s in place of an object is refused", (_, claims) => {
    expect(() => checkOwnClaims(claims as Record<string, unknown>)).toThrow(/^Option 'claims' must be a plain object/);
  });
});
