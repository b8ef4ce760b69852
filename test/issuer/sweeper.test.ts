import { describe, expect, it } from "vitest";
import { createSweeper } from "../../src/engine/upkeep/sweeper.ts";
import type { SweepRequest, Swept } from "../../src/store/store-operation.ts";
import { createTestBed } from "../support/test-bed.ts";

const DAY_SECONDS = 86_400;
const REMEMBER_MS = 1_505_000;

/** Of a store whose processes count attempts each for itself. */
const countsNothing = {
  sharesAttempts: false,
  sweepAttempts: () => Promise.reject(new Error("nothing is counted here")),
};

describe("the sweeper", () => {
  it("keeps a session that was revoked for reuse until its absolute end, and every session for a day after it", async () => {
    const bed = await createTestBed({ rotationGraceSeconds: 0 });
    const sweeper = createSweeper({ store: bed.store, now: bed.clock.now, rememberMs: async () => REMEMBER_MS });
    const pair = await bed.login();
    await bed.call("POST", "/auth/refresh", { json: { refresh_token: pair.refresh_token } });
    const replay = () => bed.call("POST", "/auth/refresh", { json: { refresh_token: pair.refresh_token } });
    expect((await replay()).body.error).toBe("refresh_token_reused");

    bed.clock.advanceSeconds(31 * DAY_SECONDS - 1);
    await sweeper.run();
    expect((await bed.store.findSession(pair.session_id))?.revokedFor).toBe("refresh_token_reused");

    bed.clock.advanceSeconds(1);
    await sweeper.run();
    expect(await bed.store.findSession(pair.session_id)).toBeNull();
    expect((await replay()).body.error).toBe("invalid_refresh_token");
  });

  it("forgets a revocation no sooner than the last access token it stands against has expired", async () => {
    const bed = await createTestBed();
    const sweeper = createSweeper({ store: bed.store, now: bed.clock.now, rememberMs: async () => REMEMBER_MS });
    const pair = await bed.login();
    await bed.issuer.logout(pair.refresh_token);
    bed.clock.advanceSeconds(REMEMBER_MS / 1000 - 1);
    await sweeper.run();
    expect(await bed.store.listRevocations(0, 0, 10)).toHaveLength(1);
    bed.clock.advanceSeconds(1);
    await sweeper.run();
    expect(await bed.store.listRevocations(0, 0, 10)).toEqual([]);
  });

  it("goes on in bounded acts until nothing is left, lets other work in between, and joins a sweep under way", async () => {
    let left = 1050;
    const acts: number[] = [];
    let othersRan = 0;
    const sweep = async ({ limit }: SweepRequest): Promise<Swept> => {
      setImmediate(() => {
        othersRan += 1;
      });
      acts.push(limit);
      const sessions = Math.min(limit, left);
      left -= sessions;
      return { sessions, revocations: 0 };
    };
    const sweeper = createSweeper({ store: { sweep, ...countsNothing }, now: () => 0, rememberMs: async () => 0 });
    await Promise.all([sweeper.run(), sweeper.run()]);
    expect(left).toBe(0);
    expect(acts).toHaveLength(Math.ceil(1050 / 200));
    expect(othersRan).toBeGreaterThanOrEqual(acts.length - 1);
  });

  it("stops after the act under way, and rejects as the store does", async () => {
    let acts = 0;
    const endless = createSweeper({
      store: {
        sweep: async ({ limit }) => {
          acts += 1;
          return { sessions: limit, revocations: 0 };
        },
        ...countsNothing,
      },
      now: () => 0,
      rememberMs: async () => 0,
    });
    const run = endless.run();
    await endless.stop();
    await run;
    expect(acts).toBeLessThan(3);
    const failing = createSweeper({
      store: { sweep: () => Promise.reject(new Error("the disk is full")), ...countsNothing },
      now: () => 0,
      rememberMs: async () => 0,
    });
    await expect(failing.run()).rejects.toThrow("the disk is full");
  });

  it("runs by itself at the interval of the options", async () => {
    const bed = await createTestBed({ sweepIntervalSeconds: 1 });
    const pair = await bed.login();
    bed.clock.advanceSeconds(32 * DAY_SECONDS);
    const deadline = performance.now() + 60_000;
    while ((await bed.store.findSession(pair.session_id)) !== null && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await bed.store.findSession(pair.session_id)).toBeNull();
  });

  it("runs never where the interval is 0", async () => {
    const bed = await createTestBed({ sweepIntervalSeconds: 0 });
    const pair = await bed.login();
    bed.clock.advanceSeconds(32 * DAY_SECONDS);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await bed.store.findSession(pair.session_id)).not.toBeNull();
  });
});
