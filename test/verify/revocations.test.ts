import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createIssuer } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { createVerifier } from "../../src/verify/verifier.ts";
import { expectWithin } from "../support/on-time.ts";
import { startServer } from "../support/server-process.ts";
import { SECRET } from "../support/test-bed.ts";
import { afterwards, createCable, outcome, type ServedBed, serve, serveBed } from "../support/verifiers.ts";

const FEED = "/auth/revocations";
const eventually = { timeout: 20_000, interval: 10 };

/** Opens a session; `end` logs it out. */
async function openSession(bed: ServedBed) {
  const { accessToken, refreshToken } = await bed.issuer.issue({ subject: "ada" });
  return { accessToken, end: () => bed.issuer.logout(refreshToken) };
}

/** An access token whose session the database has lost. */
async function tokenOfUnknownSession(bed: ServedBed): Promise<string> {
  const { accessToken, sessionId } = await bed.issuer.issue({ subject: "ada" });
  const { expiresAt } = (await bed.store.findSession(sessionId))!;
  expect(await bed.store.sweep({ endedBy: expiresAt, revokedBy: 0, limit: 100 })).toMatchObject({ sessions: 2 });
  return accessToken;
}

describe("a verifier that follows the revocation feed", () => {
  it("PARITY 11: logout ends a session: its refresh token at once, its access tokens within the feed's lag", async () => {
    const bed = await serveBed();
    const verifiers = [bed.follower(), bed.follower(), bed.follower()];
    await Promise.all(verifiers.map((verifier) => verifier.ready()));
    const pair = await bed.login();
    for (const verifier of verifiers) expect(await outcome(verifier.verify(pair.access_token))).toBe("good");
    expect((await bed.call("POST", "/auth/logout", { json: { refresh_token: pair.refresh_token } })).status).toBe(204);
    const refreshed = await bed.call("POST", "/auth/refresh", { json: { refresh_token: pair.refresh_token } });
    expect([refreshed.status, refreshed.body.error]).toEqual([401, "session_revoked"]);
    for (const verifier of verifiers) {
      await expect.poll(() => outcome(verifier.verify(pair.access_token)), eventually).toBe("session_revoked");
    }
    for (const again of [204, 204]) {
      expect((await bed.call("POST", "/auth/logout", { json: { refresh_token: pair.refresh_token } })).status).toBe(
        again,
      );
    }
    expect((await bed.call("POST", "/auth/logout", { bearer: "x.y.z" })).status).toBe(204);
  });

  it("refuses every session's access token once all have been revoked, and goes on with those that are issued later", async () => {
    const bed = await serveBed();
    const verifier = bed.follower();
    await verifier.ready();
    const [one, other] = [await bed.token("ada"), await bed.token("bob")];
    expect([await outcome(verifier.verify(one)), await outcome(verifier.verify(other))]).toEqual(["good", "good"]);
    bed.clock.advanceSeconds(1);
    await bed.issuer.sessions.revokeEvery();
    for (const token of [one, other]) {
      await expect.poll(() => outcome(verifier.verify(token)), eventually).toBe("session_revoked");
    }
    expect(await outcome(verifier.verify(await bed.token("ada")))).toBe("good");
  });

  it("refuses what was issued before all sessions were revoked also where the database knows no session of it", async () => {
    const bed = await serveBed();
    const verifier = bed.follower();
    await verifier.ready();
    const signedElsewhere = await tokenOfUnknownSession(bed);
    expect(await outcome(verifier.verify(signedElsewhere))).toBe("good");
    bed.clock.advanceSeconds(1);
    await bed.issuer.sessions.revokeEvery();
    await expect.poll(() => outcome(verifier.verify(signedElsewhere)), eventually).toBe("session_revoked");
  });

  it("hears of a logout in a real server process within a second, with no call per request, and lets the process stop", async () => {
    const folder = mkdtempSync(join(tmpdir(), "latchkey-verify-"));
    afterwards(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, "latchkey.db");
    const server = await startServer({ LATCHKEY_DATABASE_URL: `sqlite:${path}`, LATCHKEY_SECRET: SECRET });
    afterwards(() => server.kill());
    // Beside the server, on its database: it issues what the server verifies, and the server hears of what it revokes.
    const beside = await createIssuer({
      issuer: server.url,
      secret: SECRET,
      store: await createSqliteStore(path),
      subjects: async (subjects) => new Map(subjects.map((subject) => [subject, { roles: [] }])),
    });
    afterwards(() => beside.close());
    const { client, secret } = await beside.clients.create({ name: "billing", scope: "revocations:read" });
    const token = async () => {
      const response = await fetch(`${server.url}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${btoa(`${client.id}:${secret}`)}` },
        body: new URLSearchParams({ grant_type: "client_credentials", scope: "revocations:read" }),
      });
      return ((await response.json()) as { access_token: string }).access_token;
    };
    let calls = 0;
    const verifier = createVerifier({
      issuer: server.url,
      audience: server.url,
      algorithms: ["ES256"],
      revocations: { token },
      fetch: (url, init) => {
        calls++;
        return fetch(url, init);
      },
    });
    afterwards(() => verifier.close());
    await verifier.ready();
    const pairs = [await beside.issue({ subject: "ada" }), await beside.issue({ subject: "grace" })];
    for (let round = 0; round < 50; round++) for (const { accessToken } of pairs) await verifier.verify(accessToken);
    expect([calls, verifier.feedStatus()?.state]).toEqual([2, "streaming"]);

    await expectWithin(1000, async () => {
      const { accessToken, refreshToken } = await beside.issue({ subject: "ada" });
      await verifier.verify(accessToken);
      const headers = { authorization: `Bearer ${refreshToken}` };
      expect((await fetch(`${server.url}/auth/logout`, { method: "POST", headers })).status).toBe(204);
      const at = performance.now();
      await expect.poll(() => outcome(verifier.verify(accessToken)), eventually).toBe("session_revoked");
      return performance.now() - at;
    });
    await beside.logout(pairs[1]!.refreshToken);
    await expect.poll(() => outcome(verifier.verify(pairs[1]!.accessToken)), eventually).toBe("session_revoked");
    expect(calls).toBe(2);

    expect(await server.stop()).toBe(0);
    expect(server.output()).not.toContain("cut off");
  });

  it("knows what was revoked before it started, and waits for that rather than let it pass", async () => {
    const bed = await serveBed();
    const session = await openSession(bed);
    await session.end();
    const verifier = bed.follower();
    expect(await outcome(verifier.verify(session.accessToken))).toBe("session_revoked");
  });

  it("misses nothing when the feed is cut off and mended, again and again, while sessions end", async () => {
    const bed = await serveBed();
    const cable = await createCable(bed.served.port);
    const errors: unknown[] = [];
    const verifier = bed.follower({ url: `${cable.url}${FEED}`, onError: (error) => errors.push(error) });
    await verifier.ready();
    const sessions = [];
    for (let round = 0; round < 4; round++) {
      for (let nth = 0; nth < 5; nth++) sessions.push(await openSession(bed));
      const [before, cutDuring, after] = sessions.slice(-3);
      await before!.end();
      cable.cut();
      await cutDuring!.end();
      await new Promise((resolve) => setTimeout(resolve, 50));
      cable.mend();
      await after!.end();
      for (const session of [before, cutDuring, after]) {
        await expect.poll(() => outcome(verifier.verify(session!.accessToken)), eventually).toBe("session_revoked");
      }
    }
    expect(errors.length).toBeGreaterThan(0);
    for (const session of sessions) {
      const isOver = (await outcome(bed.issuer.verify(session.accessToken))) !== "good";
      expect(await outcome(verifier.verify(session.accessToken))).toBe(isOver ? "session_revoked" : "good");
    }
    const resumed = bed.served.requests
      .filter(({ path }) => path === FEED)
      .map(({ headers }) => Number(headers.get("last-event-id")));
    expect(Math.max(...resumed)).toBeGreaterThan(0);
  });

  it("takes up with a restored database, whose log has not come as far, and misses nothing of what it has", async () => {
    const bed = await serveBed();
    let current: ServedBed = bed;
    const token = async () =>
      (await current.issuer.issue({ subject: "billing", scope: "revocations:read" })).accessToken;
    const verifier = bed.follower({ token });
    await verifier.ready();
    for (let nth = 0; nth < 3; nth++) await (await openSession(bed)).end();
    const last = await openSession(bed);
    await last.end();
    await expect.poll(() => outcome(verifier.verify(last.accessToken)), eventually).toBe("session_revoked");

    const restored = await serveBed({}, bed.clock);
    const sessions = [await openSession(restored), await openSession(restored)];
    await sessions[0]!.end();
    current = restored;
    await bed.served.stop();
    await serve(restored.handler, bed.served.port);
    // The restored server has keys of its own, which the verifier asks for when it meets one.
    bed.clock.advanceSeconds(6);
    const outcomes = () => Promise.all(sessions.map(({ accessToken }) => outcome(verifier.verify(accessToken))));
    await expect.poll(outcomes, eventually).toEqual(["session_revoked", "good"]);
    await sessions[1]!.end();
    await expect.poll(outcomes, eventually).toEqual(["session_revoked", "session_revoked"]);
  });

  it("polls where a stream is not to be had, and goes back to the stream when it is", async () => {
    const bed = await serveBed();
    const wantsStream = (headers: Headers) => headers.get("accept") === "text/event-stream";
    bed.served.instead((path, headers) =>
      path === FEED && wantsStream(headers) ? new Response("{}", { status: 503 }) : undefined,
    );
    const verifier = bed.follower();
    await verifier.ready();
    expect(verifier.feedStatus()).toMatchObject({ state: "polling", lagSeconds: 0 });
    const session = await openSession(bed);
    expect(await outcome(verifier.verify(session.accessToken))).toBe("good");
    await session.end();
    await expect.poll(() => outcome(verifier.verify(session.accessToken)), eventually).toBe("session_revoked");
    expect(bed.issuer.revocationFeed.followers).toBe(0);
    bed.served.instead(undefined);
    await expect.poll(() => verifier.feedStatus()?.state, eventually).toBe("streaming");
    expect(bed.issuer.revocationFeed.followers).toBe(1);
  });

  it("asks for its token at every connection, so that one which has expired or is refused is replaced", async () => {
    const bed = await serveBed();
    const tokens = [
      "garbage",
      async () => (await bed.issuer.issue({ subject: "billing", scope: "revocations:read" })).accessToken,
    ] as const;
    let asked = 0;
    const errors: unknown[] = [];
    const verifier = bed.follower({
      token: async () => (asked++ < 3 ? tokens[0] : tokens[1]()),
      onError: (error) => errors.push(error),
    });
    await verifier.ready();
    expect(asked).toBeGreaterThan(3);
    expect(String(errors[0])).toBe("Error: The revocation feed answered with 401.");
    expect(JSON.stringify(errors.map(String))).not.toContain("garbage");
  });

  it("gives up its connection and its timers when it is closed", async () => {
    const bed = await serveBed();
    const verifier = bed.follower();
    await verifier.ready();
    expect(bed.issuer.revocationFeed.followers).toBe(1);
    verifier.close();
    await expect.poll(() => bed.issuer.revocationFeed.followers, eventually).toBe(0);
    const requests = bed.served.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(bed.served.requests.length).toBe(requests);
  });
});

describe("while the feed is down", () => {
  it.each([
    ["accept", "good"],
    ["refuse", "verifier_unavailable"],
  ] as const)(
    "and the option says %s, a good access token is %s after maxFeedLagSeconds, and a known revocation holds",
    async (whenFeedIsDown, after) => {
      const bed = await serveBed();
      const cable = await createCable(bed.served.port);
      const verifier = bed.follower({ url: `${cable.url}${FEED}`, whenFeedIsDown, maxFeedLagSeconds: 20 });
      await verifier.ready();
      const [over, live] = [await openSession(bed), await openSession(bed)];
      await over.end();
      await expect.poll(() => outcome(verifier.verify(over.accessToken)), eventually).toBe("session_revoked");
      cable.cut();
      const standing = async () => [
        await outcome(verifier.verify(live.accessToken)),
        await outcome(verifier.verify(over.accessToken)),
      ];
      bed.clock.advanceSeconds(20);
      expect(await standing()).toEqual(["good", "session_revoked"]);
      expect(verifier.feedStatus()).toMatchObject({ lagSeconds: 20 });
      bed.clock.advanceSeconds(1);
      expect(await standing()).toEqual([after, "session_revoked"]);
      expect(verifier.feedStatus()).toMatchObject({ state: "down", lagSeconds: 21 });
      cable.mend();
      await expect.poll(() => verifier.feedStatus()?.state, eventually).toBe("streaming");
      expect(await standing()).toEqual(["good", "session_revoked"]);
    },
  );

  it.each([
    ["accept", "good"],
    ["refuse", "verifier_unavailable"],
  ] as const)(
    "from the start, and the option says %s, a good access token is %s once that is known",
    async (whenFeedIsDown, expected) => {
      const bed = await serveBed();
      bed.served.instead((path) => (path === FEED ? new Response("{}", { status: 502 }) : undefined));
      const session = await openSession(bed);
      const verifier = bed.follower({ whenFeedIsDown });
      expect(await outcome(verifier.verify(session.accessToken))).toBe(expected);
      expect(verifier.feedStatus()).toEqual({ state: "down", lagSeconds: null });
      await expect(verifier.ready({ timeoutSeconds: 0.2 })).rejects.toMatchObject({ code: "verifier_unavailable" });
      await session.end();
      bed.served.instead(undefined);
      await verifier.ready();
      expect(await outcome(verifier.verify(session.accessToken))).toBe("session_revoked");
    },
  );

  it("accepts by default", async () => {
    const bed = await serveBed();
    bed.served.instead((path) => (path === FEED ? new Response("{}", { status: 502 }) : undefined));
    expect(await outcome(bed.follower().verify((await openSession(bed)).accessToken))).toBe("good");
  });
});

describe("a connection", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("that falls silent is given up after 12 seconds and made anew; one that gives signs of life is not", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const opened: { readonly send: (text: string) => void; isLive: boolean }[] = [];
    const verifier = createVerifier({
      issuer: "https://auth.example.com",
      audience: "x",
      algorithms: ["ES256"],
      revocations: { token: "t" },
      // It pays no heed to the signal, as Node's does when garbage has been collected.
      async fetch(_, { headers }) {
        if (!JSON.stringify(headers).includes("text/event-stream")) return new Response(null, { status: 500 });
        const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
          start(controller) {
            const send = (text: string) => controller.enqueue(new TextEncoder().encode(text));
            opened.push({ send, isLive: true });
          },
          cancel() {
            opened.at(-1)!.isLive = false;
          },
        });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      },
    });
    afterwards(() => verifier.close());
    await vi.advanceTimersByTimeAsync(0);
    for (let heartbeat = 0; heartbeat < 6; heartbeat++) {
      opened[0]!.send(": nothing is outstanding\n\n");
      await vi.advanceTimersByTimeAsync(5000);
    }
    expect([opened.length, opened[0]!.isLive]).toEqual([1, true]);
    await vi.advanceTimersByTimeAsync(8000);
    expect(opened[0]!.isLive).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    expect([opened.length, opened[1]!.isLive]).toEqual([2, true]);
    verifier.close();
    await vi.advanceTimersByTimeAsync(0);
    expect(opened[1]!.isLive).toBe(false);
  });

  it("that is not answered within 5 seconds is given up, and so is a token that does not come", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const errors: unknown[] = [];
    const options = { issuer: "https://auth.example.com", audience: "x", algorithms: ["ES256"] } as const;
    const never = () => new Promise<never>(() => {});
    for (const given of [
      { fetch: never, revocations: { token: "t", onError: (error: unknown) => errors.push(error) } },
      { revocations: { token: never, onError: (error: unknown) => errors.push(error) } },
    ]) {
      errors.length = 0;
      const verifier = createVerifier({ ...options, ...given });
      await vi.advanceTimersByTimeAsync(4900);
      expect(errors).toEqual([]);
      await vi.advanceTimersByTimeAsync(200);
      expect(errors.map(String)).toEqual(["Error: The revocation feed is silent."]);
      verifier.close();
    }
  });

  it.each([
    ["a page", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    [
      "another's events",
      () => new Response('event: revocation\ndata: {"id":1}\n\n', { headers: { "content-type": "text/event-stream" } }),
    ],
    [
      "a date that is none",
      () =>
        new Response(`event: revocation\ndata: {"session_id":"${"A".repeat(22)}","expires_at":"soon"}\n\n`, {
          headers: { "content-type": "text/event-stream" },
        }),
    ],
    [
      "an endless line",
      () => new Response(`data: ${"x".repeat(100_000)}`, { headers: { "content-type": "text/event-stream" } }),
    ],
    ["an error", () => new Response(null, { status: 500 })],
  ])("to what answers with %s is refused and told of", async (_, answer) => {
    const bed = await serveBed();
    bed.served.instead((path) => (path === FEED ? answer() : undefined));
    const errors: unknown[] = [];
    const verifier = bed.follower({ onError: (error) => errors.push(error) });
    await expect(verifier.ready({ timeoutSeconds: 0.3 })).rejects.toMatchObject({ code: "verifier_unavailable" });
    expect(errors[0]).toBeInstanceOf(Error);
    expect(verifier.feedStatus()?.state).toBe("down");
  });
});
