import { describe, expect, it } from "vitest";
import type { Issuer } from "../../src/index.ts";
import { createRevocationFeed } from "../../src/revocations/feed.ts";
import { loadRevocations } from "../../src/revocations/known-revocations.ts";
import { livesOf } from "../support/lives-of.ts";
import { createTestBed, ISSUER, type TestBed } from "../support/test-bed.ts";

const GRANTED = { jti: "AAAAAAAAAAAAAAAAAAAAAQ.1.x", sid: "AAAAAAAAAAAAAAAAAAAAAQ", iat: 0 };
const SCOPE = "revocations:read";

async function openBed(): Promise<TestBed & { readonly bearer: string }> {
  const bed = await createTestBed({
    accessTtlSeconds: 60,
    subjects: async (subjects) => new Map(subjects.map((subject) => [subject, { roles: [] }])),
  });
  const { accessToken } = await bed.issuer.issue({ subject: "billing", scope: SCOPE });
  return { ...bed, bearer: accessToken };
}

/** Opens a session and ends it at once. Gives its id. */
async function revokeOne(issuer: Issuer): Promise<string> {
  const { sessionId, refreshToken } = await issuer.issue({ subject: "ada" });
  await issuer.logout(refreshToken);
  return sessionId;
}

/** Opens the stream; `read` gives what has arrived when a chunk does, `undefined` at its end. */
async function openStream(bed: TestBed, bearer: string, headers: Readonly<Record<string, string>> = {}) {
  const stop = new AbortController();
  const request = new Request(`${ISSUER}/auth/revocations`, {
    headers: { authorization: `Bearer ${bearer}`, accept: "text/event-stream", ...headers },
    signal: stop.signal,
  });
  const response = await bed.handler.fetch(request);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  return { response, read: async () => (await reader.read()).value, cancel: () => reader.cancel(), stop };
}

const sessionsIn = (text: string | undefined) =>
  [...(text ?? "").matchAll(/"session_id":"([\w-]+)"/g)].map(([, id]) => id);
const idsIn = (text: string | undefined) => [...(text ?? "").matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

describe("GET /auth/revocations, polled", () => {
  it("gives what has been revoked in order, a page at a time, and where to go on", async () => {
    const bed = await openBed();
    const revoked = [];
    for (let nth = 0; nth < 5; nth++) revoked.push(await revokeOne(bed.issuer));
    const at = new Date(bed.clock.now()).toISOString();
    await expect
      .poll(() => bed.issuer.revocationFeed.read(0, 10).then(({ entries }) => entries.length), { timeout: 5000 })
      .toBe(5);

    const found = [];
    let next = 0;
    for (const expected of [2, 2, 1, 0]) {
      const { status, body, headers } = await bed.call("GET", `/auth/revocations?after=${next}&limit=2`, {
        bearer: bed.bearer,
      });
      expect([status, headers.get("cache-control"), body.revocations.length]).toEqual([200, "no-store", expected]);
      found.push(...body.revocations);
      next = body.next;
    }
    expect(found.map((entry) => entry.session_id)).toEqual(revoked);
    expect(new Set(found.map((entry) => entry.revoked_at))).toEqual(new Set([at]));
    expect((await bed.call("GET", `/auth/revocations?after=${next}`, { bearer: bed.bearer })).body).toEqual({
      revocations: [],
      next,
    });
  });

  it("includes what the same process has just acknowledged, however soon it is asked", async () => {
    const bed = await openBed();
    for (let nth = 0; nth < 20; nth++) {
      const ended = await revokeOne(bed.issuer);
      const { body } = await bed.call("GET", "/auth/revocations?limit=1000", { bearer: bed.bearer });
      expect(body.revocations.at(-1)?.session_id).toBe(ended);
    }
  });

  it("keeps an entry until no access token of its session can be alive, and says until when", async () => {
    const bed = await openBed();
    await revokeOne(bed.issuer);
    const read = async () => {
      const { accessToken } = await bed.issuer.issue({ subject: "billing", scope: SCOPE });
      return (await bed.call("GET", "/auth/revocations", { bearer: accessToken })).body.revocations;
    };
    await expect.poll(async () => (await read()).length).toBe(1);
    const [{ expires_at: expiresAt }] = await read();
    const remainingSeconds = (Date.parse(expiresAt) - bed.clock.now()) / 1000;
    expect(remainingSeconds).toBeGreaterThanOrEqual(60 + 5);
    bed.clock.advanceSeconds(remainingSeconds);
    expect(await read()).toHaveLength(1);
    bed.clock.advanceSeconds(4);
    expect(await read()).toHaveLength(0);
  });

  it("refuses a place or a number that is none, naming it, and a parameter that it does not know", async () => {
    const bed = await openBed();
    for (const [query, named] of [
      ["after=-1", "'after'"],
      ["after=1.5", "'after'"],
      ["after=9007199254740993", "'after'"],
      ["limit=0", "'limit'"],
      ["limit=1001", "'limit'"],
      ["since=1", "accepts only 'after' and 'limit'"],
      ["after=1&after=2", "twice"],
    ] as const) {
      const { status, body } = await bed.call("GET", `/auth/revocations?${query}`, { bearer: bed.bearer });
      expect([query, status, body.error]).toEqual([query, 400, "invalid_request"]);
      expect(body.error_description).toContain(named);
    }
  });

  it("is 503 when the log cannot be read any more, rather than an old answer", async () => {
    const bed = await openBed();
    await bed.store.close();
    bed.clock.advanceSeconds(4);
    const { status, body } = await bed.call("GET", "/auth/revocations", { bearer: bed.bearer });
    expect([status, body.error]).toEqual([503, "store_unavailable"]);
  });
});

describe("GET /auth/revocations, followed", () => {
  it("tells first what there is, then each revocation as it happens, with its number, and that nothing is outstanding", async () => {
    const bed = await openBed();
    const before = [await revokeOne(bed.issuer), await revokeOne(bed.issuer)];
    const stream = await openStream(bed, bed.bearer);
    expect(stream.response.status).toBe(200);
    expect(stream.response.headers.get("content-type")).toBe("text/event-stream");
    expect(stream.response.headers.get("cache-control")).toBe("no-store");
    expect(stream.response.headers.get("x-accel-buffering")).toBe("no");
    const first = await stream.read();
    expect(sessionsIn(first)).toEqual(before);
    expect(idsIn(first)).toHaveLength(2);
    expect(first).toMatch(
      /^id: \d+\nevent: revocation\ndata: \{"session_id":"[\w-]{22}","revoked_at":"[^"]+Z","expires_at":"[^"]+Z"\}\n\n/,
    );
    expect(first).toMatch(/\n\n: nothing is outstanding\n\n$/);
    for (let nth = 0; nth < 3; nth++) {
      const id = await revokeOne(bed.issuer);
      expect(sessionsIn(await stream.read())).toEqual([id]);
    }
    await stream.cancel();
    expect(bed.issuer.revocationFeed.followers).toBe(0);
  });

  it("goes on after Last-Event-ID, and from the start after a number that the log has never reached", async () => {
    const bed = await openBed();
    const revoked = [await revokeOne(bed.issuer), await revokeOne(bed.issuer), await revokeOne(bed.issuer)];
    const all = await (await openStream(bed, bed.bearer)).read();
    const ids = idsIn(all);
    const resume = async (lastEventId: string) =>
      (await openStream(bed, bed.bearer, { "last-event-id": lastEventId })).read();
    expect(sessionsIn(await resume(String(ids[0])))).toEqual(revoked.slice(1));
    expect(sessionsIn(await resume(String(ids[2])))).toEqual([]);
    expect(sessionsIn(await resume(String(ids[2]! + 100)))).toEqual(revoked);
    const { response } = await openStream(bed, bed.bearer, { "last-event-id": "x" });
    expect(response.status).toBe(400);
  });

  it("hears what another process has revoked within its poll of the store", async () => {
    const bed = await openBed();
    const stream = await openStream(bed, bed.bearer);
    await stream.read();
    const { sessionId } = await bed.issuer.issue({ subject: "ada" });
    // Behind the issuer's back, as a second server on the same database would.
    await bed.store.revokeSessions([sessionId], { at: bed.clock.now(), reason: "logout" });
    expect(sessionsIn(await stream.read())).toEqual([sessionId]);
  });

  it("ends when the follower's own access token expires, its session is revoked, the client goes away or the issuer closes", async () => {
    const bed = await openBed();
    const expired = await bed.issuer.revocationFeed.follow({ after: 0, granted: GRANTED, until: bed.clock.now() + 50 });
    await expired.next();
    expect(await expired.next()).toBe(undefined);

    const service = await bed.issuer.issue({ subject: "billing", scope: SCOPE });
    const revoked = await openStream(bed, service.accessToken);
    await revoked.read();
    await bed.issuer.sessions.revoke(service.sessionId);
    expect(await revoked.read()).toBe(undefined);

    const gone = await openStream(bed, bed.bearer);
    await gone.read();
    gone.stop.abort();
    expect(await gone.read()).toBe(undefined);
    expect(bed.issuer.revocationFeed.followers).toBe(0);

    const open = await openStream(bed, bed.bearer);
    await open.read();
    bed.issuer.revocationFeed.close();
    expect(await open.read()).toBe(undefined);
    const refused = await openStream(bed, bed.bearer);
    expect([refused.response.status, refused.response.headers.get("retry-after")]).toEqual([503, "5"]);
  });

  it("holds no place for a HEAD request", async () => {
    const bed = await openBed();
    const { status, headers, text } = await bed.call("HEAD", "/auth/revocations", {
      bearer: bed.bearer,
      headers: { accept: "text/event-stream" },
    });
    expect([status, headers.get("content-type"), text]).toEqual([200, "text/event-stream", ""]);
    expect(bed.issuer.revocationFeed.followers).toBe(0);
  });
});

describe("the revocation feed", () => {
  const open = async (options: Parameters<typeof createRevocationFeed>[2]) => {
    const bed = await openBed();
    const now = () => bed.clock.now();
    const revocations = await loadRevocations(bed.store, now, livesOf(60_000));
    const follow = { after: 0, granted: GRANTED, until: bed.clock.now() + 60_000 };
    return { bed, revocations, follow, feed: createRevocationFeed(revocations, now, options) };
  };

  it("takes as many followers as it may and no more, and one again when one has left", async () => {
    const { feed, follow } = await open({ maxFollowers: 2 });
    const [first] = [await feed.follow(follow), await feed.follow(follow)];
    await expect(feed.follow(follow)).rejects.toMatchObject({ code: "server_busy", retryAfterSeconds: 5 });
    first!.close();
    first!.close();
    await expect(feed.follow(follow)).resolves.toBeDefined();
    expect(feed.followers).toBe(2);
  });

  it("tells what this process has revoked at once, with nobody polling the store", async () => {
    const { bed, revocations, feed, follow } = await open({});
    const follower = await feed.follow(follow);
    await follower.next();
    const { sessionId } = await bed.issuer.issue({ subject: "ada" });
    const at = bed.clock.now();
    revocations.add(await bed.store.revokeSessions([sessionId], { at, reason: "logout" }), at);
    expect((await follower.next())!.entries).toMatchObject([{ sessionId, revokedAt: at }]);
  });

  it("gives a sign of life while nothing happens, but none while the log cannot be read", async () => {
    const { bed, feed, follow, revocations } = await open({ heartbeatMs: 20 });
    const follower = await feed.follow(follow);
    for (let nth = 0; nth < 3; nth++) {
      expect(await follower.next()).toMatchObject({ entries: [], isComplete: true });
    }
    bed.clock.advanceSeconds(10);
    const silent = Promise.race([
      follower.next().then(() => "told"),
      new Promise((resolve) => setTimeout(() => resolve("silent"), 200)),
    ]);
    expect(await silent).toBe("silent");
    await revocations.poll();
  });

  it("hands a slow follower page by page what it has missed, none of it twice, and keeps nothing for it", async () => {
    const { bed, revocations, feed, follow } = await open({});
    const follower = await feed.follow(follow);
    const sessions = [];
    for (let nth = 0; nth < 1200; nth++) sessions.push((await bed.issuer.issue({ subject: `s${nth}` })).sessionId);
    await bed.store.revokeSessions(sessions, { at: bed.clock.now(), reason: "logout" });
    await revocations.poll();
    const pages = [await follower.next(), await follower.next(), await follower.next()];
    expect(pages.map((page) => [page!.entries.length, page!.isComplete])).toEqual([
      [500, false],
      [500, false],
      [200, true],
    ]);
    expect(pages.flatMap((page) => page!.entries.map(({ sessionId }) => sessionId))).toEqual(sessions);
  });
});
