import cluster, { type Worker } from "node:cluster";
import type { ServerFacts } from "../run.ts";
import type { Logger } from "./logger.ts";
import { createRestartSchedule, type RestartSchedule, type WorkerEnd } from "./restart-schedule.ts";
import type { ReadyMessage, StopMessage } from "./worker.ts";

/** What `startWorkers` takes. */
export interface WorkersOptions {
  readonly count: number;
  readonly logger: Logger;
  /** The script that each worker runs, and its arguments. Default: what this process runs. */
  readonly script?: { readonly file: string; readonly args: readonly string[] };
}

/** The worker processes of one server. */
export interface Workers {
  /** Resolves once the first worker serves, with what it reports about the server. Never, if it ended before that. */
  readonly serving: Promise<ServerFacts>;
  /**
   * Resolves with an exit code when the server is over without anybody having stopped it: the first worker ended before it
   * served, or none is left and none starts any more. The workers have said why.
   */
  readonly gaveUp: Promise<number>;
  /** Has every worker finish what is in flight. Resolves to whether all of them did; after `deadlineMs` the others are ended. */
  stop(deadlineMs: number): Promise<boolean>;
  /** Ends every worker at once. */
  kill(): void;
}

/** The place of a worker, filled again whenever it ends. */
interface Place {
  readonly schedule: RestartSchedule;
  worker: Worker | undefined;
  /** When the worker began to serve. */
  servesSince: number | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Starts `count` processes that serve the same port, and replaces those that end. The first one starts alone: what is wrong
 * with the configuration, the database or the port is then said once, and an empty database is set up by one process.
 */
export function startWorkers({ count, logger, script }: WorkersOptions): Workers {
  // The workers accept connections themselves. Handed on by the primary, one that a worker had not yet taken when it was
  // killed would hang, since node:cluster never closes it.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  if (script !== undefined) cluster.setupPrimary({ exec: script.file, args: [...script.args] });
  const places: readonly Place[] = Array.from({ length: count }, () => ({
    schedule: createRestartSchedule(),
    worker: undefined,
    servesSince: undefined,
    timer: undefined,
  }));
  const serving = later<ServerFacts>();
  const gaveUp = later<number>();
  const allEnded = later<void>();
  let hasServed = false;
  let issuer: string | undefined;
  let isStopping = false;
  let endedWell = true;

  function fill(place: Place): void {
    const worker = cluster.fork({
      // Of connections that come together each worker takes one at a time, and leaves some to the others.
      UV_TCP_SINGLE_ACCEPT: "1",
      // The others know it before they listen, even if the port was chosen from the free ones.
      ...(issuer !== undefined && { LATCHKEY_ISSUER: issuer }),
    });
    place.worker = worker;
    place.servesSince = undefined;
    // A channel that breaks is followed by the worker's end, which is what counts.
    worker.on("error", () => {});
    worker.on("message", (message: Partial<ReadyMessage> | null) => {
      if (message?.type === "ready" && message.facts !== undefined) onReady(place, worker, message.facts);
    });
    worker.once("exit", (code, signal) => onExit(place, worker, code, signal));
  }

  function onReady(place: Place, worker: Worker, facts: ServerFacts): void {
    place.servesSince = performance.now();
    if (isStopping) {
      askToStop(worker);
      return;
    }
    logger.info(identity(worker), "worker serves");
    if (hasServed) return;
    hasServed = true;
    issuer = facts.issuer;
    serving.resolve(facts);
    for (const other of places) if (other !== place) fill(other);
  }

  function onExit(place: Place, worker: Worker, exitCode: number | null, signal: string | null): void {
    const servedMs = vacate(place);
    if (isStopping) {
      // One that had not begun to serve has nothing to cut off.
      if (servedMs !== undefined && exitCode !== 0) endedWell = false;
      if (places.every((one) => one.worker === undefined)) allEnded.resolve();
    } else if (hasServed) {
      replace(place, { servedMs }, { ...identity(worker), exitCode, signal });
    } else {
      // With an exit code of its own it has said why.
      if (exitCode === null) logger.fatal({ signal }, "the first worker was killed before it served");
      gaveUp.resolve(exitCode === null || exitCode === 0 ? 1 : exitCode);
    }
  }

  function replace(place: Place, end: WorkerEnd, fields: object): void {
    const delayMs = place.schedule.delayAfter(end);
    const message = end.servedMs === undefined ? "a worker ended before it served" : "a worker ended";
    logger.error({ ...fields, delayMs }, `${message}; starting another`);
    const noneServes = places.every((one) => one.servesSince === undefined);
    if (noneServes && place.schedule.isHopeless()) giveUp();
    else place.timer = setTimeout(fill, delayMs, place);
  }

  function giveUp(): void {
    isStopping = true;
    for (const { timer } of places) clearTimeout(timer);
    kill();
    logger.fatal("no worker is left, and none can be started; see the lines above for the cause");
    gaveUp.resolve(1);
  }

  function kill(): void {
    for (const { worker } of places) worker?.process.kill("SIGKILL");
  }

  fill(places[0]!);
  return {
    serving: serving.promise,
    gaveUp: gaveUp.promise,
    kill,
    async stop(deadlineMs) {
      isStopping = true;
      for (const { worker, timer, servesSince } of places) {
        clearTimeout(timer);
        if (worker === undefined) continue;
        if (servesSince === undefined) worker.process.kill("SIGTERM");
        else askToStop(worker);
      }
      if (places.every(({ worker }) => worker === undefined)) return true;
      const deadline = setTimeout(() => {
        endedWell = false;
        kill();
      }, deadlineMs);
      await allEnded.promise;
      clearTimeout(deadline);
      return endedWell;
    },
  };
}

/** Returns how long the worker that was there has served; `undefined` where it had not begun to. */
function vacate(place: Place): number | undefined {
  const servedMs = place.servesSince === undefined ? undefined : performance.now() - place.servesSince;
  place.worker = undefined;
  place.servesSince = undefined;
  return servedMs;
}

function identity(worker: Worker): { readonly worker: number; readonly pid: number | undefined } {
  return { worker: worker.id, pid: worker.process.pid };
}

interface Later<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
}

/** A promise that somebody else resolves. */
function later<Value>(): Later<Value> {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function askToStop(worker: Worker): void {
  const message: StopMessage = { type: "stop" };
  // Where it cannot be told, it has ended already.
  if (worker.isConnected()) worker.send(message, () => {});
}
