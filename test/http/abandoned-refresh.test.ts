import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen } from "../../src/server/process/http-server.ts";
import { open, requestText } from "../support/raw-socket.ts";
import { createTestBed, ISSUER, type Pair, reply, type TestBed, type TestBedOptions } from "../support/test-bed.ts";

const MINUTE = 60;
const HOUR = 3600;

/** A session some generations on, with every refresh token that it has had, oldest first. */
async function movedOn(bed: TestBed, refreshes = 2): Promise<string[]> {
  const first: Pair = await bed.login();
  const tokens = [first.refresh_token];
  for (let nth = 0; nth < refreshes; nth++) tokens.push(await next(bed, tokens.at(-1)!));
  return tokens;
}

async function next(bed: TestBed, token: string): Promise<string> {
  const { status, body } = await bed.call("POST", "/auth/refresh", { bearer: token });
  expect(status).toBe(200);
  return body.refresh_token;
}

/** Presents a token and closes the connection: before it is looked at, or a moment after. */
async function hangUp({ handler }: TestBed, token: string, afterMs = 0) {
  const signal = afterMs === 0 ? AbortSignal.abort() : AbortSignal.timeout(afterMs);
  const headers = { authorization: `Bearer ${token}` };
  const request = new Request(`${ISSUER}/auth/refresh`, { method: "POST", headers, signal });
  return reply(await handler.fetch(request, { remoteAddress: "192.0.2.1" }));
}

const forgivings = ({ events }: TestBed) =>
  events.flatMap((event) => (event.type === "refresh_token.reuse_forgiven" ? [event.cause] : []));

async function expectEnded(bed: TestBed, newest: string): Promise<void> {
  expect((await bed.call("POST", "/auth/refresh", { bearer: newest })).body.error).toBe("session_revoked");
  expect(bed.events.map(({ type }) => type)).toContain("refresh_token.reused");
}

/** A server on a socket, for clients that close theirs. */
async function serveOnSocket(options: TestBedOptions = {}) {
  const bed = await createTestBed(options);
  const server = await listen("127.0.0.1", 0, () => {});
  onTestFinished(async () => void (await server.stop(100)));
  server.serve(bed.handler);
  const { port } = server.address;
  const head = (token: string, headers = {}) =>
    requestText("POST /auth/refresh", { authorization: `Bearer ${token}`, ...headers });
  return { bed, port, head };
}

/** All that the server sends until the connection is over. */
async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  if (!socket.closed) await once(socket, "close");
  return Buffer.concat(chunks).toString();
}

describe("a replaced refresh token whose client has gone", () => {
  it.each([0, 5])(
    "is forgiven where a bad network explains it, and gets no answer: gone after %i ms",
    async (afterMs) => {
      const bed = await createTestBed();
      const [dead = "", , newest = ""] = await movedOn(bed);
      const answer = await hangUp(bed, dead, afterMs);
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
      expect(forgivings(bed)).toEqual(["connection_lost"]);
      await next(bed, newest);
    },
  );

  it("is forgiven as often as it comes within a minute, and written once", async () => {
    const bed = await createTestBed();
    const [dead = "", , newest = ""] = await movedOn(bed);
    const before = bed.store.statistics.sessionWrites;
    for (let nth = 0; nth < 6; nth++) {
      await hangUp(bed, dead);
      bed.clock.advanceSeconds(10);
    }
    expect(bed.store.statistics.sessionWrites - before).toBe(1);
    expect(forgivings(bed)).toHaveLength(6);
    await next(bed, newest);
  });

  it.each([
    ["a minute later", MINUTE + 1],
    ["an hour later to the second", HOUR],
  ])("is reuse %s, however its connection ends", async (_, later) => {
    for (const afterMs of [0, 5]) {
      const bed = await createTestBed();
      const tokens = await movedOn(bed);
      await hangUp(bed, tokens[0]!);
      bed.clock.advanceSeconds(later);
      const newest = await next(bed, tokens.at(-1)!);
      await hangUp(bed, tokens.at(-1)!, afterMs).then(() => hangUp(bed, tokens.at(-2)!, afterMs));
      await expectEnded(bed, newest);
    }
  });

  it("is forgiven again more than an hour later", async () => {
    const bed = await createTestBed();
    const tokens = await movedOn(bed);
    await hangUp(bed, tokens[0]!);
    bed.clock.advanceSeconds(HOUR + 1);
    const newest = await next(bed, tokens.at(-1)!);
    await hangUp(bed, tokens.at(-2)!);
    expect(forgivings(bed)).toEqual(["connection_lost", "connection_lost"]);
    await next(bed, newest);
  });

  it("is reuse where it is more than three generations behind", async () => {
    const bed = await createTestBed();
    const tokens = await movedOn(bed, 4);
    await hangUp(bed, tokens[0]!);
    await expectEnded(bed, tokens.at(-1)!);
  });

  it("is reuse more than a minute after the last rotation", async () => {
    const bed = await createTestBed();
    const tokens = await movedOn(bed);
    bed.clock.advanceSeconds(MINUTE + 1);
    await hangUp(bed, tokens[0]!);
    await expectEnded(bed, tokens.at(-1)!);
  });

  it("is reuse under strict rotation", async () => {
    const bed = await createTestBed({ rotationGraceSeconds: 0 });
    const tokens = await movedOn(bed);
    await hangUp(bed, tokens[0]!);
    await expectEnded(bed, tokens.at(-1)!);
  });

  it("is counted against its address where it is no token of ours", async () => {
    const bed = await createTestBed();
    const forged = `lkr_${"A".repeat(76)}`;
    const statuses: number[] = [];
    for (let nth = 0; nth < 200; nth++) statuses.push((await hangUp(bed, forged)).status);
    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
  });
});

describe("a client that reloads on a bad network", () => {
  it("is not logged out by six requests that get stuck at once and arrive after it has continued", async () => {
    const bed = await createTestBed();
    const first = await bed.login();
    const second = await next(bed, first.refresh_token);
    const third = await next(bed, second);
    bed.clock.advanceSeconds(30);
    const stuck = Array.from({ length: 6 }, (_, nth) => hangUp(bed, first.refresh_token, 1 + nth));
    await Promise.all(stuck);
    expect(forgivings(bed)).toHaveLength(6);
    await next(bed, third);
  });
});

describe("a thief who hangs up", () => {
  it("is caught a minute after the first time, over a real connection that he closes after 12 ms", async () => {
    const { bed, port, head } = await serveOnSocket();
    const [dead = "", , newest = ""] = await movedOn(bed);
    const probe = async () => {
      const socket = await open(port);
      socket.write(head(dead));
      await wait(12);
      socket.end();
      return received(socket);
    };
    await probe();
    bed.clock.advanceSeconds(MINUTE + 1);
    await probe();
    await expect.poll(() => bed.events.map(({ type }) => type)).toContain("refresh_token.reused");
    await expectEnded(bed, newest);
  });

  it("gets no byte of an answer for half a closed connection where his token is forgiven", async () => {
    const { bed, port, head } = await serveOnSocket();
    const [dead = ""] = await movedOn(bed);
    const socket = await open(port);
    socket.end(head(dead));
    expect(await received(socket)).toBe("");
    await expect.poll(() => forgivings(bed)).toEqual(["connection_lost"]);
  });

  it("has not waited because his own body came slowly", { timeout: 20_000 }, async () => {
    const { bed, port } = await serveOnSocket({ rotationGraceSeconds: 0 });
    const [dead = "", , newest = ""] = await movedOn(bed);
    const body = JSON.stringify({ refresh_token: dead });
    const socket = await open(port);
    const headers = { "content-type": "application/json", "content-length": String(body.length) };
    socket.write(requestText("POST /auth/refresh", headers));
    await wait(1500);
    socket.write(body, () => socket.destroy());
    await expect.poll(() => bed.events.map(({ type }) => type)).toContain("refresh_token.reused");
    await expectEnded(bed, newest);
  });
});

describe("a process that has stood still", () => {
  it("forgives what arrived meanwhile from clients that have gone, also under strict rotation", async () => {
    const { bed, port, head } = await serveOnSocket({ rotationGraceSeconds: 0 });
    const [dead = "", , newest = ""] = await movedOn(bed);
    const socket = await open(port);
    const closed = once(socket, "close");
    socket.write(head(dead));
    socket.destroy();
    // Nothing else runs in this thread: neither the server, nor what notices that it stands still.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
    await closed;
    await expect.poll(() => forgivings(bed)).toEqual(["process_stalled"]);
    await next(bed, newest);
  });
});

describe("a refresh whose client has gone", () => {
  it("rotates nothing where its token is good", async () => {
    const bed = await createTestBed();
    const newest = (await movedOn(bed)).at(-1)!;
    const before = await bed.store.listLiveSessions(bed.clock.now(), 10);
    expect((await hangUp(bed, newest)).status).toBe(503);
    expect(await bed.store.listLiveSessions(bed.clock.now(), 10)).toEqual(before);
    expect(forgivings(bed)).toEqual([]);
  });
});

it("a replaced refresh token of a client that stays for the answer is reuse, which ends the session", async () => {
  const bed = await createTestBed();
  const [dead = "", , newest = ""] = await movedOn(bed);
  const answer = await bed.call("POST", "/auth/refresh", { bearer: dead });
  expect([answer.status, answer.body.error]).toEqual([401, "refresh_token_reused"]);
  await expectEnded(bed, newest);
});
