import { pauseAfter } from "../../backoff.ts";

const BACKOFF = { firstMs: 250, longestMs: 30_000 };
/** A worker that served for this long was sound: what ends it then is a new failure. */
const STEADY_MS = 60_000;
const MOST_FAILED_STARTS = 5;

/** What became of a worker process. */
export interface WorkerEnd {
  /** How long it served; `undefined` where it ended before it did. */
  readonly servedMs: number | undefined;
}

/** When the place of one worker is filled again. */
export interface RestartSchedule {
  /** Records an end and returns the wait before the next start: 0.25 s, then twice as long each time, at most 30 s. */
  delayAfter(end: WorkerEnd): number;
  /** Whether so many starts in a row have failed that another will too. */
  isHopeless(): boolean;
}

/** Starts with no failures. */
export function createRestartSchedule(): RestartSchedule {
  let failures = 0;
  let failedStarts = 0;
  return {
    delayAfter({ servedMs }) {
      if (servedMs === undefined) failedStarts += 1;
      else failedStarts = 0;
      if (servedMs !== undefined && servedMs >= STEADY_MS) failures = 0;
      failures += 1;
      return pauseAfter(failures, BACKOFF);
    },
    isHopeless: () => failedStarts >= MOST_FAILED_STARTS,
  };
}
