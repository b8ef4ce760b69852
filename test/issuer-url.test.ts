import { describe, expect, it } from "vitest";
import { type IssuerOptions, resolveOptions } from "../src/engine/options.ts";
import { readConfig } from "../src/server/settings/config.ts";
import type { Store } from "../src/store/store.ts";
import { createVerifier } from "../src/verify/verifier.ts";
import { createTestBed, PASSWORD, SECRET } from "./support/test-bed.ts";

const LOOPBACK = [
  "http://localhost",
  "http://localhost:4000",
  "http://localhost.:4000",
  "http://api.localhost",
  "http://a.b.localhost:8080/auth",
  "http://127.0.0.1:4000",
  "http://127.255.255.254",
  "http://[::1]:4000",
  "http://[::ffff:7f00:1]:4000",
];

const REACHABLE = [
  "http://auth.example.com",
  "http://auth.example.com/auth",
  "http://10.0.0.1:4000",
  "http://192.168.1.5",
  "http://0.0.0.0:4000",
  "http://126.255.255.255",
  "http://128.0.0.1",
  "http://[::]",
  "http://[::2]",
  "http://[fe80::1]",
  "http://[::ffff:a00:1]",
  "http://localhost.example.com",
  "http://notlocalhost",
  "http://127.0.0.1.example.com",
  "http://latchkey:4000",
  "http://xn--localhost-4j6d",
];

const MISSHAPEN = [
  "",
  "latchkey",
  "auth.example.com",
  "ftp://auth.example.com",
  "file:///etc/passwd",
  "https://auth.example.com/",
  "https://auth.example.com/auth/",
  "https://auth.example.com:443",
  "https://AUTH.example.com",
  "HTTPS://auth.example.com",
  "https://auth.example.com?x",
  "https://auth.example.com#x",
  "https://me:secret@auth.example.com",
  "http://me@localhost",
  "http://localhost@auth.example.com",
  "http://127.1:4000",
  "http://0x7f000001",
  "http://2130706433",
  "http://[0:0:0:0:0:0:0:1]:4000",
  "http://[::ffff:127.0.0.1]",
  "http://LOCALHOST:4000",
];

const store = { changeSessions: async () => {} } as unknown as Store;

/** What each way to name an issuer says of one: the library, the server and the verifier of other services. */
const doors: Readonly<Record<string, (issuer: string) => string>> = {
  createIssuer: (issuer) => refusalOf(() => resolveOptions({ issuer, secret: SECRET, store } as IssuerOptions)),
  createVerifier: (issuer) =>
    refusalOf(() =>
      createVerifier({ issuer, audience: "orders", algorithms: ["ES256"], jwksUri: "https://a.example/jwks" }).close(),
    ),
  LATCHKEY_ISSUER: (issuer) => {
    const reading = readConfig({ LATCHKEY_ISSUER: issuer, LATCHKEY_SECRET: SECRET });
    return "problems" in reading ? reading.problems.join("\n") : "accepted";
  },
};

function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return "accepted";
}

describe.each(Object.entries(doors))("%s", (name, door) => {
  it.each(["https://auth.example.com", "https://10.0.0.1:8443/auth", "https://localhost", ...LOOPBACK])(
    "accepts the issuer %s",
    (issuer) => {
      expect(door(issuer)).toBe("accepted");
    },
  );

  it.each(REACHABLE)("refuses the issuer %s: plain http, and not this machine", (issuer) => {
    expect(door(issuer)).toMatch(new RegExp(`^(?:Option 'issuer'|${name}) must be an https URL`));
  });

  it.each(MISSHAPEN)("refuses the issuer '%s' for its shape", (issuer) => {
    expect(door(issuer)).toMatch(new RegExp(`^(?:Option 'issuer'|${name}) (?:must be an absolute|is set but empty)`));
  });
});

describe("the issuer", () => {
  it.each(["127.0.0.1", "::1", "localhost", "0.0.0.0"])(
    "is refused on plain http beyond this machine, also where the server listens on %s",
    (host) => {
      const reading = readConfig({
        LATCHKEY_ISSUER: "http://auth.example.com",
        LATCHKEY_HOST: host,
        LATCHKEY_SECRET: SECRET,
      });
      expect("problems" in reading && reading.problems).toEqual([
        expect.stringMatching(/^LATCHKEY_ISSUER must be an https URL/),
      ]);
    },
  );

  it.each(["https://auth.example.com", "https://localhost:4000", ...LOOPBACK])(
    "%s has cookies with Secure and __Host- exactly if it is https",
    async (issuer) => {
      const bed = await createTestBed({ issuer });
      await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
      const { headers } = await bed.call("POST", "/auth/login", {
        json: { username: "ada", password: PASSWORD, transport: "cookie" },
      });
      const cookies = headers.getSetCookie();
      expect(cookies.length).toBeGreaterThanOrEqual(3);
      for (const cookie of cookies) {
        const isHttps = issuer.startsWith("https:");
        expect([cookie.startsWith("__Host-"), /; Secure/i.test(cookie)]).toEqual([isHttps, isHttps]);
      }
    },
  );
});
