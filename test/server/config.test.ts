import { describe, expect, it } from "vitest";
import { type Config, issuerUrl, readConfig, type Variables } from "../../src/server/settings/config.ts";
import { type SettingName, settings } from "../../src/server/settings/settings.ts";

const SECRET = "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM";
const OTHER_SECRET = "Zs0pW8dK3vXn7bQy2mRf6tLh1cJg9uEa5iToVwYx4CN";

function accepted(variables: Variables): Config {
  const reading = readConfig(variables);
  if ("problems" in reading) throw new Error(reading.problems.join("\n"));
  return reading.config;
}

function problems(variables: Variables): readonly string[] {
  const reading = readConfig(variables);
  return "problems" in reading ? reading.problems : [];
}

describe("the configuration", () => {
  it("of an empty environment is a loopback server on a database in the working directory", () => {
    const config = accepted({ PATH: "/bin", HOME: "/home/ada" });
    expect(config).toEqual({
      issuer: {},
      handler: {},
      server: {
        host: "127.0.0.1",
        port: 4000,
        database: { kind: "sqlite", path: "latchkey.db" },
        workers: 1,
        logLevel: "info",
      },
      production: [],
    });
    expect(issuerUrl(config)).toBe("http://127.0.0.1:4000");
  });

  it("takes every setting there is, each to the option that it feeds", () => {
    const texts: Record<SettingName, string> = {
      LATCHKEY_SECRET: SECRET,
      LATCHKEY_SECRET_PREVIOUS: OTHER_SECRET,
      LATCHKEY_DATABASE_URL: "sqlite:/var/lib/latchkey/my data.db",
      LATCHKEY_ISSUER: "https://auth.example.com/realm",
      LATCHKEY_AUDIENCE: "https://api.example.com, reports",
      LATCHKEY_HOST: "::1",
      LATCHKEY_PORT: "0",
      LATCHKEY_ACCESS_TTL_SECONDS: "60",
      LATCHKEY_SESSION_TTL_SECONDS: "3600",
      LATCHKEY_IDLE_TTL_SECONDS: "600",
      LATCHKEY_ROTATION_GRACE_SECONDS: "0",
      LATCHKEY_SIGNING_ALG: "EdDSA",
      LATCHKEY_REGISTRATION: "open",
      LATCHKEY_PASSWORD_MIN_LENGTH: "20",
      LATCHKEY_PASSWORD_GRANT: "on",
      LATCHKEY_COOKIE_NAME: "staff",
      LATCHKEY_ALLOWED_ORIGINS: "https://app.example.com,http://localhost:5173",
      LATCHKEY_TRUSTED_PROXIES: "10.0.0.0/8, 192.0.2.7, 2001:db8::/32",
      LATCHKEY_HSTS: "max-age=60",
      LATCHKEY_DPOP_NONCE: "on",
      LATCHKEY_STALE_WITH_PROOF: "revoke",
      LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0",
      LATCHKEY_LOGINS_PER_HOUR: "7",
      LATCHKEY_REGISTRATIONS_PER_HOUR: "5",
      LATCHKEY_SESSIONS_PER_USER: "3",
      LATCHKEY_WORKERS: "1",
      LATCHKEY_LOG_LEVEL: "silent",
    };
    expect(accepted(texts)).toEqual({
      issuer: {
        secret: SECRET,
        previousSecret: OTHER_SECRET,
        issuer: "https://auth.example.com/realm",
        audience: ["https://api.example.com", "reports"],
        accessTtlSeconds: 60,
        sessionTtlSeconds: 3600,
        idleTtlSeconds: 600,
        rotationGraceSeconds: 0,
        signingAlg: "EdDSA",
        registration: "open",
        cookies: { name: "staff" },
        passwordMinLength: 20,
        dpopNonce: "required",
        staleWithProof: "revoke",
        sessionRefreshesPerMinute: 0,
        loginsPerHour: 7,
        registrationsPerHour: 5,
        sessionsPerUser: 3,
      },
      handler: {
        passwordGrant: true,
        allowedOrigins: ["https://app.example.com", "http://localhost:5173"],
        trustedProxies: ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
        hsts: "max-age=60",
      },
      server: {
        host: "::1",
        port: 0,
        database: { kind: "sqlite", path: "/var/lib/latchkey/my data.db" },
        workers: 1,
        logLevel: "silent",
      },
      production: ["the issuer is https"],
    });
  });

  const wrong: readonly (readonly [name: SettingName, text: string, says: RegExp])[] = [
    ["LATCHKEY_SECRET", "short", /32 bytes or more.*latchkey secret/],
    ["LATCHKEY_SECRET", "changeme-changeme-changeme-changeme", /repeats itself|placeholder/],
    ["LATCHKEY_SECRET", "please-change-me-before-production-1234", /placeholder/],
    ["LATCHKEY_DATABASE_URL", "latchkey.db", /sqlite:PATH/],
    ["LATCHKEY_DATABASE_URL", "sqlite:", /sqlite:PATH/],
    ["LATCHKEY_DATABASE_URL", "sqlite::memory:", /path of a file/],
    ["LATCHKEY_DATABASE_URL", "sqlite://data/latchkey.db", /sqlite:PATH/],
    ["LATCHKEY_DATABASE_URL", "sqlite:latchkey.db?mode=ro", /sqlite:PATH/],
    ["LATCHKEY_DATABASE_URL", "mysql://localhost/latchkey", /sqlite:PATH/],
    ["LATCHKEY_DATABASE_URL", "postgres://localhost/latchkey", /names no user/],
    ["LATCHKEY_DATABASE_URL", "postgresql://ada@localhost", /names no database/],
    ["LATCHKEY_ISSUER", "auth.example.com", /absolute http\(s\) URL/],
    ["LATCHKEY_ISSUER", "http://localhost:4000/", /trailing slash/],
    ["LATCHKEY_ISSUER", "ftp://localhost", /absolute http\(s\) URL/],
    ["LATCHKEY_AUDIENCE", "api,,reports", /entry 2 is empty/],
    ["LATCHKEY_HOST", "http://127.0.0.1", /without scheme, port or brackets/],
    ["LATCHKEY_HOST", "127.0.0.1:4000", /without scheme, port or brackets/],
    ["LATCHKEY_HOST", "[::1]", /brackets/],
    ["LATCHKEY_HOST", "*", /such as 127\.0\.0\.1/],
    ["LATCHKEY_HOST", "127.0.0.256", /address to listen on/],
    ["LATCHKEY_PORT", "65536", /is 65536, but must be a port from 1 to 65535/],
    ["LATCHKEY_PORT", "-1", /whole number/],
    ["LATCHKEY_PORT", "4000.0", /whole number/],
    ["LATCHKEY_PORT", "4e3", /whole number/],
    ["LATCHKEY_PORT", "0x10", /whole number/],
    ["LATCHKEY_PORT", "04000", /whole number/],
    ["LATCHKEY_ACCESS_TTL_SECONDS", "0", /is 0, but must be a whole number from 1 to 86400/],
    ["LATCHKEY_ACCESS_TTL_SECONDS", "15m", /'15m'.*whole number/],
    ["LATCHKEY_ACCESS_TTL_SECONDS", "86401", /from 1 to 86400/],
    ["LATCHKEY_SESSION_TTL_SECONDS", "0", /from 1 to/],
    ["LATCHKEY_IDLE_TTL_SECONDS", "99999999999999", /from 1 to/],
    ["LATCHKEY_ROTATION_GRACE_SECONDS", "301", /from 0 to 300/],
    ["LATCHKEY_SIGNING_ALG", "none", /one of ES256/],
    ["LATCHKEY_SIGNING_ALG", "es256", /one of ES256/],
    ["LATCHKEY_REGISTRATION", "yes", /one of open, closed/],
    ["LATCHKEY_PASSWORD_MIN_LENGTH", "7", /whole number from 8 to 128/],
    ["LATCHKEY_PASSWORD_GRANT", "true", /one of on, off/],
    ["LATCHKEY_COOKIE_NAME", "__Host-x", /must be a name of letters, digits and hyphens/],
    ["LATCHKEY_COOKIE_NAME", "a;b", /must be a name of letters, digits and hyphens/],
    ["LATCHKEY_COOKIE_NAME", "x".repeat(33), /at most 32/],
    ["LATCHKEY_ALLOWED_ORIGINS", "capacitor://localhost/", /must be written 'capacitor:\/\/localhost'/],
    ["LATCHKEY_ALLOWED_ORIGINS", "capacitor://*", /a pattern/],
    ["LATCHKEY_ALLOWED_ORIGINS", "file://", /not an origin/],
    ["LATCHKEY_ALLOWED_ORIGINS", "*", /allow every website/],
    ["LATCHKEY_ALLOWED_ORIGINS", "null", /not an origin/],
    ["LATCHKEY_ALLOWED_ORIGINS", "app.example.com", /not an origin/],
    ["LATCHKEY_ALLOWED_ORIGINS", "https://app.example.com/", /entry 1 must be written 'https:\/\/app\.example\.com'/],
    ["LATCHKEY_ALLOWED_ORIGINS", "https://App.example.com", /must be written 'https:\/\/app\.example\.com'/],
    [
      "LATCHKEY_ALLOWED_ORIGINS",
      "https://a.example,https://b.example:443",
      /entry 2 must be written 'https:\/\/b\.example'/,
    ],
    ["LATCHKEY_ALLOWED_ORIGINS", "https://a.example https://b.example", /not an origin|must be written/],
    ["LATCHKEY_TRUSTED_PROXIES", "loopback", /entry 1 is neither an IP address nor a network/],
    ["LATCHKEY_TRUSTED_PROXIES", "10.0.0.0/33", /neither/],
    ["LATCHKEY_TRUSTED_PROXIES", "10.0.0.1,::1/129", /entry 2 is neither/],
    ["LATCHKEY_TRUSTED_PROXIES", "10.0.0.0/8/8", /neither/],
    ["LATCHKEY_TRUSTED_PROXIES", "10.0.0.0/", /neither/],
    ["LATCHKEY_TRUSTED_PROXIES", "fe80::1%eth0", /neither/],
    ["LATCHKEY_TRUSTED_PROXIES", "0.0.0.0/0", /trust every client/],
    ["LATCHKEY_HSTS", "on", /'off', or a Strict-Transport-Security value such as/],
    ["LATCHKEY_HSTS", "max-age=60; preload", /includeSubDomains and a max-age of at least 31536000/],
    ["LATCHKEY_HSTS", "max-age=60", /requires an https issuer/],
    ["LATCHKEY_SESSION_REFRESHES_PER_MINUTE", "-1", /whole number/],
    ["LATCHKEY_REGISTRATIONS_PER_HOUR", "1000001", /from 0 to 1000000/],
    ["LATCHKEY_LOGINS_PER_HOUR", "many", /whole number/],
    ["LATCHKEY_SESSIONS_PER_USER", "∞", /whole number/],
    [
      "LATCHKEY_WORKERS",
      "2",
      /only one process can serve a SQLite database\. Set LATCHKEY_DATABASE_URL to a PostgreSQL/,
    ],
    ["LATCHKEY_WORKERS", "0", /is 0, but must be a whole number from 1 to 64/],
    ["LATCHKEY_WORKERS", "65", /from 1 to 64/],
    ["LATCHKEY_WORKERS", "auto", /whole number/],
    ["LATCHKEY_LOG_LEVEL", "verbose", /one of fatal, error, warn, info, debug, trace, silent/],
  ];
  for (const [name, text, says] of wrong) {
    it(`PARITY 35: ${name}=${text} is refused, by its name`, () => {
      const found = problems({ [name]: text }).filter((problem) => problem.startsWith(`${name} `));
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(says);
    });
  }

  for (const name of Object.keys(settings) as SettingName[]) {
    it.each(["", "  "])(`${name} set to '%s' is neither a value nor unset, so it is refused`, (text) => {
      expect(problems({ [name]: text })).toContainEqual(`${name} is set but empty. Set a value, or unset it.`);
    });

    it(`${name} with a line break at its end is refused, since that is no part of what was meant`, () => {
      expect(
        problems({ [name]: "1\n" }).filter((problem) => problem.startsWith(`${name} begins or ends`)),
      ).toHaveLength(1);
    });
  }

  it("PARITY 35: tells everything that is wrong at once", () => {
    const found = problems({
      LATCHKEY_SECRET: "short",
      LATCHKEY_PORT: "http",
      LATCHKEY_HOST: "0.0.0.0",
      LATCHKEY_ISSUER: "http://auth.example.com",
      LATCHKEY_SIGNING_ALG: "HS512",
      LATCHKEY_ALLOWED_ORIGINS: "*",
      LATCHKEY_ACESS_TTL_SECONDS: "60",
      LATCHKEY_DEBUG: "1",
    });
    const named = found.map((problem) => problem.split(" ")[0]);
    expect(named.sort()).toEqual(
      [
        "LATCHKEY_ACESS_TTL_SECONDS",
        "LATCHKEY_ALLOWED_ORIGINS",
        "LATCHKEY_DEBUG",
        "LATCHKEY_ISSUER",
        "LATCHKEY_PORT",
        "LATCHKEY_SECRET",
        "LATCHKEY_SIGNING_ALG",
      ].sort(),
    );
  });

  it.each([
    ["LATCHKEY_SECERT", "LATCHKEY_SECRET"],
    ["LATCHKEY_PROT", "LATCHKEY_PORT"],
    ["LATCHKEY_ACCESS_TTL", "LATCHKEY_ACCESS_TTL_SECONDS"],
    ["LATCHKEY_PREVIOUS_SECRET", undefined],
    ["LATCHKEY_ALLOWED_ORIGIN", "LATCHKEY_ALLOWED_ORIGINS"],
    ["latchkey_port", "LATCHKEY_PORT"],
    ["LATCHKEY_LOGLEVEL", "LATCHKEY_LOG_LEVEL"],
    ["LATCHKEY_DATABASE", "LATCHKEY_DATABASE_URL"],
    ["LATCHKEY_SESSION", undefined],
    ["LATCHKEY_X", undefined],
    ["LATCHKEY_", undefined],
  ])("PARITY 35: %s is no setting: it is refused, and the nearest is %s", (name, nearest) => {
    const found = problems({ [name]: "anything" });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${name} is not a setting\\.`));
    if (nearest !== undefined) expect(found[0]).toContain(`Did you mean ${nearest}?`);
    else expect(found[0]).toContain("latchkey start --help");
  });

  it("leaves other programs' variables alone", () => {
    expect(problems({ LATCH: "1", MY_LATCHKEY_PORT: "1", NODE_ENV: "development", PORT: "x" })).toEqual([]);
  });

  it("tells what Kubernetes has set for a Service of the same name, and how to be rid of it", () => {
    const found = problems({
      LATCHKEY_SERVICE_HOST: "10.96.0.12",
      LATCHKEY_SERVICE_PORT: "4000",
      LATCHKEY_SERVICE_PORT_HTTP: "4000",
      LATCHKEY_PORT: "tcp://10.96.0.12:4000",
      LATCHKEY_PORT_4000_TCP: "tcp://10.96.0.12:4000",
      LATCHKEY_PORT_4000_TCP_PROTO: "tcp",
      LATCHKEY_PORT_4000_TCP_ADDR: "10.96.0.12",
    });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^LATCHKEY_SERVICE_HOST, .*LATCHKEY_PORT, .*enableServiceLinks: false/);
  });

  it("refuses a previous secret without a current one, and one that is the same", () => {
    expect(problems({ LATCHKEY_SECRET_PREVIOUS: SECRET })).toEqual([
      "LATCHKEY_SECRET_PREVIOUS is set, but LATCHKEY_SECRET is not. Set it to the new secret.",
    ]);
    expect(problems({ LATCHKEY_SECRET: SECRET, LATCHKEY_SECRET_PREVIOUS: SECRET })).toEqual([
      "LATCHKEY_SECRET_PREVIOUS is the same as LATCHKEY_SECRET. Unset it.",
    ]);
  });

  it("never repeats a secret, a password in a URL, or anything long enough to be one", () => {
    const canary = "canary-9f8e7d6c5b4a-canary-0123456789abcdef";
    for (const name of Object.keys(settings)) {
      for (const text of [
        canary,
        ` ${canary}`,
        `${canary},`,
        `sqlite:x?key=${canary}`,
        `https://ada:${canary}@h.example/`,
      ]) {
        expect(problems({ [name]: text, NODE_ENV: "production" }).join("\n")).not.toContain(canary);
      }
    }
    for (const url of [
      "postgres://ada:hunter2@db.example/x",
      "https://ada:hunter2@auth.example.com",
      "ada:hunter2@h",
    ]) {
      for (const name of Object.keys(settings)) expect(problems({ [name]: url }).join("\n")).not.toContain("hunter2");
    }
    expect(problems({ LATCHKEY_SECERT: "hunter2" }).join("\n")).not.toContain("hunter2");
    expect(problems({ LATCHKEY_SECRET: "hunter2" }).join("\n")).not.toContain("hunter2");
  });

  it.each([
    [{}, "http://127.0.0.1:4000"],
    [{ LATCHKEY_PORT: "8080" }, "http://127.0.0.1:8080"],
    [{ LATCHKEY_PORT: "80" }, "http://127.0.0.1"],
    [{ LATCHKEY_HOST: "localhost" }, "http://localhost:4000"],
    [{ LATCHKEY_HOST: "::1" }, "http://[::1]:4000"],
    [{ LATCHKEY_HOST: "0.0.0.0", LATCHKEY_SECRET: SECRET }, "http://127.0.0.1:4000"],
    [{ LATCHKEY_ISSUER: "https://auth.example.com", LATCHKEY_SECRET: SECRET }, "https://auth.example.com"],
  ])("with %j has the issuer %s", (variables, issuer) => {
    expect(issuerUrl(accepted(variables))).toBe(issuer);
  });
});
