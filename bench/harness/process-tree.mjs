import { readFileSync } from "node:fs";

/** The unit of the times in /proc/PID/stat, which is the same on every Linux that Node runs on. */
const CLOCK_TICK_MS = 10;

/**
 * The processor time that a process and those it has started have used, or `undefined` where /proc does not tell.
 * @param {number | undefined} pid
 */
export function cpuMsOf(pid) {
  return sum(pid, (one) => {
    const fields = readFileSync(`/proc/${one}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
  });
}

/**
 * The memory that a process and those it has started hold, in MiB, or `undefined` where /proc does not tell.
 * @param {number | undefined} pid
 */
export function rssMiBOf(pid) {
  return sum(pid, (one) => {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${one}/status`, "utf8"))?.[1];
    return Number(kibibytes ?? 0) / 1024;
  });
}

/**
 * @param {number | undefined} pid
 * @param {(pid: number) => number} of
 * @returns {number | undefined}
 */
function sum(pid, of) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    const ofChildren = children.map((child) => (child === "" ? 0 : (sum(Number(child), of) ?? 0)));
    return ofChildren.reduce((total, one) => total + one, of(Number(pid)));
  } catch {
    return undefined;
  }
}
