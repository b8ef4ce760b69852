import { constants } from "node:os";
import { type RunningServer, STOP_DEADLINE_MS } from "../run.ts";
import type { Logger } from "./logger.ts";
import type { Workers } from "./workers.ts";

/** npm hands on to its child the Ctrl+C that the terminal has sent to both, so one press can arrive twice. */
const SAME_PRESS_MS = 500;
/** How long closing the store may take after the requests are done. */
const CLOSE_MS = 2000;
/** How much longer than that a worker may take to end. */
const WORKER_END_MS = 1000;

/** Asked that often whether npm's shell is still there. */
const PARENT_WATCH_MS = 500;

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Until the server is ready nothing is in flight, so a signal ends the process at once. It would by itself, but not process 1 of a
 * container, for which the system ignores every signal that nobody minds. Returns what ends the watch.
 */
export function endOnSignals(): () => void {
  const end = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);
  for (const signal of SIGNALS) process.on(signal, end);
  const stopWatching = watchNpm(() => end("SIGTERM"));
  return () => {
    for (const signal of SIGNALS) process.off(signal, end);
    stopWatching();
  };
}

/**
 * npm hands SIGTERM on to its shell alone, which ends and leaves the server running. So a server that npm or npx has started ends
 * when its parent does.
 */
function watchNpm(onGone: () => void): () => void {
  if (process.env.npm_execpath === undefined) return () => {};
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, PARENT_WATCH_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** What stops a server or its workers, and what cuts that short. */
interface Stopping {
  /** Is called once, with what asked for it. Ends the process. */
  readonly stop: (reason: string) => Promise<void>;
  /** Is called at a second press. Ends the process. */
  readonly stopAtOnce: (signal: string) => void;
}

/**
 * Handles SIGTERM and SIGINT. The function that it returns requests the same stop for another reason, and never counts
 * as a second press.
 */
function onStopSignals({ stop, stopAtOnce }: Stopping): (reason: string) => void {
  let firstAt: number | undefined;
  function ask(reason: string): void {
    if (firstAt !== undefined) return;
    firstAt = performance.now();
    void stop(reason);
  }
  watchNpm(() => ask("npm gone"));
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (firstAt !== undefined && performance.now() - firstAt >= SAME_PRESS_MS) stopAtOnce(signal);
      else ask(signal);
    });
  }
  return ask;
}

/**
 * Stops the server on SIGTERM or SIGINT and ends the process: 0 when everything in flight was served, 1 when the
 * deadline or a second signal cut it short. Returns a function that stops it for another reason.
 */
export function stopOnSignals(running: RunningServer, logger: Logger): (reason: string) => void {
  return onStopSignals({
    async stop(signal) {
      setTimeout(() => {
        logger.error("the store did not close in time; stopped anyway");
        process.exit(1);
      }, STOP_DEADLINE_MS + CLOSE_MS);
      logger.info({ signal }, "stopping: no new requests, finishing those in flight");
      try {
        const cutOff = await running.stop();
        if (cutOff > 0) logger.error({ cutOff }, "stopped at the deadline; requests still in flight were cut off");
        else logger.info("stopped");
        process.exit(cutOff > 0 ? 1 : 0);
      } catch (error) {
        logger.error({ err: error }, "stopped, but not cleanly");
        process.exit(1);
      }
    },
    stopAtOnce(signal) {
      logger.error({ signal }, "stopped at once by a second signal; requests in flight were cut off");
      process.exit(1);
    },
  });
}

/** The same for the primary process of several workers: each of them stops as a single server does. */
export function stopWorkersOnSignals(workers: Workers, logger: Logger): void {
  onStopSignals({
    async stop(signal) {
      logger.info({ signal }, "stopping all workers");
      const endedWell = await workers.stop(STOP_DEADLINE_MS + CLOSE_MS + WORKER_END_MS);
      if (endedWell) logger.info("all workers stopped");
      else logger.error("stopped, but not every worker ended cleanly");
      process.exit(endedWell ? 0 : 1);
    },
    stopAtOnce(signal) {
      workers.kill();
      logger.error({ signal }, "stopped at once by a second signal; requests in flight were cut off");
      process.exit(1);
    },
  });
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
