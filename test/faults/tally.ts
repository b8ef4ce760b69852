/** What came back over the wire, whole. */
export interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a route answers is known where it is asked.
  readonly body: any;
  readonly retryAfterSeconds?: number;
}

/** What the clients have seen, and what of it must not have been. */
export interface Summary {
  /** Rotations whose answer arrived whole. */
  readonly acknowledged: number;
  /** Honest clients that were refused though they had done nothing but refresh. */
  readonly honestLogouts: number;
  /** Acknowledged rotations that the servers, or the database where it was asked, did not know afterwards. */
  readonly forgotten: number;
  /** Answers that no rule allows: a wrong code, an unexpected 4xx. */
  readonly unexplained: number;
  /** Sessions from which owner and thief both went on, and which were revoked by the time each had refreshed twice. */
  readonly divergencesDetected: number;
  readonly divergencesUndetected: number;
  /** Refreshes that succeeded after the session's end had been acknowledged. */
  readonly refreshedAfterRevoke: number;
  /** Answers in the 500s other than 503 with `Retry-After`. */
  readonly badAnswers: number;
  /** Answers 503 with `Retry-After`. */
  readonly unavailable: number;
  /** Attempts without a whole answer. */
  readonly abandoned: number;
  /** The longest that any answer took. */
  readonly slowestAnswerSeconds: number;
  /** The longest from a marked fault to the first successful answer to an attempt begun after it. */
  readonly recoverySeconds: number;
  /** A line on each thing that must not have been. */
  readonly wrongs: readonly string[];
}

/** What must be nought in every summary. */
export const nothingWrong = {
  honestLogouts: 0,
  forgotten: 0,
  unexplained: 0,
  divergencesUndetected: 0,
  refreshedAfterRevoke: 0,
  badAnswers: 0,
  wrongs: [],
} as const;

type Wrong = "forgotten" | "unexplained" | "divergencesUndetected" | "refreshedAfterRevoke" | "badAnswers";

/** Counts for all clients of a load. */
export interface Tally {
  answered(path: string, reply: Reply, startedAt: number): void;
  abandoned(): void;
  signedIn(sessionId: string): void;
  /** An honest client was refused; whether that is an honest logout is known once it is known what the database lost. */
  refused(sessionId: string, code: string): void;
  detected(): void;
  wrong(kind: Wrong, what: string): void;
  markFault(): void;
  /** All sessions signed in so far but these were lost with the database's state: being refused for them is no honest logout. */
  excuseAllBut(sessionIds: ReadonlySet<string>): void;
  summary(): Summary;
}

export function createTally(): Tally {
  const wrongs: string[] = [];
  const counts: Record<Wrong, number> = {
    forgotten: 0,
    unexplained: 0,
    divergencesUndetected: 0,
    refreshedAfterRevoke: 0,
    badAnswers: 0,
  };
  const refusals: { readonly sessionId: string; readonly code: string }[] = [];
  const signedIn = new Set<string>();
  const excused = new Set<string>();
  let [acknowledged, unavailable, abandoned, divergencesDetected] = [0, 0, 0, 0];
  let [slowestMs, recoveryMs] = [0, 0];
  let faultAt: number | undefined;

  const wrong = (kind: Wrong, what: string) => {
    counts[kind] += 1;
    wrongs.push(`${kind}: ${what}`);
  };

  return {
    wrong,
    answered(path, { status, body, retryAfterSeconds }, startedAt) {
      const now = performance.now();
      slowestMs = Math.max(slowestMs, now - startedAt);
      if (status === 200 && faultAt !== undefined && startedAt >= faultAt) {
        recoveryMs = Math.max(recoveryMs, now - faultAt);
        faultAt = undefined;
      }
      if (status === 200 && path === "/auth/refresh") acknowledged += 1;
      else if (status === 503 && retryAfterSeconds !== undefined && retryAfterSeconds >= 1) unavailable += 1;
      else if (status >= 500) wrong("badAnswers", `${path} ${status} ${body?.error}, Retry-After ${retryAfterSeconds}`);
      else if (status >= 300 && status !== 401) wrong("unexplained", `${path} ${status} ${body?.error}`);
    },
    abandoned() {
      abandoned += 1;
    },
    signedIn(sessionId) {
      signedIn.add(sessionId);
    },
    refused(sessionId, code) {
      refusals.push({ sessionId, code });
    },
    detected() {
      divergencesDetected += 1;
    },
    markFault() {
      faultAt = performance.now();
    },
    excuseAllBut(sessionIds) {
      for (const id of signedIn) if (!sessionIds.has(id)) excused.add(id);
    },
    summary() {
      const logouts = refusals.filter(({ sessionId }) => !excused.has(sessionId));
      return {
        acknowledged,
        honestLogouts: logouts.length,
        ...counts,
        divergencesDetected,
        unavailable,
        abandoned,
        slowestAnswerSeconds: slowestMs / 1000,
        recoverySeconds: (faultAt === undefined ? recoveryMs : Number.POSITIVE_INFINITY) / 1000,
        wrongs: [...wrongs, ...logouts.map(({ sessionId, code }) => `honestLogouts: ${sessionId} ${code}`)],
      };
    },
  };
}
