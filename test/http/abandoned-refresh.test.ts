import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen } from "../../src/server/http-server.ts";
import { createTestBed, ISSUER, type Pair, reply, type TestBed } from "../harness.ts";
import { open, requestText } from "./raw-socket.ts";

/** A session two generations on, with the refresh token that it began with. */
async function movedOn(bed: TestBed): Promise<{ readonly old: string; readonly newest: string }> {
  const first: Pair = await bed.login();
  let newest = first.refresh_token;
  for (let refreshes = 0; refreshes < 2; refreshes++) {
    newest = (await bed.call("POST", "/auth/refresh", { bearer: newest })).body.refresh_token;
  }
  return { old: first.refresh_token, newest };
}

async function refresh({ handler }: TestBed, token: string, signal: AbortSignal) {
  const headers = { authorization: `Bearer ${token}` };
  return reply(await handler.fetch(new Request(`${ISSUER}/auth/refresh`, { method: "POST", headers, signal })));
}

describe("a refresh whose client has gone", () => {
  it.each([
    ["before it is looked at", 0],
    ["just after, as a process notices that has stood still", 5],
  ])("%s is not taken for reuse, changes nothing, and is answered 503", async (_, afterMs) => {
    const bed = await createTestBed();
    const { old, newest } = await movedOn(bed);
    const before = await bed.store.listLiveSessions(bed.clock.now(), 10);
    const signal = afterMs === 0 ? AbortSignal.abort() : AbortSignal.timeout(afterMs);
    const answer = await refresh(bed, old, signal);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await bed.store.listLiveSessions(bed.clock.now(), 10)).toEqual(before);
    expect(bed.events.map(({ type }) => type)).not.toContain("refresh_token.reused");
    expect((await bed.call("POST", "/auth/refresh", { bearer: newest })).status).toBe(200);
  });

  it("is known by its socket to the server itself, which takes it for no reuse and lets the session go on", async () => {
    const bed = await createTestBed();
    const { old, newest } = await movedOn(bed);
    const server = await listen("127.0.0.1", 0, () => {});
    onTestFinished(async () => void (await server.stop(100)));
    server.serve(bed.handler);
    const socket = await open(server.address.port);
    const head = requestText("POST /auth/refresh", { authorization: `Bearer ${old}` });
    socket.end(head, () => socket.destroy());
    await once(socket, "close");
    // More than a refresh waits before it takes something for reuse.
    await wait(300);
    expect(bed.events.map(({ type }) => type)).not.toContain("refresh_token.reused");
    expect((await bed.call("POST", "/auth/refresh", { bearer: newest })).status).toBe(200);
  });

  it("rotates nothing even where its token is good", async () => {
    const bed = await createTestBed();
    const { newest } = await movedOn(bed);
    const before = await bed.store.listLiveSessions(bed.clock.now(), 10);
    expect((await refresh(bed, newest, AbortSignal.abort())).status).toBe(503);
    expect(await bed.store.listLiveSessions(bed.clock.now(), 10)).toEqual(before);
  });
});

it("a replaced refresh token of a client that stays for the answer is reuse, which ends the session", async () => {
  const bed = await createTestBed();
  const { old, newest } = await movedOn(bed);
  const answer = await refresh(bed, old, new AbortController().signal);
  expect([answer.status, answer.body.error]).toEqual([401, "refresh_token_reused"]);
  expect((await bed.call("POST", "/auth/refresh", { bearer: newest })).body.error).toBe("session_revoked");
});
