import { describe, expect, it } from "vitest";
import { createBatch } from "../../src/engine/batch.ts";

const limits = { maxBatch: 4, maxWaiting: 10 };

/** A store whose commits are let through by hand. */
function heldCommits() {
  const batches: number[][] = [];
  const letters: (() => void)[] = [];
  return {
    batches,
    async commit(items: readonly number[]): Promise<readonly number[]> {
      batches.push([...items]);
      await new Promise<void>((resolve) => letters.push(resolve));
      return items.map((item) => item * 10);
    },
    async letOneThrough() {
      await expect.poll(() => letters.length).toBeGreaterThan(0);
      letters.shift()!();
    },
  };
}

describe("createBatch", () => {
  it("commits a lone item at once, in the turn in which it came", async () => {
    const batches: (readonly string[])[] = [];
    const batch = createBatch(async (items: readonly string[]) => {
      batches.push(items);
      return items;
    }, limits);
    let turns = 0;
    const counting = setImmediate(function count() {
      turns += 1;
      setImmediate(count).unref();
    });
    expect(await batch.add("alone")).toBe("alone");
    clearImmediate(counting);
    expect(turns).toBeLessThanOrEqual(1);
    expect(batches).toEqual([["alone"]]);
  });

  it("commits together what arrives while the batch before is in flight, in order, and gives each its own result", async () => {
    const store = heldCommits();
    const batch = createBatch(store.commit, limits);
    const results = [batch.add(1)];
    await expect.poll(() => store.batches.length).toBe(1);
    for (const item of [2, 3, 4, 5, 6, 7]) results.push(batch.add(item));
    for (let round = 0; round < 3; round++) await store.letOneThrough();
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50, 60, 70]);
    expect(store.batches).toEqual([[1], [2, 3, 4, 5], [6, 7]]);
  });

  it("refuses what would wait beyond the limit with server_busy, and nothing that waits is lost", async () => {
    const store = heldCommits();
    const batch = createBatch(store.commit, limits);
    const taken = Array.from({ length: 10 }, (_, item) => batch.add(item));
    await expect(batch.add(99)).rejects.toMatchObject({ code: "server_busy", retryAfterSeconds: 1 });
    for (let round = 0; round < 3; round++) await store.letOneThrough();
    expect(await Promise.all(taken)).toHaveLength(10);
  });

  it("fails a batch that the store did not take, and takes the next", async () => {
    let isBroken = true;
    const batch = createBatch(async (items: readonly number[]) => {
      if (isBroken) throw new Error("the store is away");
      return items;
    }, limits);
    const failed = await Promise.allSettled([batch.add(1), batch.add(2)]);
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    isBroken = false;
    expect(await batch.add(3)).toBe(3);
  });

  it("is settled when nothing waits and nothing is in flight", async () => {
    const store = heldCommits();
    const batch = createBatch(store.commit, limits);
    await batch.settled();
    void batch.add(1);
    let isSettled = false;
    const settled = batch.settled().then(() => {
      isSettled = true;
    });
    await expect.poll(() => store.batches.length).toBe(1);
    expect(isSettled).toBe(false);
    await store.letOneThrough();
    await settled;
  });
});
