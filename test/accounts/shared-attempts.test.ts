import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createLocalAttempts, createSharedAttempts, type LimitedKey } from "../../src/accounts/attempts.ts";
import { LatchkeyError } from "../../src/errors.ts";
import type { AttemptCounts } from "../../src/store/attempt-counts.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";

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
    sharesAttempts: true,
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

describe("attempts that arrive at once", () => {
  /** Counts in a real database, and how often it was asked to. */
  async function onSqlite() {
    const store = await createSqliteStore(":memory:");
    onTestFinished(() => store.close());
    const taking = vi.spyOn(store, "takeAttempts");
    return { attempts: createSharedAttempts(store, createLocalAttempts(100)), asked: () => taking.mock.calls.length };
  }

  it("pass no more often than the limit, and ask the store once more than that", async () => {
    const { attempts, asked } = await onSqlite();
    const taken = await Promise.all(Array.from({ length: 200 }, () => attempts.take(keys)));
    expect(taken.filter(({ waitSeconds }) => waitSeconds === 0)).toHaveLength(3);
    expect(asked()).toBe(4);
  });

  it("do not wait for those under other keys", async () => {
    const { attempts } = await onSqlite();
    const others = Array.from({ length: 20 }, (_, index): readonly LimitedKey[] => [{ limit, key: `user${index}` }]);
    const taken = await Promise.all(others.map((other) => attempts.take(other)));
    expect(taken.every(({ waitSeconds }) => waitSeconds === 0)).toBe(true);
  });

  it("are asked about again after a refusal, so that a limit that was lifted holds no longer", async () => {
    const { attempts } = await onSqlite();
    await Promise.all(Array.from({ length: 20 }, () => attempts.take(keys)));
    await attempts.forget(["login ada"]);
    expect(await through(attempts, 20)).toBe(3);
  });
});
