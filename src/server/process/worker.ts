import cluster from "node:cluster";
import type { RunningServer, ServerFacts } from "../run.ts";

/** What a worker says to its primary. */
export interface ReadyMessage {
  readonly type: "ready";
  readonly facts: ServerFacts;
}

/** What the primary says to its workers. A signal could reach them twice: from the terminal and from the primary. */
export interface StopMessage {
  readonly type: "stop";
}

/** Which worker this process is. */
export interface WorkerIdentity {
  /** Counts from 1; one that takes another's place has a number of its own. */
  readonly number: number;
  readonly pid: number;
  /** Whether it is the first of all, which listens before it is ready since nobody else does. */
  readonly isFirst: boolean;
}

/** `undefined` where this process is no worker. */
export function workerIdentity(): WorkerIdentity | undefined {
  const { worker } = cluster;
  return worker && { number: worker.id, pid: process.pid, isFirst: worker.id === 1 };
}

/** For a worker that cannot start: otherwise its channel to the primary keeps it from ending. */
export function leavePrimary(): void {
  cluster.worker?.disconnect();
}

/**
 * Tells the primary that this worker serves, and calls `stop` when it says so. It is called, too, when the primary is gone,
 * since nobody hands on connections any more: what is in flight is still answered.
 */
export function reportReady(running: RunningServer, stop: (reason: string) => void): void {
  const { address, issuer, database, setupToken } = running;
  process.on("message", (message) => {
    if ((message as Partial<StopMessage> | null)?.type === "stop") stop("primary");
  });
  cluster.worker?.on("disconnect", () => {
    // Otherwise node:cluster ends this process before it has answered.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
    stop("primary gone");
  });
  const message: ReadyMessage = { type: "ready", facts: { address, issuer, database, setupToken } };
  process.send?.(message);
}
