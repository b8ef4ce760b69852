import { spawnSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { root } from "../../scripts/root.mjs";
import { spread } from "./rounds.mjs";

/**
 * What a figure has to be read with: the machine, what ran on it, and which code.
 * @param {string} folder on the disk that the databases are on
 */
export function describeMachine(folder) {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    syncMs: syncTime(folder),
    /** Of one minute, before the first run: what else was going on. */
    load: loadavg()[0] ?? 0,
    commit: git("rev-parse", "--short", "HEAD"),
    changedSince: git("status", "--porcelain", "--", "src") !== "",
  };
}

/**
 * How long the disk takes to make 4 KiB durable, which no durable store can do without.
 * @param {string} folder
 */
function syncTime(folder) {
  const path = join(folder, "sync-time");
  const file = openSync(path, "w");
  const page = Buffer.alloc(4096);
  const times = Array.from({ length: 101 }, () => {
    const started = performance.now();
    writeSync(file, page, 0, page.length, 0);
    fdatasyncSync(file);
    return performance.now() - started;
  });
  closeSync(file);
  rmSync(path);
  return spread(times);
}

/** @param {string[]} args */
function git(...args) {
  const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : "unknown";
}
