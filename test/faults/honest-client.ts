import { setTimeout as wait } from "node:timers/promises";
import type { Below } from "../support/seeded-random.ts";
import type { Attempts } from "./attempts.ts";
import type { Tally } from "./tally.ts";

/** The generation that a refresh token carries: bytes 21 to 24. */
export function generationOf(refreshToken: string): number {
  return Buffer.from(refreshToken.slice("lkr_".length), "base64url").readUInt32BE(21);
}

/** What a client holds. */
export interface Held {
  readonly sessionId: string;
  readonly refreshToken: string;
}

export interface ClientOptions {
  readonly username: string;
  readonly attempts: Attempts;
  readonly below: Below;
  readonly tally: Tally;
  /** Counts how often the database has gone back to an older state; what was acknowledged before may be undone by it. */
  readonly epoch: () => number;
}

/** A client that refreshes one refresh token after the other, and now and then logs out and in again. */
export interface HonestClient {
  /** The session that it is in and the newest refresh token it has been given. */
  held(): Held | undefined;
  begin(): Promise<void>;
  /** Goes on until told that it is over, then sees whether its newest refresh token is good. */
  run(isOver: () => boolean, pauseMs: number, logoutOneIn: number): Promise<void>;
}

export function createHonestClient({ username, attempts, below, tally, epoch }: ClientOptions): HonestClient {
  let held: Held | undefined;

  async function begin(): Promise<void> {
    const { status, body } = await attempts.login(username);
    if (status !== 200) return tally.wrong("unexplained", `login ${status} ${body?.error}`);
    held = { sessionId: body.session_id, refreshToken: body.refresh_token };
    tally.signedIn(held.sessionId);
  }

  async function refresh({ sessionId, refreshToken }: Held): Promise<void> {
    const { status, body } = await attempts.refresh(refreshToken);
    if (status === 200) {
      held = { sessionId, refreshToken: body.refresh_token };
      return;
    }
    held = undefined;
    tally.refused(sessionId, body?.error);
  }

  async function logOut({ sessionId, refreshToken }: Held): Promise<void> {
    const begunIn = epoch();
    held = undefined;
    await attempts.logout(refreshToken);
    const after = await attempts.refresh(refreshToken);
    if (after.status === 200 && begunIn === epoch()) tally.wrong("refreshedAfterRevoke", `${sessionId} after logout`);
  }

  return {
    held: () => held,
    begin,
    async run(isOver, pauseMs, logoutOneIn) {
      while (!isOver()) {
        if (held === undefined) await begin();
        else if (below(logoutOneIn) === 0) await logOut(held);
        else await refresh(held);
        if (pauseMs > 0) await wait(below(2 * pauseMs));
      }
      if (held !== undefined) await refresh(held);
    },
  };
}
