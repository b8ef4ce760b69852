import { describe, expect, it } from "vitest";
import { createLocalAttempts, createSharedAttempts, type LimitedKey } from "../../src/accounts/attempts.ts";
import { LatchkeyError } from "../../src/errors.ts";
import type { AttemptCounts } from "../../src/store/store.ts";

const limit = { name: "login", attempts: 3, windowSeconds: 60 };
const keys: readonly LimitedKey[] = [{ limit, key: "ada" }];

/** A count that is there as long as it is told to be. */
function unreliable() {
  let isDown = false;
  let count = 0;
  const orDown = () => {
    if (isDown) throw new LatchkeyError("store_unavailable");
  };
  const counts: AttemptCounts = {
    async takeAttempts([asked]) {
      orDown();
      if (count >= asked!.attempts) return { waitSeconds: 60, counted: [], refusedBy: [asked!.key] };
      count += 1;
      return { waitSeconds: 0, counted: [{ key: asked!.key, windowEndsAt: 1 }], refusedBy: [] };
    },
    async giveBackAttempts(counted) {
      orDown();
      count -= counted.length;
    },
    async sweepAttempts() {
      return 0;
    },
    async listAttempts() {
      return [];
    },
    async forgetAttempts() {
      return 0;
    },
  };
  return {
    counts,
    count: () => count,
    setDown(down: boolean) {
      isDown = down;
    },
  };
}

async function through(attempts: ReturnType<typeof createSharedAttempts>, tries: number): Promise<number> {
  let passed = 0;
  for (let index = 0; index < tries; index++) if ((await attempts.take(keys)).waitSeconds === 0) passed += 1;
  return passed;
}

describe("attempts counted in a store that fails", () => {
  it("are limited in memory while it is away, and by it as soon as it is back", async () => {
    const store = unreliable();
    const attempts = createSharedAttempts(store.counts, createLocalAttempts(100));
    expect(await through(attempts, 2)).toBe(2);
    store.setDown(true);
    expect(await through(attempts, 20)).toBe(3);
    store.setDown(false);
    expect(await through(attempts, 20)).toBe(1);
  });

  it("are taken back where they were counted: what memory counted lowers nothing in the store", async () => {
    const store = unreliable();
    const attempts = createSharedAttempts(store.counts, createLocalAttempts(100));
    store.setDown(true);
    const taken = await attempts.take(keys);
    store.setDown(false);
    expect(await through(attempts, 1)).toBe(1);
    await taken.giveBack?.();
    expect(store.count()).toBe(1);
    store.setDown(true);
    expect(await through(attempts, 20)).toBe(3);
  });

  it("go on counting where they cannot be taken back, and the sign-in that succeeded is not refused for it", async () => {
    const store = unreliable();
    const attempts = createSharedAttempts(store.counts, createLocalAttempts(100));
    const taken = await attempts.take(keys);
    store.setDown(true);
    await expect(taken.giveBack?.(keys[0])).resolves.toBeUndefined();
    expect(store.count()).toBe(1);
  });
});
