import { describe, expect, it } from "vitest";
import { type IssuerOptions, resolveOptions } from "../src/engine/options.ts";
import type { Store } from "../src/store/store.ts";
import { ISSUER, SECRET } from "./support/test-bed.ts";

const store = { changeSessions: async () => {} } as unknown as Store;
const good: IssuerOptions = { issuer: ISSUER, secret: SECRET, store };
const withOption = (name: string, value: unknown) => () => resolveOptions({ ...good, [name]: value } as IssuerOptions);

describe("resolveOptions", () => {
  it("fills in the documented defaults and freezes", () => {
    const options = resolveOptions(good);
    expect(options).toMatchObject({
      audience: [ISSUER],
      accessTtlSeconds: 900,
      sessionTtlSeconds: 2_592_000,
      idleTtlSeconds: 1_209_600,
      rotationGraceSeconds: 10,
      registration: "closed",
      passwordMinLength: 15,
      loginsPerHour: 60,
      sweepIntervalSeconds: 300,
      sessionsPerUser: 100,
      sessionRefreshesPerMinute: 120,
      registrationsPerHour: 60,
    });
    expect(Object.isFrozen(options)).toBe(true);
  });

  it("PARITY 35: a missing, short or placeholder secret is refused by name, and never repeated", () => {
    expect(withOption("secret", undefined)).toThrow("Option 'secret' is required");
    for (const secret of [
      "short",
      "a".repeat(64),
      "changeme-changeme-changeme-changeme",
      "your-secret-key-your-jwt-secret-0123456789",
      "0123456789012345678901234567890123456789",
    ]) {
      expect(withOption("secret", secret)).toThrow(/Option 'secret' .*latchkey secret/);
      expect(withOption("secret", secret)).not.toThrow(secret);
    }
  });

  it("PARITY 35: an unknown option is refused with the right name, and all problems are named at once", () => {
    expect(withOption("acessTtlSeconds", 60)).toThrow(
      "Unknown option 'acessTtlSeconds'. Did you mean 'accessTtlSeconds'?",
    );
    expect(withOption("gracePeriod", 60)).toThrow("Unknown option 'gracePeriod'.");
    const three = { ...good, accessTtlSeconds: 0, signingAlg: "none", leewaySeconds: 61 } as unknown as IssuerOptions;
    for (const name of ["accessTtlSeconds", "signingAlg", "leewaySeconds"]) {
      expect(() => resolveOptions(three)).toThrow(`Option '${name}'`);
    }
  });

  it("PARITY 35: refuses wrong values and says what is right", () => {
    const wrong: Record<string, unknown[]> = {
      issuer: [
        "",
        "example.com",
        "ftp://example.com",
        "https://example.com/",
        "https://example.com?x",
        "https://u:p@example.com",
        5,
      ],
      audience: ["", [], [""], [5], 5],
      signingAlg: ["none", "HS512", "es256", 5],
      accessTtlSeconds: [0, -1, 1.5, "900", Number.NaN, 86_401],
      rotationGraceSeconds: [-1, 301, "10"],
      leewaySeconds: [-1, 61],
      registration: ["yes", true],
      passwordMinLength: [7, 129],
      store: [{}, null, "sqlite:x"],
      subjects: [{}, "x"],
      onEvent: ["x"],
      revokeReplacedAccessTokens: ["true", 1],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values)
        expect(withOption(name, value), `${name}: ${String(value)}`).toThrow(`Option '${name}' must`);
    }
  });

  it("takes issuers with a path, and one audience or several", () => {
    expect(resolveOptions({ ...good, issuer: "https://example.com/auth" }).issuer).toBe("https://example.com/auth");
    expect(resolveOptions({ ...good, audience: "api" }).audience).toEqual(["api"]);
    expect(resolveOptions({ ...good, audience: ["a", "b"] }).audience).toEqual(["a", "b"]);
  });
});
