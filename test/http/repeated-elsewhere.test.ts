import { describe, expect, it } from "vitest";
import { createTestBed, type TestBed } from "../support/test-bed.ts";

const OWNER = { ip: "192.0.2.1", userAgent: "Firefox" };
const THIEF = { ip: "203.0.113.7", userAgent: "curl/8" };

async function refreshFrom(bed: TestBed, token: string, { ip, userAgent }: typeof OWNER, headers = {}) {
  const sent = { bearer: token, ip, headers: { "user-agent": userAgent, ...headers } };
  const { status, body } = await bed.call("POST", "/auth/refresh", sent);
  expect(status).toBe(200);
  return body.refresh_token as string;
}

const reports = ({ events }: TestBed) => events.filter(({ type }) => type === "refresh_token.repeated_elsewhere");

describe("a refresh token that is used twice within the grace window", () => {
  it("from another address and another user agent is reported, with where both came from", async () => {
    const bed = await createTestBed();
    const { refresh_token: token, session_id: sessionId } = await bed.login();
    const successor = await refreshFrom(bed, token, OWNER);
    expect(await refreshFrom(bed, token, THIEF)).toBe(successor);
    expect(reports(bed)).toMatchObject([
      { sessionId, generation: 1, ip: THIEF.ip, userAgent: THIEF.userAgent, before: OWNER },
    ]);
  });

  it.each([
    ["another address alone", { ...OWNER, ip: THIEF.ip }],
    ["another user agent alone", { ...OWNER, userAgent: THIEF.userAgent }],
    ["the same place", OWNER],
  ])("from %s is no report", async (_, from) => {
    const bed = await createTestBed();
    const { refresh_token: token } = await bed.login();
    await refreshFrom(bed, token, OWNER);
    await refreshFrom(bed, token, from);
    expect(reports(bed)).toEqual([]);
  });

  it("from another address of the same IPv6 network is no report", async () => {
    const bed = await createTestBed();
    const { refresh_token: token } = await bed.login();
    await refreshFrom(bed, token, { ...OWNER, ip: "2001:db8:1:2::1" });
    await refreshFrom(bed, token, { ...THIEF, ip: "2001:db8:1:2:ffff::9" });
    expect(reports(bed)).toEqual([]);
  });

  it("is reported once a session and day", async () => {
    const bed = await createTestBed();
    let token = (await bed.login()).refresh_token;
    for (const seconds of [0, 3600, 86_400]) {
      bed.clock.advanceSeconds(seconds);
      const successor = await refreshFrom(bed, token, OWNER);
      await refreshFrom(bed, token, THIEF);
      token = successor;
    }
    expect(reports(bed)).toHaveLength(2);
  });

  it("is no report where either address is a trusted proxy's own", async () => {
    const bed = await createTestBed({}, { trustedProxies: ["10.0.0.0/8"] });
    let token = (await bed.login()).refresh_token;
    const proxy = { ...OWNER, ip: "10.0.0.1" };
    for (const [first, second] of [
      [proxy, THIEF],
      [THIEF, proxy],
    ] as const) {
      const successor = await refreshFrom(bed, token, first);
      await refreshFrom(bed, token, second);
      token = successor;
    }
    expect(reports(bed)).toEqual([]);
  });

  it.each([
    ["before", { ip: "the office" }, THIEF],
    ["now", OWNER, { ip: "the office" }],
  ])("is no report where the address %s is a text of the application that is no address", async (_, first, second) => {
    const bed = await createTestBed();
    const { refresh_token: token } = await bed.login();
    await bed.issuer.refresh(token, { ...OWNER, ...first });
    await bed.issuer.refresh(token, { ...THIEF, ...second });
    expect(reports(bed)).toEqual([]);
  });

  it("is no report of a confidential client's session", async () => {
    const bed = await createTestBed();
    const { client, secret } = await bed.issuer.clients.create({
      name: "backend",
      kind: "confidential",
      grantTypes: ["refresh_token"],
    });
    await bed.login();
    const subject = (await bed.store.findUserByUsername("ada"))!.id;
    const { refreshToken } = await bed.issuer.issue({ subject, clientId: client.id });
    for (const { ip, userAgent } of [OWNER, THIEF]) {
      const form = { grant_type: "refresh_token", refresh_token: refreshToken };
      const basic = Buffer.from(`${client.id}:${secret}`).toString("base64");
      const headers = { "user-agent": userAgent, authorization: `Basic ${basic}` };
      expect((await bed.call("POST", "/token", { form, ip, headers })).status).toBe(200);
    }
    expect(reports(bed)).toEqual([]);
  });

  it("writes nothing", async () => {
    const bed = await createTestBed();
    const { refresh_token: token } = await bed.login();
    await refreshFrom(bed, token, OWNER);
    const before = bed.store.statistics.sessionWrites;
    await refreshFrom(bed, token, THIEF);
    expect(bed.store.statistics.sessionWrites).toBe(before);
  });
});
