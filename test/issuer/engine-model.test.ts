import { describeEngineModel } from "./engine-model.ts";

describeEngineModel("SQLite", Number(process.env.MODEL_RUNS ?? 5000));
