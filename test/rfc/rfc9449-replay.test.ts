import { describe, expect, it } from "vitest";
import { createDpopProofs } from "../../src/access-token/used-dpop-proofs.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { createTestClock } from "../support/test-bed.ts";
import { outcome } from "./dpop-outcome.ts";

const clock = createTestClock();

describe("RFC 9449, section 11.1: a proof is good once", () => {
  const proofOf = (jti: string, jkt = "key", offset = 60_000) => ({ jti, jkt, expiresAt: clock.now() + offset });
  const used = "It has been used before.";
  const use = (proofs: ReturnType<typeof createDpopProofs>, proof: ReturnType<typeof proofOf>) =>
    outcome(
      (async () => {
        proofs.use(proof);
      })(),
    );

  it("and another key's of the same jti is another proof", async () => {
    const proofs = createDpopProofs({ clock });
    expect(await use(proofs, proofOf("a"))).toBe("good");
    expect(await use(proofs, proofOf("a"))).toBe(used);
    expect(await use(proofs, proofOf("a", "other"))).toBe("good");
    expect(await use(proofs, proofOf("b"))).toBe("good");
  });

  it("is remembered for as long as it is good, to the millisecond, and no longer than ten seconds more", async () => {
    for (const offset of [0, 1, 59_999, 60_000, 119_999, 120_000]) {
      const own = createTestClock(clock.now() + offset);
      const proofs = createDpopProofs({ clock: own, limits: { ofKey: 1, total: 1 } });
      const proof = { jti: "a", jkt: "key", expiresAt: own.now() + offset };
      proofs.use(proof);
      own.advanceSeconds(offset / 1000);
      expect([offset, await use(proofs, proof)]).toEqual([offset, used]);
      own.advanceSeconds(10.001);
      expect([offset, await use(proofs, { ...proof, jti: "b", expiresAt: own.now() + 1 })]).toEqual([offset, "good"]);
    }
  });

  /** A clock, and proofs that are made at its time and used at once. */
  function atOwnTime(limits = { ofKey: 1000, total: 1000 }) {
    const own = createTestClock();
    const proofs = createDpopProofs({ clock: own, limits });
    const made = (jti: string, jkt = "key") => ({ jti, jkt, expiresAt: own.now() + 60_000 });
    return { own, proofs, made, start: own.now() };
  }

  it.each([30, 119, 121, 600, 3600, 86_400, 366 * 86_400])(
    "does not pass again when the clock is set %s seconds forward, works there, and is set back; a new one passes",
    async (seconds) => {
      const { own, proofs, made, start } = atOwnTime();
      const before = made("before");
      proofs.use(before);
      own.set(start + seconds * 1000);
      const ahead = made("ahead");
      expect(await use(proofs, ahead)).toBe("good");
      own.set(start + 5000);
      expect(await use(proofs, before)).not.toBe("good");
      expect(await use(proofs, { ...ahead })).not.toBe("good");
      own.set(start + 130_000);
      expect(await use(proofs, made("after"))).toBe("good");
      own.set(start + seconds * 1000 + 1000);
      expect(await use(proofs, ahead)).not.toBe("good");
    },
  );

  it.each([1, 59, 61, 600, 3600])(
    "does not pass again when the clock is set %s seconds back, and a new one passes at once",
    async (seconds) => {
      const { own, proofs, made, start } = atOwnTime();
      const proof = made("a");
      proofs.use(proof);
      own.set(start - seconds * 1000);
      expect(await use(proofs, proof)).toBe(used);
      expect(await use(proofs, made("b"))).toBe("good");
      for (const later of [0, 30, 59]) {
        own.set(start + later * 1000);
        expect(await use(proofs, proof)).toBe(used);
      }
    },
  );

  it("does not pass again under any walk of the clock, however little is remembered", async () => {
    const below = seededRandom(4);
    for (let walk = 0; walk < 40; walk += 1) {
      const { own, proofs, made } = atOwnTime({ ofKey: 20, total: 20 });
      const accepted = new Set<string>();
      const every: ReturnType<typeof made>[] = [];
      for (let step = 0; step < 300; step += 1) {
        own.set(own.now() + [1000, 5000, 20_000, 130_000, -20_000, 4_000_000, -4_000_000][below(7)]!);
        const old = every[below(every.length + 1)];
        const proof =
          old !== undefined && Math.abs(old.expiresAt - 60_000 - own.now()) <= 60_000 ? old : made(`${step}`);
        if (proof !== old) every.push(proof);
        if ((await use(proofs, proof)) !== "good") continue;
        expect(accepted.has(proof.jti)).toBe(false);
        accepted.add(proof.jti);
      }
      expect(accepted.size).toBeGreaterThan(20);
    }
  });

  it("costs no more memory for being remembered longer: a busy hour passes within a limit of two minutes", async () => {
    const { own, proofs, made } = atOwnTime({ ofKey: 100, total: 100 });
    for (let second = 0; second < 3600; second += 1) {
      expect([second, await use(proofs, made(`${second}`))]).toEqual([second, "good"]);
      own.advanceSeconds(1);
    }
  });

  it("fails closed: when one key's share or the whole is used up, the next get 503, and none is forgotten", async () => {
    const own = createTestClock();
    const proofs = createDpopProofs({ clock: own, limits: { ofKey: 3, total: 5 } });
    const one = (jti: string, jkt: string, seconds = 60) => ({ jti, jkt, expiresAt: own.now() + seconds * 1000 });
    const refusal = { code: "server_busy", status: 503, retryAfterSeconds: 15 };
    const kept = [one("1", "a"), one("2", "a", 30), one("3", "a", 90)];
    for (const proof of kept) proofs.use(proof);
    expect(() => proofs.use(one("4", "a"))).toThrow(expect.objectContaining(refusal));
    proofs.use(one("1", "b"));
    proofs.use(one("2", "b"));
    expect(() => proofs.use(one("3", "b"))).toThrow(expect.objectContaining(refusal));
    expect(() => proofs.use(one("1", "c"))).toThrow(expect.objectContaining(refusal));
    for (const proof of kept) expect(await use(proofs, proof)).toBe(used);
    own.advanceSeconds(40);
    proofs.use(one("1", "c"));
  });
});
