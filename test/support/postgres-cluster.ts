import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { newPassword, type SharedCluster } from "./postgres-server.mjs";

declare module "vitest" {
  interface ProvidedContext {
    readonly postgresCluster: SharedCluster;
  }
}

/** Gives the PostgreSQL servers of one run of the tests one folder to begin with, and removes it after the tests. */
export function setup({ provide }: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-cluster-"));
  provide("postgresCluster", { folder, password: newPassword() });
  return () => rmSync(folder, { recursive: true, force: true });
}
