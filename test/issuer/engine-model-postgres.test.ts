import { createPostgresStore } from "../../src/store/postgres.ts";
import { postgresWorld } from "../store/postgres-world.ts";
import { describeEngineModel } from "./engine-model.ts";

const world = postgresWorld();

// The issuer closes its store.
describeEngineModel("PostgreSQL", Number(process.env.MODEL_RUNS_POSTGRES ?? 300), () =>
  createPostgresStore(world.server.url(world.database)),
);
