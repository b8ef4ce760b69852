import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { readConfig } from "../../src/server/settings/config.ts";
import { type SettingName, settings } from "../../src/server/settings/settings.ts";
import { createProofKey, proofBy } from "../support/dpop-proofs.ts";
import { freePort } from "../support/free-port.mjs";
import {
  claimsOf,
  headerOf,
  type InProcessServer,
  PASSWORD,
  serve,
  temporaryFolder,
} from "../support/server-in-process.ts";

const SECRET = "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM";
const NEW_SECRET = "Zs0pW8dK3vXn7bQy2mRf6tLh1cJg9uEa5iToVwYx4CN";

async function refresh(server: InProcessServer, refreshToken: string): Promise<number> {
  return (await server.post("/auth/refresh", { refresh_token: refreshToken })).status;
}

/** What each setting changes, seen from outside, against what is the case without it. */
const effects: Readonly<Record<SettingName, () => Promise<void>>> = {
  async LATCHKEY_SECRET() {
    const server = await serve({ LATCHKEY_SECRET: SECRET });
    expect(existsSync(join(server.folder, "latchkey.secret"))).toBe(false);
    expect(existsSync(join((await serve()).folder, "latchkey.secret"))).toBe(true);
  },

  async LATCHKEY_SECRET_PREVIOUS() {
    const folder = temporaryFolder();
    const before = await serve({ LATCHKEY_SECRET: SECRET }, folder);
    const { refresh_token: refreshToken, access_token: accessToken } = (await before.signIn()).body;
    const { port } = before.address;
    await before.stop();
    await expect(serve({ LATCHKEY_SECRET: NEW_SECRET }, folder)).rejects.toThrow(/secret/i);

    const after = await serve(
      { LATCHKEY_SECRET: NEW_SECRET, LATCHKEY_SECRET_PREVIOUS: SECRET, LATCHKEY_ISSUER: `http://127.0.0.1:${port}` },
      folder,
    );
    expect((await after.get("/auth/me", { authorization: `Bearer ${accessToken}` })).status).toBe(200);
    expect(await refresh(after, refreshToken)).toBe(200);
  },

  async LATCHKEY_DATABASE_URL() {
    const folder = temporaryFolder();
    const server = await serve({ LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "other.db")}` }, folder);
    expect(server.database).toBe(`sqlite:${join(folder, "other.db")}`);
    expect(existsSync(join(folder, "other.db"))).toBe(true);
  },

  async LATCHKEY_ISSUER() {
    const server = await serve({ LATCHKEY_ISSUER: "https://auth.example.com", LATCHKEY_SECRET: SECRET });
    expect(claimsOf((await server.signIn()).body.access_token).iss).toBe("https://auth.example.com");
    const byDefault = await serve();
    expect(claimsOf((await byDefault.signIn()).body.access_token).iss).toBe(byDefault.url);
  },

  async LATCHKEY_AUDIENCE() {
    const server = await serve({ LATCHKEY_AUDIENCE: "https://api.example.com,reports" });
    expect(claimsOf((await server.signIn()).body.access_token).aud).toEqual(["https://api.example.com", "reports"]);
  },

  async LATCHKEY_HOST() {
    const server = await serve({ LATCHKEY_HOST: "127.0.0.53" });
    expect(server.address.host).toBe("127.0.0.53");
    expect((await server.get("/livez")).status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${server.address.port}/livez`)).rejects.toThrow();
  },

  async LATCHKEY_PORT() {
    const anyFree = await serve({ LATCHKEY_PORT: "0" });
    const { port } = anyFree.address;
    expect(port).toBeGreaterThan(0);
    expect(anyFree.issuer).toBe(`http://127.0.0.1:${port}`);
    const chosen = await freePort();
    expect((await serve({ LATCHKEY_PORT: String(chosen) })).url).toBe(`http://127.0.0.1:${chosen}`);
  },

  async LATCHKEY_ACCESS_TTL_SECONDS() {
    expect((await (await serve({ LATCHKEY_ACCESS_TTL_SECONDS: "61" })).signIn()).body.expires_in).toBe(61);
    expect((await (await serve()).signIn()).body.expires_in).toBe(900);
  },

  async LATCHKEY_SESSION_TTL_SECONDS() {
    const server = await serve({ LATCHKEY_SESSION_TTL_SECONDS: "1" });
    const { refresh_token: refreshToken } = (await server.signIn()).body;
    await new Promise((resolve) => setTimeout(resolve, 1050));
    const answer = await server.post("/auth/refresh", { refresh_token: refreshToken });
    expect(answer.body.error).toBe("session_expired");
  },

  async LATCHKEY_IDLE_TTL_SECONDS() {
    const lifeOf = async (server: InProcessServer) => (await server.signIn()).body.refresh_expires_in;
    expect(await lifeOf(await serve({ LATCHKEY_IDLE_TTL_SECONDS: "600" }))).toBeLessThanOrEqual(600);
    expect(await lifeOf(await serve())).toBeGreaterThan(1_209_000);
  },

  async LATCHKEY_ROTATION_GRACE_SECONDS() {
    for (const [grace, expected] of [
      ["0", 401],
      ["10", 200],
    ] as const) {
      const server = await serve({ LATCHKEY_ROTATION_GRACE_SECONDS: grace });
      const { refresh_token: refreshToken } = (await server.signIn()).body;
      expect(await refresh(server, refreshToken)).toBe(200);
      expect(await refresh(server, refreshToken)).toBe(expected);
    }
  },

  async LATCHKEY_SIGNING_ALG() {
    for (const alg of ["EdDSA", "HS256"]) {
      const server = await serve({ LATCHKEY_SIGNING_ALG: alg });
      expect(headerOf((await server.signIn()).body.access_token).alg).toBe(alg);
    }
  },

  async LATCHKEY_REGISTRATION() {
    const person = { username: "ada", password: PASSWORD };
    expect((await (await serve({ LATCHKEY_REGISTRATION: "open" })).post("/auth/register", person)).status).toBe(201);
    expect((await (await serve({ LATCHKEY_REGISTRATION: undefined })).post("/auth/register", person)).status).toBe(403);
  },

  async LATCHKEY_PASSWORD_MIN_LENGTH() {
    const server = await serve({ LATCHKEY_PASSWORD_MIN_LENGTH: "9" });
    const register = async (username: string, password: string) =>
      (await server.post("/auth/register", { username, password })).body;
    expect(await register("ada", "wqzjvkxb")).toMatchObject({ error_description: "Use 9 characters or more." });
    expect(await register("ada", "wqzjvkxbm")).toMatchObject({ username: "ada" });
  },

  async LATCHKEY_PASSWORD_GRANT() {
    for (const [value, expected] of [
      ["on", 200],
      ["off", 400],
      [undefined, 400],
    ] as const) {
      const server = await serve({ LATCHKEY_PASSWORD_GRANT: value });
      await server.signIn();
      const response = await fetch(`${server.url}/token`, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "password", username: "ada", password: PASSWORD }),
      });
      expect(response.status).toBe(expected);
    }
  },

  async LATCHKEY_COOKIE_NAME() {
    for (const [value, expected] of [
      ["staff", "staff-access"],
      [undefined, "latchkey-access"],
    ] as const) {
      const server = await serve({ LATCHKEY_COOKIE_NAME: value });
      await server.signIn();
      const { headers } = await server.post("/auth/login", {
        username: "ada",
        password: PASSWORD,
        transport: "cookie",
      });
      expect(headers.getSetCookie()[0]?.split("=")[0]).toBe(expected);
    }
  },

  async LATCHKEY_ALLOWED_ORIGINS() {
    const asking = { origin: "https://app.example.com" };
    const allowed = await (await serve({ LATCHKEY_ALLOWED_ORIGINS: asking.origin })).get("/livez", asking);
    expect(allowed.headers.get("access-control-allow-origin")).toBe(asking.origin);
    const refused = await (await serve()).get("/livez", asking);
    expect(refused.headers.has("access-control-allow-origin")).toBe(false);
  },

  async LATCHKEY_TRUSTED_PROXIES() {
    for (const [value, expected] of [
      ["127.0.0.0/8", "192.0.2.7"],
      [undefined, "127.0.0.1"],
    ] as const) {
      const server = await serve({ LATCHKEY_TRUSTED_PROXIES: value });
      await server.signIn();
      const credentials = { username: "ada", password: PASSWORD };
      const { access_token: accessToken } = (
        await server.post("/auth/login", credentials, { "x-forwarded-for": "192.0.2.7" })
      ).body;
      const { sessions } = (await server.get("/auth/sessions", { authorization: `Bearer ${accessToken}` })).body;
      expect(sessions.find(({ current }: { current: boolean }) => current).ip).toBe(expected);
    }
  },

  async LATCHKEY_HSTS() {
    const https = { LATCHKEY_ISSUER: "https://auth.example.com", LATCHKEY_SECRET: SECRET };
    for (const [value, expected] of [
      ["max-age=60; includeSubDomains", "max-age=60; includeSubDomains"],
      ["off", null],
      [undefined, "max-age=31536000"],
    ] as const) {
      const server = await serve({ ...https, LATCHKEY_HSTS: value });
      for (const path of ["/livez", "/auth/me", "/no/such/route"]) {
        expect((await server.get(path)).headers.get("strict-transport-security")).toBe(expected);
      }
    }
    expect((await (await serve()).get("/livez")).headers.has("strict-transport-security")).toBe(false);
  },

  async LATCHKEY_DPOP_NONCE() {
    for (const [value, nonce] of [
      ["on", expect.stringMatching(/^[\w-]{24}$/)],
      ["off", null],
    ] as const) {
      const { url } = await serve({ LATCHKEY_DPOP_NONCE: value });
      const answer = await fetch(`${url}/auth/me`, { headers: { authorization: "DPoP eyJ.e30.e30", dpop: "none" } });
      expect(answer.headers.get("dpop-nonce")).toEqual(nonce);
    }
  },

  async LATCHKEY_STALE_WITH_PROOF() {
    for (const [value, expected] of [
      ["answer", 200],
      ["revoke", 401],
      [undefined, 200],
    ] as const) {
      const server = await serve({ LATCHKEY_STALE_WITH_PROOF: value });
      await server.signIn();
      const key = await createProofKey();
      const dpop = (path: string) => proofBy(key, systemEnvironment.clock, { claims: { htu: server.url + path } });
      const credentials = { username: "ada", password: PASSWORD };
      const signedIn = await server.post("/auth/login", credentials, { dpop: await dpop("/auth/login") });
      const refreshWith = async (refreshToken: string) =>
        server.post("/auth/refresh", { refresh_token: refreshToken }, { dpop: await dpop("/auth/refresh") });
      const first = signedIn.body.refresh_token;
      const second = (await refreshWith(first)).body.refresh_token;
      expect((await refreshWith(second)).status).toBe(200);
      expect((await refreshWith(first)).status).toBe(expected);
    }
  },

  async LATCHKEY_SESSION_REFRESHES_PER_MINUTE() {
    const server = await serve({ LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "1" });
    const { refresh_token: refreshToken } = (await server.signIn()).body;
    expect(await refresh(server, refreshToken)).toBe(200);
    expect(await refresh(server, refreshToken)).toBe(429);
  },

  async LATCHKEY_LOGINS_PER_HOUR() {
    const server = await serve({ LATCHKEY_LOGINS_PER_HOUR: "2" });
    const statuses = [];
    for (let login = 0; login < 3; login++) statuses.push((await server.signIn()).status);
    expect(statuses).toEqual([200, 200, 429]);
  },

  async LATCHKEY_REGISTRATIONS_PER_HOUR() {
    const server = await serve({ LATCHKEY_REGISTRATIONS_PER_HOUR: "1" });
    const register = async (username: string) =>
      (await server.post("/auth/register", { username, password: PASSWORD })).status;
    expect([await register("ada"), await register("bob")]).toEqual([201, 429]);
  },

  async LATCHKEY_SESSIONS_PER_USER() {
    const server = await serve({ LATCHKEY_SESSIONS_PER_USER: "1" });
    const first = (await server.signIn()).body;
    const second = (await server.signIn()).body;
    expect(await refresh(server, first.refresh_token)).toBe(401);
    expect(await refresh(server, second.refresh_token)).toBe(200);
  },

  async LATCHKEY_WORKERS() {
    // It can only say what is the case; what it changes is whether the server starts.
    expect("config" in readConfig({ LATCHKEY_WORKERS: "1" })).toBe(true);
    expect("problems" in readConfig({ LATCHKEY_WORKERS: "2" })).toBe(true);
  },

  async LATCHKEY_LOG_LEVEL() {
    for (const [value, expected] of [
      ["info", true],
      ["warn", false],
      ["silent", false],
    ] as const) {
      const server = await serve({ LATCHKEY_LOG_LEVEL: value });
      await server.signIn();
      expect(server.log.some((line) => line.includes('"event":"login.succeeded"'))).toBe(expected);
    }
  },
};

describe("PARITY 36: every setting is read by something", () => {
  it("and each has its proof below", () => {
    expect(Object.keys(effects)).toEqual(Object.keys(settings));
  });

  it("and docs/server.md lists exactly these", () => {
    const page = readFileSync(new URL("../../docs/server.md", import.meta.url), "utf8");
    const rows = page.split("\n").filter((line) => line.startsWith("| `LATCHKEY_"));
    const documented = rows.flatMap((row) => row.split("|")[1]!.match(/LATCHKEY_\w+/g) ?? []);
    expect(documented).toEqual(Object.keys(settings));
  });

  for (const [name, effect] of Object.entries(effects)) it(`${name} changes what the server does`, effect);
});
