import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A run that has not answered this long after its end is given up. */
const GRACE_MS = 15_000;

/**
 * @typedef {import("./load-process.mjs").LoadRequest} LoadRequest
 * @typedef {import("./load-process.mjs").LoadResult} LoadResult
 * @typedef {{ run(request: Omit<LoadRequest, "id">): Promise<LoadResult>, stop(): void }} LoadGenerator
 */

/**
 * Starts the load generator in a process of its own.
 * @returns {LoadGenerator}
 */
export function startLoadGenerator() {
  const child = fork(fileURLToPath(new URL("./load-process.mjs", import.meta.url)), { stdio: "inherit" });
  let lastId = 0;

  return {
    run(request) {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => done(() => reject(new Error("no answer in time"))),
          request.seconds * 1000 + GRACE_MS,
        );
        /** @param {import("./load-process.mjs").LoadAnswer} answer */
        function onAnswer(answer) {
          if (answer.id !== id) return;
          done(() => ("result" in answer ? resolve(answer.result) : reject(new Error(answer.problem))));
        }
        const onExit = () => done(() => reject(new Error("the load generator has ended")));
        /** @param {() => void} settle */
        function done(settle) {
          clearTimeout(timer);
          child.off("message", onAnswer);
          child.off("exit", onExit);
          settle();
        }
        child.on("message", onAnswer);
        child.on("exit", onExit);
        child.send({ ...request, id });
      });
    },
    stop() {
      child.kill();
    },
  };
}
