import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serverProblem } from "../../src/store/postgres/connection/open.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";

const PASSWORD = "canary-5e2a9f61 c7:/@?#%";

let server: PostgresServer;
let database: string;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase();
  await server.sql(`CREATE ROLE ada LOGIN PASSWORD '${PASSWORD}'`);
  await server.sql(`GRANT CONNECT ON DATABASE ${database} TO ada`);
});
afterAll(() => server?.remove());

/** Everything that an error could tell of a URL that cannot be opened. */
async function failure(url: string, options = {}) {
  const error = await createPostgresStore(url, options).then(
    () => expect.fail("The store was opened."),
    (thrown) => thrown,
  );
  const all = [];
  for (let at = error; at !== undefined; at = at.cause)
    all.push(at.stack, JSON.stringify(at, Object.getOwnPropertyNames(at)));
  const told = all.join("\n");
  expect(told).not.toContain("canary");
  expect(told).not.toContain(encodeURIComponent(PASSWORD));
  return { code: error.code, detail: error.detail as string, retryAfterSeconds: error.retryAfterSeconds };
}

const asAda = (name = database) => server.url(name, { user: "ada", password: PASSWORD });

describe("a database that cannot be used says why, what to do, and no password", () => {
  it("for a wrong password and an unknown user", async () => {
    const wrong = { user: "ada", password: `${PASSWORD}x` };
    const unknown = { user: "eve", password: PASSWORD };
    for (const role of [wrong, unknown]) {
      const { code, detail } = await failure(server.url(database, role));
      expect(code).toBe("store_unusable");
      expect(detail).toMatch(/refused the user or the password.*Correct them/);
    }
  });

  it("for a missing password", async () => {
    const { code, detail } = await failure(`postgres://ada@127.0.0.1:${server.port}/${database}`);
    expect(code).toBe("store_unusable");
    expect(detail).toMatch(/requires a password.*URL has none/);
  });

  it("for a database that does not exist", async () => {
    const { code, detail } = await failure(server.url("nowhere"));
    expect(code).toBe("store_unusable");
    expect(detail).toMatch(/does not exist.*CREATE DATABASE/);
  });

  it("for a user without the right to create the schema, or to use what is in it", async () => {
    const { code, detail } = await failure(asAda());
    expect(code).toBe("store_unusable");
    expect(detail).toMatch(/may not do.*GRANT CREATE ON DATABASE/);
    expect(await server.sql("SELECT FROM pg_namespace WHERE nspname = 'latchkey'", database)).toEqual([]);

    const made = await server.createDatabase();
    await (await createPostgresStore(server.url(made))).close();
    expect((await failure(asAda(made))).detail).toMatch(/may not do.*GRANT/);
    await server.sql(
      `GRANT USAGE ON SCHEMA latchkey TO ada;
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA latchkey TO ada`,
      made,
    );
    const store = await createPostgresStore(asAda(made));
    await store.check();
    await store.close();
  });

  it("for a server that offers no TLS where TLS is asked for", async () => {
    const { code, detail } = await failure(`${server.url(database)}?sslmode=verify-full`);
    expect(code).toBe("store_unusable");
    expect(detail).toMatch(/offers no TLS.*sslmode=disable/);
  });

  it("for a server that is not there, as something that may change", async () => {
    const closed = await listening();
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const { code, detail, retryAfterSeconds } = await failure(
      `postgres://ada:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/x`,
    );
    expect(code).toBe("store_unavailable");
    expect(detail).toMatch(/does not answer.*Check that PostgreSQL runs/);
    expect(retryAfterSeconds).toBe(1);
  });

  it("for something that takes connections and says nothing, within the time allowed", async () => {
    const silent = await listening();
    const startedAt = performance.now();
    const { port } = silent.address() as AddressInfo;
    const { code } = await failure(`postgres://ada:x@127.0.0.1:${port}/x`, { connectTimeoutSeconds: 1 });
    expect(code).toBe("store_unavailable");
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    silent.close();
  });

  it("for a database that is not encoded in UTF-8", async () => {
    const latin = await server.createDatabase("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    const { code, detail } = await failure(server.url(latin));
    expect(code).toBe("store_unusable");
    expect(detail).toMatch(/encoded in LATIN1.*ENCODING 'UTF8'/);
  });

  it("for a schema of the same name that is somebody else's, which is left as it is", async () => {
    const other = await server.createDatabase();
    await server.sql("CREATE SCHEMA latchkey; CREATE TABLE latchkey.users (id int)", other);
    const { code, detail } = await failure(server.url(other));
    expect(code).toBe("store_unusable");
    expect(detail).toMatch(/did not create.*not changed/);
    expect(await server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'latchkey'", other)).toHaveLength(1);
  });

  it("for a server that is too old", () => {
    expect(serverProblem(130_022, "postgres://db")).toMatch(/PostgreSQL 13.*14 or later/);
    expect(serverProblem(140_000, "postgres://db")).toBeUndefined();
    expect(serverProblem(180_004, "postgres://db")).toBeUndefined();
  });

  it("for a schema that is too new, also where it becomes so under an open store", async () => {
    const newer = await server.createDatabase();
    const store = await createPostgresStore(server.url(newer));
    await server.sql("UPDATE latchkey.schema_version SET version = 99", newer);
    await store.check();
    await (await createPostgresStore(server.url(newer))).close();
    await server.sql("UPDATE latchkey.schema_version SET works_from = 98", newer);
    await expect(store.check()).rejects.toMatchObject({ code: "store_unusable" });
    await store.close();
    const { code, detail } = await failure(server.url(newer));
    expect(code).toBe("store_unusable");
    expect(detail).toMatch(/schema version 99.*Upgrade Latchkey/);
  });
});

async function listening(): Promise<Server> {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  silent.unref();
  return silent;
}
