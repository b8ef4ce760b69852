import { describe, expect, it } from "vitest";
import { createTestBed, createTestClock, type Pair, type TestBed } from "../support/test-bed.ts";

const HOUR_SECONDS = 3600;
/** Twenty minutes past an hour. */
const START = Date.UTC(2026, 10, 21, 12, 20);

const bedAt = (start: number, options = {}) => createTestBed(options, {}, createTestClock(start));

async function refresh(bed: TestBed, token: string): Promise<Pair> {
  const { status, body } = await bed.call("POST", "/auth/refresh", { bearer: token });
  expect(status).toBe(200);
  return body;
}

async function shown(bed: TestBed, { access_token: bearer }: Pair) {
  const { body } = await bed.call("GET", "/auth/sessions", { bearer });
  const { last_used_at, expires_at } = body.sessions[0];
  return { last_used_at, expires_at };
}

describe("GET /auth/sessions", () => {
  it("shows every five seconds of an hour the same times, whenever the owner refreshes in it", async () => {
    const bed = await bedAt(START);
    let owner = await bed.login();
    bed.clock.advanceSeconds(HOUR_SECONDS);
    const thief = await refresh(bed, owner.refresh_token);
    owner = thief;
    const seen = new Set<string>();
    for (let second = 0; second < 2300; second += 5) {
      bed.clock.set(START + (HOUR_SECONDS + second) * 1000);
      if (second % 400 === 0) owner = await refresh(bed, owner.refresh_token);
      // The thief's own access token would have expired by then; the store is asked as the route asks it.
      const [session] = await bed.issuer.sessions.list((await bed.store.listLiveSessions(0, 1))[0]!.subject);
      seen.add(JSON.stringify(bed.issuer.sessions.timesShown(session!)));
    }
    expect([...seen]).toEqual([JSON.stringify({ lastUsedAt: START, expiresAt: START + 14 * 86_400_000 })]);
  });

  it("shows after the next full hour when the session had last been used before it", async () => {
    const bed = await bedAt(START);
    const signedIn = await bed.login();
    bed.clock.advanceSeconds(600);
    const second = await refresh(bed, signedIn.refresh_token);
    const signedInAt = new Date(START).toISOString();
    expect((await shown(bed, second)).last_used_at).toBe(signedInAt);
    bed.clock.set(Date.UTC(2026, 10, 21, 13));
    const third = await refresh(bed, second.refresh_token);
    expect((await shown(bed, third)).last_used_at).toBe(new Date(START + 600_000).toISOString());
  });

  it("shows no end that has passed, where a session with a short idle time lives", async () => {
    const bed = await bedAt(START, { idleTtlSeconds: 600 });
    let pair = await bed.login();
    for (let nth = 0; nth < 4; nth++) {
      bed.clock.advanceSeconds(500);
      pair = await refresh(bed, pair.refresh_token);
    }
    const { expires_at } = await shown(bed, pair);
    expect(Date.parse(expires_at)).toBe(bed.clock.now() + 600_000);
  });
});

describe("refresh_expires_in", () => {
  it("says the same to the twin of a refresh, whenever in the grace window it comes", async () => {
    const bed = await bedAt(START);
    const { refresh_token: token } = await bed.login();
    const answers = [(await refresh(bed, token)).refresh_expires_in];
    for (let second = 0; second < 9; second++) {
      bed.clock.advanceSeconds(1);
      answers.push((await refresh(bed, token)).refresh_expires_in);
    }
    expect(new Set(answers)).toEqual(new Set([14 * 86_400]));
  });

  it("of a reauthentication, which refreshes nothing, stands as at the last full hour", async () => {
    const bed = await bedAt(START);
    const { access_token: bearer, refresh_token: token } = await bed.login();
    bed.clock.advanceSeconds(300);
    await refresh(bed, token);
    bed.clock.advanceSeconds(300);
    const { body } = await bed.call("POST", "/auth/reauthenticate", {
      bearer,
      json: { password: "correct horse battery staple" },
    });
    // As though there had been no refresh since the sign-in, of which the thief knows.
    expect(body.refresh_expires_in).toBe(14 * 86_400 - 600);
  });
});

describe("with revokeReplacedAccessTokens", () => {
  it("a replaced access token gets the answer of one that has expired", async () => {
    const bed = await bedAt(START, { revokeReplacedAccessTokens: true });
    const first = await bed.login();
    await refresh(bed, first.refresh_token);
    const replaced = await bed.call("GET", "/auth/me", { bearer: first.access_token });
    bed.clock.advanceSeconds(901);
    const expired = await bed.call("GET", "/auth/me", { bearer: first.access_token });
    expect([replaced.status, replaced.text]).toEqual([expired.status, expired.text]);
    expect(replaced.body.error).toBe("access_token_expired");
  });
});
