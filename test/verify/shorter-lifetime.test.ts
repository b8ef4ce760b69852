import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createTestClock, type TestBed } from "../support/test-bed.ts";
import { afterwards, outcome, type ServedBed, serveBed } from "../support/verifiers.ts";

const eventually = { timeout: 20_000, interval: 20 };
const HALF_AN_HOUR = 1800;

function newDatabase(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-lifetime-"));
  afterwards(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "latchkey.db");
}

/** A server whose access tokens lived for an hour, one of which has been revoked, and that now starts with a minute. */
async function loweredAfterRevocation() {
  const [path, clock] = [newDatabase(), createTestClock()];
  const before = await serveBed({ path, accessTtlSeconds: 3600 }, clock);
  const { accessToken, refreshToken } = await before.issuer.issue({ subject: "ada" });
  const kept = await before.token("grace");
  await before.issuer.logout(refreshToken);
  await before.issuer.close();
  clock.advanceSeconds(60);
  const after = await serveBed({ path, accessTtlSeconds: 60, sweepIntervalSeconds: 1 }, clock);
  return { path, clock, after, accessToken, kept };
}

/** Answers the feed's stream with an error, so that verifiers have to poll. */
function withoutStreams({ served }: ServedBed): void {
  served.instead((_, headers) =>
    headers.get("accept") === "text/event-stream" ? new Response(null, { status: 406 }) : undefined,
  );
}

const codesOf = async (token: string, ...verifiers: readonly { verify(token: string): Promise<unknown> }[]) =>
  Promise.all(verifiers.map((verifier) => outcome(verifier.verify(token))));

const secondsUntil = (text: string, from: number) => (Date.parse(text) - from) / 1000;

/** What the feed lists. */
async function listed(bed: TestBed) {
  const { accessToken: bearer } = await bed.issuer.issue({ subject: "billing", scope: "revocations:read" });
  const { body } = await bed.call("GET", "/auth/revocations", { bearer });
  return body.revocations as readonly { readonly session_id: string; readonly expires_at: string }[];
}

describe("a revoked access token of an hour, after a restart with accessTtlSeconds 60", () => {
  it("stays refused here and at another process, and others stay good, for as long as they live", async () => {
    const { path, clock, after, accessToken, kept } = await loweredAfterRevocation();
    const other = await serveBed({ path, accessTtlSeconds: 60 }, clock);
    for (let quarter = 0; quarter < 3; quarter += 1) {
      clock.advanceSeconds(900);
      for (const { issuer } of [after, other]) await issuer.check();
      await expect.poll(async () => (await listed(after)).length, eventually).toBe(1);
      expect(await codesOf(accessToken, after.issuer, other.issuer)).toEqual(["session_revoked", "session_revoked"]);
      expect(await codesOf(kept, after.issuer, other.issuer)).toEqual(["good", "good"]);
    }
    clock.advanceSeconds(900);
    expect(await codesOf(accessToken, after.issuer, other.issuer)).toEqual(Array(2).fill("access_token_expired"));
  });

  it.each(["stream", "list"])(
    "stays refused at a verifier that follows the feed by %s, from before and from later on",
    async (by) => {
      const { clock, after, accessToken, kept } = await loweredAfterRevocation();
      if (by === "list") withoutStreams(after);
      const early = after.follower();
      await early.ready();
      expect(early.feedStatus()?.state).toBe(by === "list" ? "polling" : "streaming");
      clock.advanceSeconds(HALF_AN_HOUR);
      // The verifier forgets when it hears of another.
      const another = await after.issuer.issue({ subject: "ada" });
      await after.issuer.logout(another.refreshToken);
      await expect.poll(() => outcome(early.verify(another.accessToken)), eventually).toBe("session_revoked");
      const late = after.follower();
      await late.ready();
      expect(await codesOf(accessToken, early, late)).toEqual(["session_revoked", "session_revoked"]);
      expect(await codesOf(kept, early, late)).toEqual(["good", "good"]);
    },
  );

  it("is not swept from the log, while what no token can outlive is", async () => {
    const { path, clock, after } = await loweredAfterRevocation();
    const before = await serveBed({ path, accessTtlSeconds: 3600, sweepIntervalSeconds: 0 }, clock);
    clock.advanceSeconds(2400);
    const pair = await before.issuer.issue({ subject: "ada" });
    await before.issuer.logout(pair.refreshToken);
    clock.advanceSeconds(2400);
    const sessions = async () => (await after.store.listRevocations(0, 0, 10)).map(({ sessionId }) => sessionId);
    await expect.poll(sessions, eventually).toEqual([pair.sessionId]);
    expect(await codesOf(pair.accessToken, after.issuer, before.issuer)).toEqual(Array(2).fill("session_revoked"));
  });

  it("is signed with a key that is kept, retired or not, until the last of its tokens has expired", async () => {
    const { clock, after, kept } = await loweredAfterRevocation();
    await after.issuer.keys.rotate({ force: true });
    clock.advanceSeconds(HALF_AN_HOUR);
    // Rereads the ring, and drops what is past its use.
    await after.token();
    expect(await outcome(after.issuer.verify(kept))).toBe("good");
    expect(await outcome(after.verifier().verify(kept))).toBe("good");
    clock.advanceSeconds(HALF_AN_HOUR);
    await after.token();
    expect(after.issuer.keys.jwks().keys.length).toBe(3);
    clock.advanceSeconds(60);
    await after.token();
    expect(after.issuer.keys.jwks().keys.length).toBe(2);
  });
});

describe("how long a revocation is told of", () => {
  it("goes down again once all access tokens of the longer life have expired", async () => {
    const { clock, after } = await loweredAfterRevocation();
    const toldFor = async () => {
      const { refreshToken, sessionId } = await after.issuer.issue({ subject: "ada" });
      await after.issuer.logout(refreshToken);
      const entry = (await expect
        .poll(async () => (await listed(after)).find((one) => one.session_id === sessionId), eventually)
        .toBeDefined()
        .then(() => listed(after)))!.find((one) => one.session_id === sessionId)!;
      return secondsUntil(entry.expires_at, clock.now());
    };
    const margin = 605;
    expect(await toldFor()).toBe(3600 + margin);
    clock.advanceSeconds(3600);
    expect(await toldFor()).toBe(3600 + margin);
    clock.advanceSeconds(margin + 120);
    expect(await toldFor()).toBe(60 + margin);
    expect((await after.store.listAccessLifetimes()).map(({ seconds }) => seconds)).toEqual([60]);
  });

  it("goes up at once at a process whose own tokens are short, when another begins to sign longer ones", async () => {
    const [path, clock] = [newDatabase(), createTestClock()];
    const short = await serveBed({ path, accessTtlSeconds: 60, sweepIntervalSeconds: 0 }, clock);
    const follower = short.follower();
    await follower.ready();
    const long = await serveBed({ path, accessTtlSeconds: 3600, sweepIntervalSeconds: 0 }, clock);
    const { accessToken, refreshToken } = await long.issuer.issue({ subject: "ada" });
    await short.issuer.logout(refreshToken);
    await expect.poll(() => outcome(follower.verify(accessToken)), eventually).toBe("session_revoked");
    clock.advanceSeconds(HALF_AN_HOUR);
    const another = await long.issuer.issue({ subject: "ada" });
    await short.issuer.logout(another.refreshToken);
    await expect.poll(() => outcome(follower.verify(another.accessToken)), eventually).toBe("session_revoked");
    expect(await codesOf(accessToken, follower, short.issuer)).toEqual(Array(2).fill("session_revoked"));
    await expect.poll(() => outcome(long.issuer.verify(accessToken)), eventually).toBe("session_revoked");
  });

  it("is kept in the store again, every two minutes, before a token is signed that others would not expect", async () => {
    const clock = createTestClock();
    const bed = await serveBed({ path: newDatabase(), accessTtlSeconds: 3600 }, clock);
    const pair = await bed.issuer.issue({ subject: "ada" });
    const rows = async () => (await bed.store.listAccessLifetimes())[0]!.lastInForceAt - clock.now();
    expect(await rows()).toBe(120_000);
    clock.advanceSeconds(119);
    await bed.issuer.refresh(pair.refreshToken);
    expect(await rows()).toBe(1000);
    clock.advanceSeconds(1);
    await bed.token();
    expect(await rows()).toBe(120_000);
  });
});
