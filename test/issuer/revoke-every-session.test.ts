import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer } from "../../src/index.ts";
import { createTestBed, ISSUER, SECRET } from "../support/test-bed.ts";

const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }]));

async function openBed() {
  const bed = await createTestBed({ subjects });
  const issued = Array.from({ length: 1203 }, (_, nth) => bed.issuer.issue({ subject: `subject-${nth}` }));
  const pairs = await Promise.all(issued);
  bed.clock.advanceSeconds(1);
  return { ...bed, pairs };
}

const refusal = (acting: Promise<unknown>) =>
  acting.then(
    () => "good",
    ({ code }) => code,
  );

describe("revokeEverySession", () => {
  it("ends every session of everybody, says how many, and tells of each once", async () => {
    const { issuer, store, pairs, events } = await openBed();
    events.length = 0;
    expect(await issuer.sessions.revokeEvery()).toBe(1203);
    for (const { accessToken, refreshToken } of pairs.slice(0, 50)) {
      expect(await refusal(issuer.verify(accessToken))).toBe("session_revoked");
      expect(await refusal(issuer.refresh(refreshToken))).toBe("session_revoked");
    }
    expect((await store.count(0)).liveSessions).toBe(0);
    const told = events.map((event) => (event.type === "session.revoked" ? event.sessionId : event.type));
    expect(new Set(told)).toEqual(new Set(pairs.map(({ sessionId }) => sessionId)));
    expect(told).toHaveLength(1203);
    expect(await issuer.sessions.revokeEvery()).toBe(0);
  });

  it("refuses access tokens that were issued before, whose session is not in the database, here and at other processes", async () => {
    const { issuer, store, pairs, clock } = await openBed();
    const environment = { ...systemEnvironment, clock };
    const other = await createIssuer({ issuer: ISSUER, secret: SECRET, store, environment, subjects });
    const { expiresAt } = (await store.findSession(pairs[0]!.sessionId))!;
    while ((await store.sweep({ endedBy: expiresAt, revokedBy: 0, limit: 1000 })).sessions > 0);
    for (const one of [issuer, other]) expect(await refusal(one.verify(pairs[0]!.accessToken))).toBe("good");
    expect(await issuer.sessions.revokeEvery()).toBe(0);
    expect(await refusal(issuer.verify(pairs[0]!.accessToken))).toBe("session_revoked");
    await expect.poll(() => refusal(other.verify(pairs[1]!.accessToken)), { timeout: 5000 }).toBe("session_revoked");
  });

  it("touches nobody who signs in afterwards, in the very same second too", async () => {
    const { issuer } = await openBed();
    await issuer.sessions.revokeEvery();
    const { accessToken, refreshToken } = await issuer.issue({ subject: "ada" });
    expect(await refusal(issuer.verify(accessToken))).toBe("good");
    expect(await refusal(issuer.refresh(refreshToken))).toBe("good");
  });

  it("leaves clients' own access tokens as they are: no session stands behind them", async () => {
    const { issuer, clock } = await openBed();
    const { client } = await issuer.clients.create({ name: "billing", scope: "orders:read" });
    const { accessToken } = await issuer.clients.issueToken(client);
    clock.advanceSeconds(1);
    await issuer.sessions.revokeEvery();
    expect(await refusal(issuer.verifyAny(accessToken))).toBe("good");
  });
});
