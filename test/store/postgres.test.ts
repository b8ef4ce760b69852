import { afterAll, beforeAll } from "vitest";
import { createPostgresStore } from "../../src/store/postgres.ts";
import { type PostgresServer, startPostgres } from "../postgres-server.ts";
import { describeStoreContract } from "./contract.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.remove());

describeStoreContract("PostgreSQL", async () => {
  const database = await server.createDatabase();
  return {
    open: () => createPostgresStore(server.url(database)),
    remove: () => server.dropDatabase(database),
  };
});
