import { times } from "../support/long-run.ts";
import { describeEngineModel } from "./engine-model.ts";

describeEngineModel({ on: "SQLite", interleavings: times({ short: 10_000, long: 1_000_000 }) });
