import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isLatchkeyError } from "../../src/errors.ts";
import { deriveRefreshToken } from "../../src/secrets/refresh-token.ts";
import type { KeyRing, SigningKey } from "../../src/signing/key-ring.ts";
import type { AccessTokens } from "../../src/signing/sign-access-token.ts";
import type { Store } from "../../src/store/store.ts";
import {
  AUDIENCE,
  base64url,
  goodClaims,
  goodHeader,
  grantAt,
  ISSUER,
  outcome,
  session,
  signedBy,
  tokensOn,
} from "../support/access-tokens.ts";
import { createClock, openRing, openStore, rootKeys, type TestClock } from "../support/key-rings.ts";

let store: Store;
let ring: KeyRing;
let key: SigningKey;
let clock: TestClock;
let tokens: AccessTokens;
beforeAll(async () => {
  store = await openStore();
  ring = await openRing({ store });
  key = ring.current();
});
afterAll(() => store.close());
beforeEach(() => {
  clock = createClock();
  tokens = tokensOn(ring, clock);
});

const withClaims = (claims: Record<string, unknown>) => signedBy(key, goodHeader(key), goodClaims(clock, claims));
const withPayload = (payload: unknown) => signedBy(key, goodHeader(key), payload);
const withHeader = (header: unknown) => signedBy(key, header, goodClaims(clock));
const refusal = (token: string) => outcome(tokens.verify(token));

describe("PARITY 16", () => {
  it("a good token signed with the ring's key is accepted, so that what follows is refused for the reason it names", async () => {
    expect(await refusal(await withClaims({}))).toBe("accepted");
  });

  it("Expired: 401 access_token_expired", async () => {
    const { token } = await tokens.sign(grantAt(clock));
    clock.advance(900);
    await expect(tokens.verify(token)).rejects.toThrow(
      expect.objectContaining({ code: "access_token_expired", status: 401 }),
    );
  });

  it("a token that is expired and wrong in another way is invalid, not expired", async () => {
    const long = Math.floor(clock.now() / 1000) - 5000;
    expect(await refusal(await withClaims({ iat: long, exp: long + 1, aud: "https://other.example.test" }))).toBe(
      "invalid_access_token",
    );
    const expired = await withClaims({ iat: long, exp: long + 1 });
    expect(await refusal(`${expired.slice(0, -8)}AAAAAAAA`)).toBe("invalid_access_token");
    expect(await refusal(expired)).toBe("access_token_expired");
  });

  it("acceptExpired takes a token past its exp, and nothing else that is wrong", async () => {
    const { token } = await tokens.sign(grantAt(clock));
    const foreign = await withClaims({ aud: "https://other.example.test" });
    clock.advance(86_400);
    expect(await tokens.read(token, { acceptExpired: true })).toMatchObject({ sid: session.id });
    expect(await refusal(token)).toBe("access_token_expired");
    expect(await outcome(tokens.read(foreign, { acceptExpired: true }))).toBe("invalid_access_token");
  });

  it.each([
    ["missing", undefined],
    ["a text", "1900000000"],
    ["a fraction", 1_900_000_000.5],
    ["negative", -1],
    ["null", null],
    ["past what is exact", 2 ** 53],
    ["a list", [1_900_000_000]],
  ])("exp %s: 401 invalid_access_token", async (_, exp) => {
    expect(await refusal(await withClaims({ exp }))).toBe("invalid_access_token");
  });

  it.each([
    ["no object", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"],
    ["null", null],
    ["a list", []],
    ["empty", {}],
    ["of another kind", { "x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }],
    ["of two kinds", { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "x5t#S256": "x" }],
    ["no thumbprint", { jkt: "0ZcO" }],
    ["a number", { jkt: 1 }],
  ])("cnf %s: 401 invalid_access_token, since it would be bound to what cannot be checked", async (_, cnf) => {
    expect(await outcome(tokens.read(await withClaims({ cnf })))).toBe("invalid_access_token");
  });

  it("SECURITY 38, CVE-2025-62610 Hono: an audience that is missing, wrong, a near-match or mixed is invalid_access_token", async () => {
    const wrong = [
      undefined,
      "",
      "https://other.example.test",
      `${AUDIENCE}/`,
      AUDIENCE.slice(0, -1),
      `x${AUDIENCE}`,
      AUDIENCE.toUpperCase(),
      [],
      [AUDIENCE.slice(1)],
      [AUDIENCE, 1],
      { [AUDIENCE]: true },
      null,
    ];
    for (const aud of wrong)
      expect(await refusal(await withClaims({ aud })), JSON.stringify(aud)).toBe("invalid_access_token");
    expect(await refusal(await withClaims({ aud: ["https://other.example.test", AUDIENCE] }))).toBe("accepted");
  });

  it("SECURITY 38, CVE-2025-30144 fast-jwt: an issuer that is missing, a list or a near-match is invalid_access_token", async () => {
    const wrong = [
      undefined,
      "",
      [ISSUER],
      ["https://evil.example.test", ISSUER],
      `${ISSUER}/`,
      ISSUER.toUpperCase(),
      ISSUER.slice(0, -1),
      { 0: ISSUER },
      null,
    ];
    for (const iss of wrong)
      expect(await refusal(await withClaims({ iss })), JSON.stringify(iss)).toBe("invalid_access_token");
  });

  it("typ missing, of an ID token, plain JWT or another type: 401 invalid_access_token", async () => {
    const wrong = [
      undefined,
      "JWT",
      "jwt",
      "id+jwt",
      "logout+jwt",
      "at+jwt ",
      "at",
      "application/jwt",
      "text/at+jwt",
      ["at+jwt"],
      1,
      null,
    ];
    for (const typ of wrong)
      expect(await refusal(await withHeader(goodHeader(key, { typ })))).toBe("invalid_access_token");
  });

  it("iat or nbf in the future: 401 invalid_access_token", async () => {
    const now = Math.floor(clock.now() / 1000);
    expect(await refusal(await withClaims({ iat: now + 1 }))).toBe("invalid_access_token");
    expect(await refusal(await withClaims({ nbf: now + 1 }))).toBe("invalid_access_token");
    expect(await refusal(await withClaims({ nbf: now }))).toBe("accepted");
    for (const nbf of ["0", 0.5, null]) expect(await refusal(await withClaims({ nbf }))).toBe("invalid_access_token");
  });

  it("SECURITY 37: sub, client_id, iat, jti, sid, auth_time or roles missing or of another type: 401 invalid_access_token", async () => {
    for (const claim of ["sub", "client_id", "iat", "jti", "sid", "auth_time", "roles"]) {
      for (const value of [undefined, null, "", 1.5, [1], {}, true]) {
        expect(await refusal(await withClaims({ [claim]: value })), `${claim} ${JSON.stringify(value)}`).toBe(
          "invalid_access_token",
        );
      }
    }
    for (const claims of [{ scope: 1 }, { scope: ["a"] }, { amr: "pwd" }, { amr: [1] }]) {
      expect(await refusal(await withClaims(claims))).toBe("invalid_access_token");
    }
  });

  it("a jti that is not of the token's own session, or not of our form: 401 invalid_access_token", async () => {
    const other = session.id.replace("c", "d");
    for (const jti of [
      `${other}.1.x`,
      `${session.id}.0.x`,
      `${session.id}.01.x`,
      `${session.id}.1.`,
      `${session.id}.-1.x`,
      session.id,
    ]) {
      expect(await refusal(await withClaims({ jti })), jti).toBe("invalid_access_token");
    }
  });

  it("garbage and empty: 401 invalid_access_token, whatever it is", async () => {
    for (const text of ["", ".", "..", "...", "a", "null", "Bearer", "[]", "{}", "\0", "eyJ.eyJ.eyJ", "💥.💥.💥"]) {
      expect(await refusal(text), JSON.stringify(text)).toBe("invalid_access_token");
    }
    for (const value of [undefined, null, 1, {}, [], Symbol("token")]) {
      expect(await refusal(value as unknown as string)).toBe("invalid_access_token");
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => (await refusal(text)) === "invalid_access_token"),
    );
  });

  it("a refresh token: 401 wrong_token_type (PARITY 15)", async () => {
    const refreshToken = deriveRefreshToken(rootKeys.current, { id: session.id, salt: new Uint8Array(16) }, 1);
    await expect(tokens.verify(refreshToken)).rejects.toThrow(
      expect.objectContaining({ code: "wrong_token_type", status: 401 }),
    );
    expect(await refusal("lkr_")).toBe("wrong_token_type");
  });

  it("no refusal repeats any part of the token, in message, description or detail", async () => {
    const bad = [
      await withClaims({ aud: "canary-canary" }),
      await withHeader(goodHeader(key, { typ: "canary-canary" })),
      await withHeader(goodHeader(key, { kid: "canary-canary" })),
      "canary-canary.canary.canary",
    ];
    for (const token of bad) {
      const error: unknown = await tokens.verify(token).catch((thrown: unknown) => thrown);
      if (!isLatchkeyError(error)) throw new Error("It was not refused.");
      const told = JSON.stringify([error.message, error.description, error.detail, String(error.cause)]);
      expect(told).not.toContain("canary");
      for (const part of token.split(".")) expect(told).not.toContain(part);
    }
  });
});

describe("PARITY 17: Clock leeway is exact at its boundary, on an injected clock (SECURITY 42)", () => {
  it.each([0, 1, 5, 60])(
    "%i s: expired at exp + leeway to the millisecond, early before iat and nbf - leeway",
    async (leewaySeconds) => {
      const start = clock.now();
      const lenient = tokensOn(ring, clock, { leewaySeconds });
      const iat = start / 1000;
      const token = await signedBy(key, goodHeader(key), goodClaims(clock, { iat, exp: iat + 100 }));
      const notBefore = await signedBy(key, goodHeader(key), goodClaims(clock, { iat, nbf: iat + 50, exp: iat + 100 }));
      const at = async (seconds: number, text: string) => {
        clock.advance(start / 1000 + seconds - clock.now() / 1000);
        return outcome(lenient.verify(text));
      };
      expect(await at(100 + leewaySeconds - 0.001, token)).toBe("accepted");
      expect(await at(100 + leewaySeconds, token)).toBe("access_token_expired");
      expect(await at(-leewaySeconds - 0.001, token)).toBe("invalid_access_token");
      expect(await at(-leewaySeconds, token)).toBe("accepted");
      expect(await at(50 - leewaySeconds - 0.001, notBefore)).toBe("invalid_access_token");
      expect(await at(50 - leewaySeconds, notBefore)).toBe("accepted");
    },
  );
});

describe("the form of a token (SECURITY 41)", () => {
  it("padding, white space, another alphabet, stray bits in a last character: refused, in every part", async () => {
    const { token } = await tokens.sign(grantAt(clock));
    const parts = token.split(".") as [string, string, string];
    const inPart = (index: number, change: (part: string) => string) =>
      parts.map((part, at) => (at === index ? change(part) : part)).join(".");
    const changes: readonly ((part: string) => string)[] = [
      (part) => `${part}=`,
      (part) => `${part}==`,
      (part) => ` ${part}`,
      (part) => `${part}\n`,
      (part) => `${part.slice(0, 4)} ${part.slice(4)}`,
      (part) => `${part}A`,
      (part) => `${part}+`,
      (part) => `${part}%3D`,
      (part) => part.replace(/.$/, (last) => `${last}\u200b`),
    ];
    for (const index of [0, 1, 2]) {
      for (const change of changes) expect(await refusal(inPart(index, change))).toBe("invalid_access_token");
    }
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const respelt = [...alphabet].filter((last) =>
      Buffer.from(parts[2], "base64url").equals(Buffer.from(parts[2].slice(0, -1) + last, "base64url")),
    );
    expect(respelt.length).toBeGreaterThan(1);
    const accepted = await Promise.all(respelt.map((last) => refusal(inPart(2, (part) => part.slice(0, -1) + last))));
    expect(accepted.filter((code) => code === "accepted")).toHaveLength(1);
  });

  it("two parts, four parts, a JWE of five, an empty part: refused (CVE-2022-36083 jose: no decryption is ever tried)", async () => {
    const { token } = await tokens.sign(grantAt(clock));
    const [header, payload, signature] = token.split(".");
    const pbes2 = base64url({ alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2c: 2 ** 31 - 1, p2s: "c2FsdA" });
    for (const text of [
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      `${token}.`,
      `${token}.${signature}`,
      `${pbes2}.AAAA.AAAA.AAAA.AAAA`,
      `${pbes2}.${payload}.${signature}`,
    ]) {
      expect(await refusal(text)).toBe("invalid_access_token");
    }
  });

  it("the JSON serializations of RFC 7515 section 7.2: refused", async () => {
    const [header, payload, signature] = (await tokens.sign(grantAt(clock))).token.split(".");
    expect(await refusal(JSON.stringify({ payload, protected: header, signature }))).toBe("invalid_access_token");
    expect(await refusal(JSON.stringify({ payload, signatures: [{ protected: header, signature }] }))).toBe(
      "invalid_access_token",
    );
  });

  it("8,192 characters are looked at, one more is not", async () => {
    const ofLength = async (length: number) => {
      for (let filling = 5000; ; filling++) {
        const token = await withClaims({ filling: "x".repeat(filling) });
        if (token.length >= length) return token;
      }
    };
    const longest = await ofLength(8191);
    expect(longest.length).toBeLessThanOrEqual(8192);
    expect(await refusal(longest)).toBe("accepted");
    const tooLong = await ofLength(8193);
    expect(await refusal(tooLong)).toBe("invalid_access_token");
    expect(await refusal(`${longest}${"A".repeat(1_000_000)}`)).toBe("invalid_access_token");
  });
});

describe("SECURITY 37: the payload", () => {
  it("that is a list, null, a text, a number, or not JSON: refused (CVE-2026-107723 fast-jwt: array payload)", async () => {
    const claims = goodClaims(clock);
    for (const payload of [
      [claims],
      "null",
      '"text"',
      "1",
      "",
      "{",
      Uint8Array.of(0xff, 0xfe),
      `\ufeff${JSON.stringify(claims)}`,
    ]) {
      expect(await refusal(await withPayload(payload))).toBe("invalid_access_token");
    }
  });

  it("that names anything twice, at the top or deeper, or is spelt another way than we spell it: refused", async () => {
    const text = JSON.stringify(goodClaims(clock));
    expect(await refusal(await withPayload(text))).toBe("accepted");
    for (const payload of [
      text.replace("{", '{"sub":"somebody-else",'),
      text.replace(/}$/, ',"roles":["admin"]}'),
      text.replace(/}$/, ',"own":{"a":1,"a":2}}'),
      text.replace('"sub"', '"s\\u0075b"'),
      text.replace("{", "{ "),
      `${text}\n`,
      text.replace(/"exp":(\d+)/, '"exp":$1.0'),
      text.replace(/"exp":(\d+)/, '"exp":1e10'),
    ]) {
      expect(payload).not.toBe(text);
      expect(await refusal(await withPayload(payload))).toBe("invalid_access_token");
    }
  });

  it("with a __proto__ member neither pollutes nor smuggles a claim in", async () => {
    const { sub, ...rest } = goodClaims(clock);
    const smuggled = JSON.stringify(rest).replace("{", `{"__proto__":{"sub":${JSON.stringify(sub)}},`);
    expect(await refusal(await withPayload(smuggled))).toBe("invalid_access_token");
    expect(({} as Record<string, unknown>).sub).toBeUndefined();
  });

  it("comes back frozen to its last leaf", async () => {
    const claims = await tokens.verify(await withClaims({ own: { list: [{ a: 1 }] } }));
    const own = claims.own as { list: { a: number }[] };
    expect([claims, claims.roles, own, own.list, own.list[0]].every(Object.isFrozen)).toBe(true);
  });
});
