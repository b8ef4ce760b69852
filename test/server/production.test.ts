import { describe, expect, it } from "vitest";
import { isLoopback } from "../../src/issuer-url.ts";
import { readConfig, type Variables } from "../../src/server/settings/config.ts";

const SECRET = "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM";

/** What readConfig asks for beyond what each setting is by itself. */
function askedFor(variables: Variables): readonly ("secret" | "https")[] {
  const reading = readConfig(variables);
  const problems = "problems" in reading ? reading.problems : [];
  return [
    ...(problems.some((problem) => problem.startsWith("LATCHKEY_SECRET is required in production"))
      ? ["secret" as const]
      : []),
    ...(problems.some((problem) => problem.startsWith("LATCHKEY_ISSUER must be an https URL"))
      ? ["https" as const]
      : []),
  ];
}

const https = { LATCHKEY_ISSUER: "https://auth.example.com" };
const plainHttp = { LATCHKEY_ISSUER: "http://auth.example.com" };
const loopbackIssuer = { LATCHKEY_ISSUER: "http://localhost:4000" };
const open = { LATCHKEY_HOST: "0.0.0.0" };
const postgres = { LATCHKEY_DATABASE_URL: "postgres://db.example/latchkey" };
const nodeEnv = { NODE_ENV: "production" };

const rows: readonly (readonly [given: Variables, asks: readonly ("secret" | "https")[]])[] = [
  [{}, []],
  [loopbackIssuer, []],
  [plainHttp, ["https"]],
  [{ ...plainHttp, LATCHKEY_HOST: "127.0.0.1" }, ["https"]],
  [{ NODE_ENV: "development" }, []],
  [{ NODE_ENV: "test" }, []],
  [{ LATCHKEY_HOST: "127.1.2.3" }, []],
  [{ LATCHKEY_HOST: "::1" }, []],
  [{ LATCHKEY_HOST: "localhost" }, []],
  [https, ["secret"]],
  [nodeEnv, ["secret"]],
  [{ ...nodeEnv, ...plainHttp }, ["secret", "https"]],
  [{ ...nodeEnv, ...https }, ["secret"]],
  [open, ["secret"]],
  [{ LATCHKEY_HOST: "::" }, ["secret"]],
  [{ LATCHKEY_HOST: "192.168.1.5" }, ["secret"]],
  [{ LATCHKEY_HOST: "auth.internal" }, ["secret"]],
  [{ ...open, ...loopbackIssuer }, ["secret"]],
  [{ ...open, LATCHKEY_ISSUER: "http://[::1]:4000" }, ["secret"]],
  [{ ...open, ...plainHttp }, ["secret", "https"]],
  [{ ...open, ...https }, ["secret"]],
  [postgres, ["secret"]],
  [{ ...postgres, ...plainHttp }, ["secret", "https"]],
  [{ ...postgres, ...https }, ["secret"]],
];

describe("production", () => {
  for (const [given, asks] of rows) {
    const named = JSON.stringify(given);
    it(`PARITY 35: ${named} without a secret is asked for ${asks.join(" and ") || "nothing"}`, () => {
      expect(askedFor(given)).toEqual(asks);
    });

    it(`PARITY 43: ${named} with a secret is asked for ${asks.includes("https") ? "https" : "nothing"}`, () => {
      expect(askedFor({ ...given, LATCHKEY_SECRET: SECRET })).toEqual(asks.filter((asked) => asked === "https"));
    });
  }

  it("names every reason, and the remedy", () => {
    const reading = readConfig({ ...open, ...https, ...nodeEnv });
    expect("problems" in reading && reading.problems).toEqual([
      "LATCHKEY_SECRET is required in production. This is production because the issuer is https and LATCHKEY_HOST can be reached from other machines and NODE_ENV is production. 'npx --no latchkey secret' creates one. Keep it with your other secrets.",
    ]);
  });

  it.each(["short", "please-change-me-before-production-1234"])(
    "refuses the secret '%s', in production or not",
    (secret) => {
      for (const given of [{}, nodeEnv]) {
        const reading = readConfig({ ...given, LATCHKEY_SECRET: secret });
        expect("problems" in reading && reading.problems).toHaveLength(1);
      }
    },
  );

  it.each([
    ["127.0.0.1", true],
    ["127.255.255.254", true],
    ["::1", true],
    ["[::1]", true],
    ["0:0:0:0:0:0:0:1", true],
    ["::ffff:127.0.0.1", true],
    ["localhost", true],
    ["LOCALHOST", true],
    ["api.localhost", true],
    ["0.0.0.0", false],
    ["::", false],
    ["128.0.0.1", false],
    ["::ffff:10.0.0.1", false],
    ["localhost.example.com", false],
    ["notlocalhost", false],
    ["127.0.0.1.example.com", false],
  ])("takes the host %s for loopback: %s", (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});
