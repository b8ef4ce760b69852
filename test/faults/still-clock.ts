import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestClock, type TestClock } from "../support/test-bed.ts";

/** One clock for this process and for servers, at whose `environment` it stands in for the machine's. */
export interface StillClock extends TestClock {
  /** What a server process needs to go by it. */
  readonly settings: Readonly<Record<string, string>>;
  close(): void;
}

/** Makes a clock that stands still, in every process at once, until it is told otherwise. */
export function createStillClock(): StillClock {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-clock-"));
  const path = join(folder, "now");
  const file = openSync(path, "w");
  const clock = createTestClock();
  const milliseconds = Buffer.alloc(8);
  const tell = () => {
    milliseconds.writeDoubleLE(clock.now());
    writeSync(file, milliseconds, 0, 8, 0);
  };
  tell();
  return {
    settings: { NODE_OPTIONS: `--import=${new URL("still-clock.mjs", import.meta.url)}`, STILL_CLOCK: path },
    now: () => clock.now(),
    advanceSeconds(seconds) {
      clock.advanceSeconds(seconds);
      tell();
    },
    set(now) {
      clock.set(now);
      tell();
    },
    close() {
      closeSync(file);
      rmSync(folder, { recursive: true });
    },
  };
}
