import { describe, expect, it } from "vitest";
import { newPath } from "../support/places.ts";
import { createTestBed, createTestClock, type Pair, type Reply, type TestBed } from "../support/test-bed.ts";

/** Two processes' worth of Latchkey on one database. */
async function twoProcesses(options = {}): Promise<readonly [TestBed, TestBed]> {
  const [path, clock] = [newPath(), createTestClock()];
  return [await createTestBed({ path, ...options }, {}, clock), await createTestBed({ path, ...options }, {}, clock)];
}

const refresh = (bed: TestBed, { refresh_token }: Pair) =>
  bed.call("POST", "/auth/refresh", { json: { refresh_token } });

const outcomes = (answers: readonly Reply[]) => answers.map(({ status, body }) => body.error ?? status);

describe("refresh races", () => {
  it("CVE-2026-53517 Better Auth: sixty refreshes of one token, over two processes at once, get one successor", async () => {
    const beds = await twoProcesses();
    const pair = await beds[0].login();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, at) => refresh(beds[at % 2]!, pair)));
    expect(outcomes(answers)).toEqual(Array(60).fill(200));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(beds[0].store.statistics.sessionWrites + beds[1].store.statistics.sessionWrites).toBe(1);
  });

  it("CVE-2026-1035 Keycloak: under strict rotation, forty at once over two processes get one pair, and it ends as reuse", async () => {
    const beds = await twoProcesses({ rotationGraceSeconds: 0 });
    const pair = await beds[0].login();
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => refresh(beds[at % 2]!, pair)));
    const succeeded = answers.filter(({ status }) => status === 200);
    expect(succeeded).toHaveLength(1);
    expect(outcomes(answers)).toContain("refresh_token_reused");
    expect(outcomes([await refresh(beds[0], succeeded[0]!.body)])).toEqual(["session_revoked"]);
  });

  it("CVE-2026-50631 Apache CXF: of a replaced token that races the current one, over two processes, no pair stays good", async () => {
    for (let round = 0; round < 10; round++) {
      const [owner, thief] = await twoProcesses();
      const stolen = await owner.login();
      const second = (await refresh(owner, stolen)).body;
      const third = (await refresh(owner, second)).body;
      const answers = await Promise.all([refresh(owner, third), refresh(thief, stolen), refresh(owner, third)]);
      expect(outcomes(answers)[1]).toMatch(/^(?:refresh_token_reused|session_revoked)$/);
      for (const { status, body } of answers) {
        if (status === 200) expect(outcomes([await refresh(thief, body)])).toEqual(["session_revoked"]);
      }
    }
  });
});

describe("what has been used up", () => {
  it("CVE-2026-9802 Keycloak: stays so through a restart, though the clock went back: logged out, reused, used", async () => {
    const [path, clock] = [newPath(), createTestClock()];
    const before = await createTestBed({ path }, {}, clock);
    const loggedOut = await before.login();
    await before.call("POST", "/auth/logout", { json: { refresh_token: loggedOut.refresh_token } });
    const reused = await before.login();
    const successor = (await refresh(before, reused)).body;
    const last = (await refresh(before, successor)).body;
    await refresh(before, reused);
    const used = await before.login();
    const current = (await refresh(before, (await refresh(before, used)).body)).body;
    await before.issuer.close();

    clock.advanceSeconds(-600);
    const after = await createTestBed({ path }, {}, clock);
    for (const dead of [loggedOut, reused, successor, last]) {
      expect(outcomes([await refresh(after, dead)])).toEqual(["session_revoked"]);
      expect((await after.call("GET", "/auth/me", { bearer: dead.access_token })).status).toBe(401);
    }
    expect(outcomes([await refresh(after, used)])).toEqual(["refresh_token_reused"]);
    expect(outcomes([await refresh(after, current)])).toEqual(["session_revoked"]);
  });

  it("django-oauth-toolkit#1617: the grace period covers the last token alone, none of its ancestors", async () => {
    for (const age of [2, 3, 4]) {
      const bed = await createTestBed({ rotationGraceSeconds: 300 });
      const line = [await bed.login()];
      for (let nth = 0; nth < 4; nth++) line.push((await refresh(bed, line.at(-1)!)).body);
      expect(outcomes([await refresh(bed, line[line.length - 1 - 1]!)])).toEqual([200]);
      expect(outcomes([await refresh(bed, line[line.length - 1 - age]!)])).toEqual(["refresh_token_reused"]);
      expect(outcomes([await refresh(bed, line.at(-1)!)])).toEqual(["session_revoked"]);
    }
  });
});
