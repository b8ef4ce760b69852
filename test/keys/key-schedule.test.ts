import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type KeySchedule,
  keyIn,
  keysTowards,
  keysWithout,
  rotatedKeys,
  type ScheduledKey,
  scheduledKeys,
  signsFrom,
  verifiesUntil,
} from "../../src/signing/key-schedule.ts";

const seconds = (least: number, most: number) => fc.integer({ min: least, max: most });
const schedules: fc.Arbitrary<KeySchedule> = fc
  .record({
    jwksMaxAgeSeconds: seconds(1, 600),
    reloadLagSeconds: seconds(1, 60),
    accessTtlSeconds: seconds(1, 3600),
    leewaySeconds: seconds(0, 60),
    extraSeconds: seconds(0, 7200),
  })
  .map(({ extraSeconds, ...rest }) => ({
    ...rest,
    keyRotationSeconds: rest.jwksMaxAgeSeconds + rest.reloadLagSeconds + extraSeconds,
  }));

type Act = "nothing" | "rotate" | "remove current" | "remove next" | "other algorithm";
const acts = fc.array(
  fc.record({
    after: seconds(0, 2000),
    act: fc.oneof(
      { weight: 6, arbitrary: fc.constant<Act>("nothing") },
      { weight: 1, arbitrary: fc.constantFrom<Act>("rotate", "remove current", "remove next", "other algorithm") },
    ),
  }),
  { maxLength: 60 },
);

/** Makes the keys that are missing, as the ring does after every change. */
function createMaker() {
  let serial = 0;
  return (keys: readonly ScheduledKey[], now: number, alg = "ES256"): readonly ScheduledKey[] => {
    const missing = (["current", "next"] as const).filter((state) => keyIn(keys, state) === undefined);
    const made = missing.map((state) => ({
      ...{ kid: `key-${serial++}`, alg, state, createdAt: now, retiredAt: null },
      activatedAt: state === "current" ? now : null,
    }));
    return [...keys, ...made];
  };
}

const daily: KeySchedule = {
  keyRotationSeconds: 86_400,
  jwksMaxAgeSeconds: 300,
  reloadLagSeconds: 30,
  accessTtlSeconds: 900,
  leewaySeconds: 0,
};

const changes: { readonly [A in Act]: (keys: readonly ScheduledKey[], now: number) => readonly ScheduledKey[] } = {
  nothing: (keys) => keys,
  rotate: rotatedKeys,
  "remove current": (keys, now) => keysWithout(keys, keyIn(keys, "current")!.kid, now),
  "remove next": (keys, now) => keysWithout(keys, keyIn(keys, "next")?.kid ?? "", now),
  "other algorithm": (keys) => keysTowards(keys, keyIn(keys, "next")?.alg === "EdDSA" ? "ES256" : "EdDSA"),
};

describe("the key schedule", () => {
  it("whatever is done and whenever, the ring has one current and one next key, and no key goes back a state", () => {
    fc.assert(
      fc.property(schedules, acts, (schedule, steps) => {
        const complete = createMaker();
        const seen = new Map<string, number>();
        let now = 1_000_000;
        let keys = complete([], now);
        for (const { after, act } of steps) {
          now += after * 1000;
          keys = complete(
            changes[act](scheduledKeys(keys, now, schedule), now),
            now,
            act === "other algorithm" ? "EdDSA" : "ES256",
          );
          expect(keys.filter(({ state }) => state === "current")).toHaveLength(1);
          expect(keys.filter(({ state }) => state === "next")).toHaveLength(1);
          for (const { kid, state, activatedAt, retiredAt } of keys) {
            const rank = ["next", "current", "retired"].indexOf(state);
            expect(rank).toBeGreaterThanOrEqual(seen.get(kid) ?? 0);
            seen.set(kid, rank);
            expect([activatedAt !== null, retiredAt !== null]).toEqual([rank >= 1, rank === 2]);
          }
        }
      }),
    );
  });

  it("SECURITY 46: by schedule, no key signs before it has been published for a cache lifetime and the reload lag", () => {
    fc.assert(
      fc.property(schedules, fc.array(seconds(0, 2000), { maxLength: 80 }), (schedule, steps) => {
        const complete = createMaker();
        let now = 1_000_000;
        let keys = complete([], now);
        const first = keyIn(keys, "current")!.kid;
        for (const after of steps) {
          now += after * 1000;
          keys = complete(scheduledKeys(keys, now, schedule), now);
          const current = keyIn(keys, "current")!;
          const publishedMs = (schedule.jwksMaxAgeSeconds + schedule.reloadLagSeconds) * 1000;
          if (current.kid !== first)
            expect(current.activatedAt! - current.createdAt).toBeGreaterThanOrEqual(publishedMs);
          expect(current.activatedAt).toBeLessThanOrEqual(now);
        }
      }),
    );
  });

  it("SECURITY 46: a retired key is kept for a token's life, the leeway and the reload lag, and not a millisecond longer", () => {
    fc.assert(
      fc.property(schedules, (schedule) => {
        const complete = createMaker();
        const rotated = complete(rotatedKeys(complete([], 0), 5000), 5000);
        const retired = rotated.find(({ state }) => state === "retired")!;
        const until = verifiesUntil(retired, schedule);
        expect(until - 5000).toBe(
          (schedule.accessTtlSeconds + schedule.leewaySeconds + schedule.reloadLagSeconds) * 1000,
        );
        expect(scheduledKeys(rotated, until - 1, schedule).some(({ kid }) => kid === retired.kid)).toBe(true);
        expect(scheduledKeys(rotated, until, schedule).some(({ kid }) => kid === retired.kid)).toBe(false);
      }),
    );
  });

  it("a next key of another algorithm takes over as soon as it is published, though the rotation is not due", () => {
    const complete = createMaker();
    const moving = complete(keysTowards(complete([], 0), "EdDSA"), 60_000, "EdDSA");
    const from = signsFrom(keyIn(moving, "next")!, daily);
    expect(from).toBe(60_000 + 330_000);
    expect(keyIn(scheduledKeys(moving, from - 1, daily), "current")?.alg).toBe("ES256");
    expect(keyIn(scheduledKeys(moving, from, daily), "current")?.alg).toBe("EdDSA");
  });

  it("leaves the very same records where nothing is due", () => {
    const ring = createMaker()([], 0);
    const later = scheduledKeys(ring, 86_399_999, daily);
    expect(later.map((key, index) => key === ring[index])).toEqual([true, true]);
    expect(keyIn(scheduledKeys(ring, 86_400_000, daily), "current")?.kid).toBe(keyIn(ring, "next")?.kid);
  });
});
