import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { type DebianProgram, PACKAGE_TEST_TIMEOUT_MS, requireProgram } from "../support/debian-package.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { newSession, vouched } from "../support/records.ts";
import { describeStoreContract } from "./contract.ts";

const pgbouncer: DebianProgram = {
  debianPackage: "pgbouncer",
  path: "/usr/sbin/pgbouncer",
  variable: "LATCHKEY_TEST_PGBOUNCER",
};
const PASSWORD = "of-nobody";

let server: PostgresServer;
let folder: string;
let bouncer: ChildProcess | undefined;
let port: number;

beforeAll(async () => {
  server = await startPostgres({ settings: { default_transaction_isolation: "serializable" } });
  await server.sql(`CREATE ROLE latchkey LOGIN PASSWORD '${PASSWORD}'`);
});
afterAll(async () => {
  if (bouncer !== undefined && bouncer.exitCode === null) {
    bouncer.kill("SIGKILL");
    await once(bouncer, "exit");
  }
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  await server?.remove();
});

/** Two connections to the server for every database, whoever asks: what keeps a state on one is found out. */
async function startBouncer(program: string): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), "latchkey-pgbouncer-"));
  chmodSync(folder, 0o755);
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  port = (probe.address() as AddressInfo).port;
  probe.close();
  writeFileSync(join(folder, "users.txt"), `"latchkey" "${PASSWORD}"\n`);
  writeFileSync(
    join(folder, "pgbouncer.ini"),
    `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, "users.txt")}
pool_mode = transaction
default_pool_size = 2
max_client_conn = 500
server_idle_timeout = 1
`,
  );
  const identity = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  bouncer = spawn(program, [join(folder, "pgbouncer.ini")], { ...identity, stdio: "ignore" });
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, "127.0.0.1");
    const answers = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error")]).catch(
      () => false,
    );
    socket.destroy();
    if (answers === true) return;
    await wait(50);
  }
  throw new Error("PgBouncer did not start.");
}

const through = (database: string) => `postgres://latchkey:${PASSWORD}@127.0.0.1:${port}/${database}`;

describe("PgBouncer", () => {
  it("in transaction mode is what the contract is tried through", {
    timeout: PACKAGE_TEST_TIMEOUT_MS,
  }, async (test) => {
    await startBouncer(requireProgram(test, pgbouncer));
    const database = await server.createDatabase("OWNER latchkey");
    const stores = await Promise.all(Array.from({ length: 4 }, () => createPostgresStore(through(database))));
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => stores[index % 4]!.createSessions([vouched(newSession())])),
    );
    const [{ n }] = await server.sql(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = '${database}' AND usename = 'latchkey'`,
    );
    expect(n).toBeLessThanOrEqual(2);
    for (const store of stores) await store.close();
  });
});

// The test above fails, or says why it is skipped, where there is none and none can be installed.
const isToBeHad = process.getuid?.() === 0 || existsSync(process.env[pgbouncer.variable] ?? pgbouncer.path);
describe.skipIf(!isToBeHad)("PgBouncer", () => {
  let database: string;
  beforeAll(async () => {
    database = await server.createDatabase("OWNER latchkey");
  });
  describeStoreContract("PostgreSQL behind it, serializable by default,", async () => ({
    open: () => createPostgresStore(through(database)),
    // As empty as a new database, which would be a copy of a thousand files.
    remove: () => server.sql("DROP SCHEMA IF EXISTS latchkey CASCADE", database).then(() => {}),
  }));
});
