import { availableParallelism } from "node:os";
import { configDefaults, defineConfig } from "vitest/config";

// Files of one process share what they import, which is most of the time of a short one. They start nothing outside this process, change
// nothing of it that lasts, and measure nothing.
const together = [
  "test/*.test.ts",
  ...["access-token", "keys", "oauth", "rfc"].map((folder) => `test/${folder}/**/*.test.ts`),
  // The others start a browser, or look at the time or the memory that they take.
  "test/http/!(docs-page|fuzz|recognised-device|shared-work).test.ts",
];

export default defineConfig({
  test: {
    environment: "node",
    // Threads are no faster here, and share what tests change: the process's environment, signals and native modules.
    pool: "forks",
    // vitest would leave one core to itself, which on two is half of what there is.
    maxWorkers: Math.max(2, availableParallelism()),
    globalSetup: ["test/support/postgres-cluster.ts"],
    setupFiles: ["test/support/setup.ts"],
    // Nothing takes nearly as long, unless the machine has other things to do.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: { name: "together", isolate: false, include: together },
      },
      {
        extends: true,
        test: { name: "apart", include: ["test/**/*.test.ts"], exclude: [...configDefaults.exclude, ...together] },
      },
    ],
  },
});
