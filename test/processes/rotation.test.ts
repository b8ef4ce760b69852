import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { expectWithin } from "../support/on-time.ts";
import { login, me, post, refresh, twoServers, withPostgres } from "../support/two-servers.ts";

withPostgres();

/** The generation inside a refresh token; nothing but the tests looks at it. */
function generationOf(refreshToken: string): number {
  const bytes = Buffer.from(refreshToken.slice("lkr_".length), "base64url");
  return bytes.readUInt32BE(bytes.length - 32 - 4);
}

const STATE = "SELECT confirmed::int, pending_from::int, pending_to::int, revoked_for FROM latchkey.sessions";

const COUNT_WRITES = `
  CREATE TABLE writes (id bytea);
  CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.writes VALUES (NEW.id); RETURN NULL; END $$;
  CREATE TRIGGER count_write AFTER UPDATE ON latchkey.sessions FOR EACH ROW EXECUTE FUNCTION count_write()`;

describe("rotation across two processes", () => {
  it("PARITY 6: 100 parallel refreshes with one token across two processes: all 200, all the same successor, one row write", async () => {
    const { servers, sql } = await twoServers();
    await sql(COUNT_WRITES);
    for (let round = 0; round < 5; round++) {
      await sql("DELETE FROM latchkey.sessions; DELETE FROM writes");
      const { refresh_token: token } = (await login(servers[0])).body;
      const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => refresh(servers[index % 2]!, token)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
      expect(await sql(STATE)).toEqual([{ confirmed: 1, pending_from: 2, pending_to: 2, revoked_for: null }]);
      expect(await sql("SELECT FROM writes")).toHaveLength(1);
    }
  });

  it("PARITY 7: a lost response, retried at the other process: the same successor within the grace window, then a sibling", async () => {
    const { servers } = await twoServers({ LATCHKEY_ROTATION_GRACE_SECONDS: "1" });
    const [one, other] = servers;
    // A machine that stalls for as long as the window is none to try this on.
    const attempt = async () => {
      const token: string = (await login(one)).body.refresh_token;
      const startedAt = performance.now();
      const lost: string = (await refresh(one, token)).body.refresh_token;
      const retried = await refresh(other, token);
      return { token, lost, retried, tookMs: performance.now() - startedAt };
    };
    let { token, lost, retried, tookMs } = await attempt();
    for (let tries = 1; tries < 10 && tookMs > 900; tries++) ({ token, lost, retried, tookMs } = await attempt());
    expect(retried).toMatchObject({ status: 200, body: { refresh_token: lost } });
    await wait(1100);
    const late = await refresh(other, token);
    expect(late.status).toBe(200);
    expect(generationOf(late.body.refresh_token)).toBe(generationOf(lost) + 1);
    expect((await refresh(one, late.body.refresh_token)).status).toBe(200);
  });

  it("PARITY 8: thief and owner that alternate across two processes are detected when each has refreshed twice", async () => {
    const { servers, sql } = await twoServers({ LATCHKEY_ROTATION_GRACE_SECONDS: "1" });
    const [one, other] = servers;
    const first = (await login(one)).body.refresh_token;
    const holders = [
      { server: one, token: first },
      { server: other, token: first },
    ];
    const statuses: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      const holder = holders[turn % 2]!;
      const answer = await refresh(holder.server, holder.token);
      statuses.push(answer.status);
      if (answer.status === 200) holder.token = answer.body.refresh_token;
      else expect(answer.body.error).toBe("refresh_token_reused");
      await wait(1100);
    }
    expect(statuses).toContain(401);
    expect(statuses.slice(0, 2)).toEqual([200, 200]);
    for (const { server, token } of holders) expect((await refresh(server, token)).status).toBe(401);
    expect(await sql(STATE)).toMatchObject([{ revoked_for: "refresh_token_reused" }]);
  });

  it("PARITY 11: logout at one process ends the session at the other: the access token within a second", async () => {
    const { servers } = await twoServers();
    const [one, other] = servers;
    const lag = async () => {
      const { refresh_token: refreshToken, access_token: accessToken } = (await login(one)).body;
      expect((await me(other, accessToken)).status).toBe(200);
      expect((await post(one, "/auth/logout", { bearer: refreshToken })).status).toBe(204);
      const at = performance.now();
      expect(await refresh(other, refreshToken)).toMatchObject({ status: 401, body: { error: "session_revoked" } });
      await expect.poll(async () => (await me(other, accessToken)).status, { interval: 5 }).toBe(401);
      const tookMs = performance.now() - at;
      expect((await post(other, "/auth/logout", { bearer: refreshToken })).status).toBe(204);
      return tookMs;
    };
    for (let round = 0; round < 5; round++) await expectWithin(1000, lag);
  });
});
