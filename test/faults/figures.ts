import { report, seed } from "../support/long-run.ts";
import type { Summary } from "./tally.ts";

/** Keeps what a load has shown under a fault that was made this often. */
export function reportLoad(run: string, count: number, startedAt: number, summary: Summary): void {
  const { acknowledged, honestLogouts, forgotten, divergencesDetected, divergencesUndetected } = summary;
  report({
    run,
    count,
    seed,
    seconds: (performance.now() - startedAt) / 1000,
    found: {
      "acknowledged rotations": acknowledged,
      "acknowledged rotations forgotten": forgotten,
      "honest logouts": honestLogouts,
      "thefts detected": divergencesDetected,
      "thefts undetected": divergencesUndetected,
      "refreshes after a revocation": summary.refreshedAfterRevoke,
      "answers 503 with Retry-After": summary.unavailable,
      "other answers in the 500s": summary.badAnswers,
      "attempts without an answer": summary.abandoned,
      "ms to the first success after a fault, at most": Math.round(summary.recoverySeconds * 1000),
      "ms for the slowest answer": Math.round(summary.slowestAnswerSeconds * 1000),
    },
  });
}
