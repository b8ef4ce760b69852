import { setTimeout as wait } from "node:timers/promises";
import { type Below, pick } from "../support/seeded-random.ts";
import { PASSWORD } from "../support/server-process.ts";
import type { Reply, Tally } from "./tally.ts";

/** A whole answer of a server. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a route answers is known where it is asked.
  readonly body: any;
  /** Whether an attempt before had no answer, so that what was asked may have been done already. */
  readonly isRetry: boolean;
}

export interface AttemptOptions {
  /** Where servers are now: each attempt goes to one of them. Where there is none, it has no answer. */
  readonly urls: () => readonly string[];
  readonly below: Below;
  readonly tally: Tally;
  /** An attempt without an answer is abandoned after this long. */
  readonly timeoutMs: number;
}

/** How a client speaks to the servers: one attempt at a time, and the next one only when that is over or abandoned. */
export interface Attempts {
  login(username: string): Promise<Answer>;
  refresh(refreshToken: string): Promise<Answer>;
  logout(refreshToken: string): Promise<Answer>;
}

const UNANSWERED_PAUSE_MS = 25;
/** Of what `Retry-After` asks for, so that a test of seconds sees many tries. */
const LONGEST_PAUSE_MS = 100;
/** Far beyond any fault of a test: whoever waits this long has been forgotten. */
const PATIENCE_MS = 120_000;

/** Each call repeats its request until a server has decided it: with success, or with a 401. Rejects where none ever does. */
export function createAttempts({ urls, below, tally, timeoutMs }: AttemptOptions): Attempts {
  // Everybody at home somewhere else, as the servers' trusted proxy tells them; or so many sign-ins look like guessing.
  const address = `10.${below(256)}.${below(256)}.${below(256)}`;

  async function settled(path: string, body: Readonly<Record<string, string>>): Promise<Answer> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let isRetry = false; performance.now() < deadline; ) {
      const startedAt = performance.now();
      const reachable = urls();
      const reply =
        reachable.length === 0
          ? undefined
          : await attempt(pick(below, reachable) + path, body, address, timeoutMs).catch(() => undefined);
      if (reply === undefined) {
        isRetry = true;
        tally.abandoned();
        await wait(UNANSWERED_PAUSE_MS);
        continue;
      }
      tally.answered(path, reply, startedAt);
      const { status, retryAfterSeconds = 0 } = reply;
      if (status === 401 || (status >= 200 && status < 300)) return { ...reply, isRetry };
      // Its commit may be unknown, or it may have been carried out after a lost attempt before.
      isRetry = true;
      await wait(Math.min(retryAfterSeconds * 1000, LONGEST_PAUSE_MS));
    }
    throw new Error(`No server decided ${path} within ${PATIENCE_MS / 1000} seconds.`);
  }

  return {
    login: (username) => settled("/auth/login", { username, password: PASSWORD }),
    refresh: (refreshToken) => settled("/auth/refresh", { refresh_token: refreshToken }),
    logout: (refreshToken) => settled("/auth/logout", { refresh_token: refreshToken }),
  };
}

async function attempt(url: string, json: unknown, address: string, timeoutMs: number): Promise<Reply> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "x-forwarded-for": address },
    body: JSON.stringify(json),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  const retryAfter = response.headers.get("retry-after");
  return {
    status: response.status,
    body: text === "" ? undefined : JSON.parse(text),
    ...(retryAfter !== null && { retryAfterSeconds: Number(retryAfter) }),
  };
}
