import { setTimeout as wait } from "node:timers/promises";
import type { ClientOptions } from "./honest-client.ts";

export interface RobberyOptions extends ClientOptions {
  readonly graceSeconds: number;
}

/** Later than the grace window by this much, so that no rounding of times puts a refresh inside it. */
const MARGIN_MS = 100;

/**
 * An owner signs in and refreshes, a thief copies the refresh token, and both go on from it: one after the other, or in turns
 * more than a grace window apart. The session must have been revoked by the time each has refreshed twice, and nobody may
 * refresh in it afterwards. Where the database has gone back meanwhile, the count begins again from there.
 */
export async function commitRobbery(options: RobberyOptions): Promise<void> {
  const { username, attempts, below, tally, epoch, graceSeconds } = options;
  const login = await attempts.login(username);
  if (login.status !== 200) return tally.wrong("unexplained", `login ${login.status} ${login.body?.error}`);
  const sessionId: string = login.body.session_id;
  tally.signedIn(sessionId);
  let token: string = login.body.refresh_token;
  for (let refreshes = below(3); refreshes > 0; refreshes--) {
    const { status, body } = await attempts.refresh(token);
    if (status !== 200) return tally.refused(sessionId, body?.error);
    token = body.refresh_token;
  }

  const tokens: [string, string] = [token, token];
  const first = below(2);
  const inTurns = below(2) === 0;
  // In turns: the first, the other, the first, the other. Otherwise each twice.
  const order = inTurns ? [first, 1 - first, first, 1 - first] : [first, first, 1 - first, 1 - first];
  let begunIn = epoch();
  for (let turn = 0; turn < order.length; turn++) {
    if (inTurns && turn > 0) await wait(graceSeconds * 1000 + MARGIN_MS);
    const holder = order[turn] as 0 | 1;
    const { status, body, isRetry } = await attempts.refresh(tokens[holder]);
    if (status !== 200) {
      if (body?.error !== "refresh_token_reused" && !(isRetry && body?.error === "session_revoked")) {
        tally.refused(sessionId, `${body?.error} instead of a detected reuse`);
        return;
      }
      tally.detected();
      return seeThatNobodyGoesOn(options, sessionId, tokens);
    }
    tokens[holder] = body.refresh_token;
    if (begunIn !== epoch()) {
      begunIn = epoch();
      turn = -1;
    }
  }
  tally.wrong("divergencesUndetected", `${sessionId} ${inTurns ? "in turns" : "one after the other"}`);
}

async function seeThatNobodyGoesOn(
  { attempts, tally, epoch }: RobberyOptions,
  sessionId: string,
  tokens: readonly string[],
): Promise<void> {
  const begunIn = epoch();
  for (const token of tokens) {
    const { status } = await attempts.refresh(token);
    if (status === 200 && begunIn === epoch()) tally.wrong("refreshedAfterRevoke", `${sessionId} after its reuse`);
  }
}
