import { afterAll, beforeAll } from "vitest";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { describeStoreContract } from "./contract.ts";

let server: PostgresServer;
let database: string;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase();
});
afterAll(() => server?.remove());

describeStoreContract("PostgreSQL", async () => ({
  open: () => createPostgresStore(server.url(database)),
  // As empty as a new database, which would be a copy of a thousand files.
  remove: () => server.sql("DROP SCHEMA IF EXISTS latchkey CASCADE", database).then(() => {}),
}));
