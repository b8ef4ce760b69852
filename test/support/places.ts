import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, type TestContext } from "vitest";

/** A directory that is removed when the test that is running ends. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "latchkey-sqlite-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A path for a database in a directory of its own. */
export function newPath(): string {
  return join(newDirectory(), "latchkey.db");
}

/**
 * A directory that is a small file system in memory of its own, until the test ends. Where mounting is not permitted, the test
 * is skipped with that reason; in CI it fails instead, so that nobody takes for tested what was not.
 */
export function mountTmpfs(test: TestContext, size: string): string {
  const directory = newDirectory();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", directory], { encoding: "utf8" });
  if (mounted.status !== 0) notPossible(test, `a tmpfs cannot be mounted here: ${mounted.error ?? mounted.stderr}`);
  // Lazily, because libsql keeps files open until its statements have been collected.
  onTestFinished(() => {
    spawnSync("umount", ["-l", directory]);
  });
  return directory;
}

/** Fills the file system to its last page. Gives what frees it again. */
export function fill(directory: string): () => void {
  const path = join(directory, "filler");
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
  return () => unlinkSync(path);
}

/** Skips a test with a reason; fails it in CI. */
export function notPossible(test: TestContext, reason: string): never {
  if (process.env.CI) throw new Error(`This must not be skipped in CI, but ${reason}`);
  return test.skip(`Not tested, because ${reason}`);
}
