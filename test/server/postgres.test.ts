import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examine } from "../../src/server/doctor.ts";
import { readConfig } from "../../src/server/settings/config.ts";
import { freePort } from "../support/free-port.mjs";
import { durationOf, expectWithin } from "../support/on-time.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { PASSWORD, serve } from "../support/server-in-process.ts";
import { latchkey } from "../support/server-process.ts";

const SECRET = "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM";

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres?.remove());

async function settingsFor(database: string) {
  return { LATCHKEY_DATABASE_URL: postgres.url(database), LATCHKEY_SECRET: SECRET };
}

describe("a server on PostgreSQL", () => {
  it("signs in, refreshes and is ready, and names its database without the password", async () => {
    const server = await serve(await settingsFor(await postgres.createDatabase()));
    const pair = (await server.signIn()).body;
    expect((await server.post("/auth/refresh", pair)).status).toBe(200);
    expect((await server.get("/readyz")).status).toBe(200);
    expect(server.database).toMatch(/^postgres:\/\/admin@127\.0\.0\.1:\d+\/t\w+$/);
    expect(server.log.join("")).not.toContain("canary");
  });

  it("whose database is away at the start lives, is not ready and says so, and serves once it is there", async () => {
    const settings = await settingsFor(await postgres.createDatabase());
    const port = await freePort();
    await postgres.stop();
    const starting = serve({ ...settings, LATCHKEY_PORT: String(port) });
    const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
    await expect
      .poll(() =>
        ask("/readyz").then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(503);
    await expect.poll(async () => (await ask("/livez")).status).toBe(200);
    for (const path of ["/readyz", "/auth/me", "/.well-known/jwks.json", "/nowhere"]) {
      const answer = await ask(path);
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect((await answer.json()).error).toBe("store_unavailable");
    }
    await postgres.start();
    const server = await starting;
    expect((await server.get("/readyz")).status).toBe(200);
    const told = server.log.filter((line) => line.includes("cannot be reached"));
    expect(told.length).toBeGreaterThan(0);
    expect(told[0]).toMatch(/does not answer.*Check that PostgreSQL runs/);
    expect(server.log.join("")).not.toContain("canary");
  });

  it("whose database goes away answers 503 with Retry-After, is unready within five seconds, and recovers by itself", async () => {
    const server = await serve(await settingsFor(await postgres.createDatabase()));
    let pair = (await server.signIn()).body;
    await postgres.kill();
    await expectWithin(5000, () => durationOf(async () => expect((await server.get("/readyz")).status).toBe(503)));
    expect((await server.get("/livez")).status).toBe(200);
    for (let tries = 0; tries < 5; tries++) {
      const answer = await server.post("/auth/refresh", pair);
      expect(answer.status).toBe(503);
      expect(answer.body.error).toBe("store_unavailable");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    await postgres.start();
    await expect.poll(async () => (await server.get("/readyz")).status, { timeout: 60_000 }).toBe(200);
    const refreshed = await server.post("/auth/refresh", pair);
    expect(refreshed.status).toBe(200);
    pair = refreshed.body;
    expect((await server.get("/auth/me", { authorization: `Bearer ${pair.access_token}` })).status).toBe(200);
    expect(server.log.join("")).not.toContain("canary");
  });

  it.each([
    [
      "password is changed",
      (role: string) => `ALTER ROLE ${role} PASSWORD 'another'`,
      (role: string, password: string) => `ALTER ROLE ${role} PASSWORD '${password}'`,
    ],
    [
      "role may not log in",
      (role: string) => `ALTER ROLE ${role} NOLOGIN`,
      (role: string) => `ALTER ROLE ${role} LOGIN`,
    ],
    [
      "role is dropped",
      (role: string) => `REASSIGN OWNED BY ${role} TO admin; DROP OWNED BY ${role}; DROP ROLE ${role}`,
      (role: string, password: string) =>
        `CREATE ROLE ${role} LOGIN PASSWORD '${password}'; GRANT USAGE ON SCHEMA latchkey TO ${role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA latchkey TO ${role}`,
    ],
  ])(
    "whose %s while it runs answers 503 with Retry-After, says why in its log, and recovers by itself",
    async (_, spoil, mend) => {
      const password = "canary-clerk";
      const database = await postgres.createDatabase();
      const role = `clerk_${database}`;
      const sql = (text: string) => postgres.sql(text, database);
      await sql(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'; ALTER DATABASE ${database} OWNER TO ${role}`);
      const url = postgres.url(database, { user: role, password });
      const server = await serve({ LATCHKEY_DATABASE_URL: url, LATCHKEY_SECRET: SECRET });
      const pair = (await server.signIn()).body;
      await sql(spoil(role));
      await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'");
      for (const answer of [await server.get("/readyz"), await server.post("/auth/refresh", pair)]) {
        expect(answer.status).toBe(503);
        expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      }
      const told = server.log.filter((line) => line.includes('"a request failed"'));
      expect(told.length).toBeGreaterThan(0);
      for (const line of told) expect(line).toMatch(/clerk_\w+@.* refused the user or the password.*ALTER ROLE/);
      expect((await server.get("/livez")).status).toBe(200);
      await sql(mend(role, password));
      await expect.poll(async () => (await server.get("/readyz")).status, { timeout: 10_000 }).toBe(200);
      expect((await server.post("/auth/refresh", pair)).status).toBe(200);
      expect(server.log.join("")).not.toContain("canary");
      await server.stop();
    },
  );

  it("does not start with a wrong password, and says what to correct", async () => {
    const url = postgres.url("postgres", { user: "admin", password: "canary wrong" });
    await expect(serve({ LATCHKEY_DATABASE_URL: url, LATCHKEY_SECRET: SECRET })).rejects.toMatchObject({
      code: "store_unusable",
      detail: expect.stringMatching(/refused the user or the password/),
    });
  });
});

describe("the doctor", () => {
  it("tells of an empty, a used and an unreachable database, and makes nothing", async () => {
    const database = await postgres.createDatabase();
    const settings = { ...(await settingsFor(database)), LATCHKEY_PORT: "0" };
    const findings = async () =>
      (await examine(readConfig(settings))).map(({ subject, state, text }) => `${subject} ${state} ${text}`);
    expect(await findings()).toContainEqual(
      expect.stringMatching(/^database note postgres:\/\/admin@.* does not exist yet/),
    );
    expect(await postgres.sql("SELECT FROM pg_namespace WHERE nspname = 'latchkey'", database)).toEqual([]);
    const server = await serve(settings);
    await server.stop();
    const used = await findings();
    expect(used.filter((finding) => / wrong /.test(finding))).toEqual([]);
    expect(used).toContainEqual(
      expect.stringMatching(/^database ok .* is on PostgreSQL 18\.\S* and writable, schema version \d+$/),
    );
    expect(used).toContainEqual("secret ok from LATCHKEY_SECRET");
    await postgres.stop();
    const away = await findings();
    await postgres.start();
    expect(away).toContainEqual(expect.stringMatching(/^database wrong .*does not answer/));
    expect(JSON.stringify([...used, ...away])).not.toContain("canary");
  });
});

describe("the command line", () => {
  it("migrates, adds users, lists and revokes sessions, beside a running server", async () => {
    const settings = await settingsFor(await postgres.createDatabase());
    const early = await latchkey(["user", "list"], settings);
    expect(early).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/has no Latchkey tables yet.*latchkey migrate/),
    });
    expect((await latchkey(["migrate"], settings)).stdout).toMatch(/created, at schema version \d+/);
    expect((await latchkey(["migrate"], settings)).stdout).toMatch(/nothing to do/);
    const added = await latchkey(["user", "add", "ada", "--password-stdin"], settings, `${PASSWORD}\n`);
    expect(added.code).toBe(0);
    const server = await serve(settings);
    const pair = (await server.signIn()).body;
    expect((await latchkey(["session", "list"], settings)).stdout).toContain(pair.session_id);
    expect((await latchkey(["session", "revoke", pair.session_id], settings)).code).toBe(0);
    expect((await server.post("/auth/refresh", pair)).body.error).toBe("session_revoked");
    const me = () => server.get("/auth/me", { authorization: `Bearer ${pair.access_token}` });
    await expect.poll(async () => (await me()).status).toBe(401);
    expect((await latchkey(["key", "rotate", "--force"], settings)).code).toBe(0);
  });
});
