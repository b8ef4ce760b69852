import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    // Threads are no faster here, and share what tests change: the process's environment, signals and native modules.
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
