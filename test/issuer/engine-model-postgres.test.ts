import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { times } from "../support/long-run.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { describeEngineModel } from "./engine-model.ts";

const world = postgresWorld();

describeEngineModel({
  on: "PostgreSQL",
  interleavings: times({ short: 600, long: 20_000 }),
  lanes: 6,
  openStore: () => createPostgresStore(world.server.url(world.database), { maxConnections: 2 }),
});
