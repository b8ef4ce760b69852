import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    // Threads are no faster here, and share what tests change: the process's environment, signals and native modules.
    pool: "forks",
    // vitest would leave one core to itself, which on two is half of what there is.
    maxWorkers: Math.max(2, availableParallelism()),
    globalSetup: ["test/support/postgres-cluster.ts"],
    // Nothing takes nearly as long, unless the machine has other things to do.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
  },
});
