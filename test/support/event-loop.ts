import { readFileSync } from "node:fs";

/**
 * The processor's time, in nanoseconds, that the longest turn of the event loop has taken while `work` was under way. Unlike a
 * clock it says nothing of what else the machine does. Linux only.
 */
export async function longestTurnOf(work: () => unknown): Promise<number> {
  let [before, longest, isDone] = [spent(), 0, false];
  const working = Promise.resolve(work()).finally(() => {
    isDone = true;
  });
  do {
    await new Promise((resolve) => setImmediate(resolve));
    const now = spent();
    longest = Math.max(longest, now - before);
    before = now;
  } while (!isDone);
  await working;
  return longest;
}

/** What this process's main thread has had of the processor. */
function spent(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]);
}
