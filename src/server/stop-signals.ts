import type { Logger } from "./logger.ts";
import { type RunningServer, STOP_DEADLINE_MS } from "./main.ts";

/** npm hands on to its child the Ctrl+C that the terminal has sent to both, so one press can arrive twice. */
const SAME_PRESS_MS = 500;
/** How long closing the store may take after the requests are done. */
const CLOSE_MS = 2000;

/**
 * Stops the server on SIGTERM or SIGINT and ends the process: 0 when everything in flight was served, 1 when the deadline or
 * a second signal cut it short. An error that nobody caught ends it too, with 1.
 */
export function stopOnSignals(running: RunningServer, logger: Logger): void {
  let firstAt: number | undefined;

  async function stop(signal: string): Promise<void> {
    const at = performance.now();
    if (firstAt !== undefined) {
      if (at - firstAt < SAME_PRESS_MS) return;
      logger.error({ signal }, "stopped at once, by a second signal; what was in flight is cut off");
      process.exit(1);
    }
    firstAt = at;
    setTimeout(() => {
      logger.error("the store did not close in time; stopped all the same");
      process.exit(1);
    }, STOP_DEADLINE_MS + CLOSE_MS);
    logger.info({ signal }, "stopping: no new requests, finishing those in flight");
    try {
      const cutOff = await running.stop();
      if (cutOff > 0)
        logger.error({ cutOff }, "stopped at the deadline; requests that were still in flight are cut off");
      else logger.info("stopped");
      process.exit(cutOff > 0 ? 1 : 0);
    } catch (error) {
      logger.error({ err: error }, "stopped, but not cleanly");
      process.exit(1);
    }
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
}

/** An error that nobody caught leaves the process in a state that nobody knows: it is logged, and the process ends with 1. */
export function exitOnUncaught(logger: Logger): void {
  const end = (message: string) => (error: unknown) => {
    logger.fatal({ err: error }, message);
    process.exit(1);
  };
  process.on("uncaughtException", end("an error was not caught"));
  process.on("unhandledRejection", end("a rejection was not handled"));
}
