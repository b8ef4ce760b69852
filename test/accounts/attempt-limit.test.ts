import { describe, expect, it } from "vitest";
import { createAttemptLimit } from "../../src/accounts/attempt-limit.ts";

function limitOf(options: { readonly attempts?: number; readonly maxKeys?: number } = {}) {
  let now = 1_000_000;
  const limit = createAttemptLimit({
    attempts: 2,
    windowSeconds: 60,
    maxKeys: 100,
    ...options,
    clock: { now: () => now },
  });
  return {
    ...limit,
    passSeconds(seconds: number) {
      now += seconds * 1000;
    },
    /** Attempts until one has to wait. */
    takeAll(key: string) {
      let taken = 0;
      for (; limit.wait(key) === 0; taken += 1) limit.take(key);
      return taken;
    },
  };
}

describe("a limit on attempts", () => {
  it("counts a key's attempts from the first on, until the window that began with it is over", () => {
    const limit = limitOf();
    limit.take("a");
    limit.passSeconds(59);
    limit.take("a");
    expect(limit.wait("a")).toBe(1);
    expect(limit.wait("b")).toBe(0);
    limit.passSeconds(1);
    expect(limit.takeAll("a")).toBe(2);
    expect(limit.wait("a")).toBe(60);
  });

  it("takes one attempt back, and none from a later window", () => {
    const limit = limitOf();
    expect(limit.takeAll("a")).toBe(2);
    limit.giveBack("a");
    expect(limit.takeAll("a")).toBe(1);
    limit.passSeconds(60);
    limit.giveBack("a");
    expect(limit.takeAll("a")).toBe(2);
  });

  it("lets nobody wait longer than a window after the clock was set back", () => {
    const limit = limitOf();
    limit.takeAll("a");
    limit.passSeconds(-3600);
    expect(limit.wait("a")).toBe(60);
    limit.passSeconds(60);
    expect(limit.wait("a")).toBe(0);
  });

  it("forgets the key that was tried longest ago where there are too many, and not one that is tried in vain", () => {
    const limit = limitOf({ attempts: 1, maxKeys: 2 });
    limit.take("attacked");
    limit.take("old");
    expect(limit.wait("attacked")).toBe(60);
    limit.take("new");
    expect([limit.wait("attacked"), limit.wait("old"), limit.wait("new")]).toEqual([60, 0, 60]);
  });

  it("forgets a key with those below it, and says how many of them still counted", () => {
    const limit = limitOf();
    limit.take("over");
    limit.passSeconds(60);
    for (const key of ["a", "a x", "a y", "ab"]) limit.take(key);
    expect(limit.forgetBelow("a")).toBe(3);
    expect(limit.forgetBelow("")).toBe(1);
  });
});
