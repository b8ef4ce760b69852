import { describe, expect, it } from "vitest";
import {
  decideRotation,
  generationToReissue,
  initialRotation,
  MAX_GENERATION,
  type RotationPolicy,
  type RotationState,
} from "../../src/records/rotation.ts";
import { type Session, sessionStatus } from "../../src/records/session.ts";

const rotatedAt = 1_800_000_000_000;
const graceMs = 10_000;
const policy: RotationPolicy = { rotationGraceSeconds: 10, staleWithProof: "answer" };
const strict: RotationPolicy = { rotationGraceSeconds: 0, staleWithProof: "answer" };

/** Generation 5 was presented last, 6 was a sibling of it and is dead, 7 to 9 are pending. */
const row: RotationState = { confirmed: 5, pendingFrom: 7, pendingTo: 9, rotatedAt, reuseForgivenAt: null };

const presenting = (generation: number, now = rotatedAt, chosen = policy) =>
  decideRotation(row, generation, now, chosen);

describe("sign-in", () => {
  it("issues generation 1, which nobody has presented", () => {
    expect(initialRotation(rotatedAt)).toEqual({
      confirmed: 0,
      pendingFrom: 1,
      pendingTo: 1,
      rotatedAt,
      reuseForgivenAt: null,
    });
  });

  it("is followed by generation 2 when generation 1 is presented", () => {
    expect(decideRotation(initialRotation(rotatedAt), 1, rotatedAt + 1, policy)).toEqual({
      kind: "advance",
      issue: 2,
      next: { confirmed: 1, pendingFrom: 2, pendingTo: 2, rotatedAt: rotatedAt + 1, reuseForgivenAt: null },
    });
  });
});

describe("row 1: a pending generation", () => {
  it.each([
    ["the oldest", 7],
    ["one in the middle", 8],
    ["the newest", 9],
  ])("%s is confirmed, and the generation after all of them is issued", (_, generation) => {
    const now = rotatedAt + 3_600_000;
    expect(presenting(generation, now)).toEqual({
      kind: "advance",
      issue: 10,
      next: { confirmed: generation, pendingFrom: 10, pendingTo: 10, rotatedAt: now, reuseForgivenAt: null },
    });
  });

  it.each([-3_600_000, 0, graceMs, graceMs + 1])(
    "is taken whenever it arrives: %i ms after the last issue",
    (later) => {
      expect(presenting(8, rotatedAt + later)).toMatchObject({ kind: "advance", issue: 10 });
    },
  );

  it("is taken under strict rotation as well", () => {
    expect(presenting(8, rotatedAt, strict)).toEqual(presenting(8));
  });
});

describe("row 2: the confirmed generation within the grace window", () => {
  it.each([0, 1, graceMs - 1, graceMs])(
    "gets the newest pending generation again, with no write: %i ms later",
    (later) => {
      expect(presenting(5, rotatedAt + later)).toEqual({ kind: "repeat", issue: 9 });
    },
  );

  it.each([1, graceMs])("gets it too where the clock has stepped back by %i ms", (back) => {
    expect(presenting(5, rotatedAt - back)).toEqual({ kind: "repeat", issue: 9 });
  });
});

describe("row 3: the confirmed generation after the grace window", () => {
  it.each([
    ["a millisecond after its end", graceMs + 1],
    ["three days later", 3 * 86_400_000],
    ["where the clock has stepped back further than the window", -graceMs - 1],
  ])("gets a sibling, and all that was good stays good: %s", (_, later) => {
    const now = rotatedAt + later;
    expect(presenting(5, now)).toEqual({
      kind: "sibling",
      issue: 10,
      next: { confirmed: 5, pendingFrom: 7, pendingTo: 10, rotatedAt: now, reuseForgivenAt: null },
    });
  });

  it("opens a new grace window, in which twins share the sibling", () => {
    const next = { ...row, pendingTo: 10, rotatedAt: rotatedAt + graceMs + 1 };
    expect(decideRotation(next, 5, next.rotatedAt + graceMs, policy)).toEqual({ kind: "repeat", issue: 10 });
  });

  it("opens it from a stepped-back clock as well, so that the window is no longer than it should be", () => {
    const decision = presenting(5, rotatedAt - graceMs - 1);
    const next = "next" in decision ? decision.next : row;
    expect(decideRotation(next, 5, rotatedAt, policy)).toMatchObject({ kind: "sibling", issue: 11 });
  });
});

describe("row 4: a generation that was not issued, as far as the database knows", () => {
  it.each([10, 11, 1_000_000])("is believed, and its successor issued: %i", (generation) => {
    const now = rotatedAt + 1;
    expect(presenting(generation, now)).toEqual({
      kind: "rolled_back",
      issue: generation + 1,
      next: {
        confirmed: generation,
        pendingFrom: generation + 1,
        pendingTo: generation + 1,
        rotatedAt: now,
        reuseForgivenAt: null,
      },
    });
  });

  it("is believed under strict rotation as well", () => {
    expect(presenting(10, rotatedAt, strict)).toEqual(presenting(10));
  });
});

describe("row 5: anything else", () => {
  it.each([
    ["a dead sibling", 6],
    ["the generation before the confirmed one", 4],
    ["the first one", 1],
    ["generation 0, which is never issued", 0],
  ])("is reuse, within the grace window and after it: %s", (_, generation) => {
    expect(presenting(generation)).toEqual({ kind: "reuse" });
    expect(presenting(generation, rotatedAt + graceMs + 1)).toEqual({ kind: "reuse" });
    expect(presenting(generation, rotatedAt, strict)).toEqual({ kind: "reuse" });
  });
});

describe("strict rotation, with a grace of 0", () => {
  it.each([-1, 0, 1, 3_600_000])("makes the confirmed generation reuse: %i ms after the last issue", (later) => {
    expect(presenting(5, rotatedAt + later, strict)).toEqual({ kind: "reuse" });
  });
});

describe("reauthentication", () => {
  it.each([
    ["the confirmed generation", 5],
    ["the oldest pending one", 7],
    ["the newest", 9],
    ["one that the database has lost", 12],
  ])("hands out again what is held, where that is %s", (_, held) => {
    expect(generationToReissue(row, held)).toBe(held);
    expect(presenting(held)).not.toEqual({ kind: "reuse" });
  });

  it.each([
    ["a dead sibling", 6],
    ["older than the confirmed generation", 4],
  ])("hands out nothing where what is held is %s", (_, held) => {
    expect(generationToReissue(row, held)).toBeUndefined();
    expect(presenting(held)).toEqual({ kind: "reuse" });
  });
});

describe("the largest generation", () => {
  const endingAt = (pendingTo: number): Session => ({ ...session, rotation: { ...row, pendingTo } });
  const status = (pendingTo: number) => sessionStatus(endingAt(pendingTo), rotatedAt, { idleTtlSeconds: 3_600 });

  it("is never passed by a live session, whose end comes one generation before", () => {
    expect(status(MAX_GENERATION - 2)).toBe("live");
    expect(status(MAX_GENERATION - 1)).toBe("expired");
    const last = { ...row, pendingTo: MAX_GENERATION - 2 };
    expect(decideRotation(last, last.pendingTo, rotatedAt, policy)).toMatchObject({ issue: MAX_GENERATION - 1 });
  });

  it("is issued at most when the last generation of all is believed after a rollback", () => {
    expect(presenting(MAX_GENERATION - 1)).toMatchObject({ kind: "rolled_back", issue: MAX_GENERATION });
    expect(status(MAX_GENERATION)).toBe("expired");
  });
});

const session: Session = {
  id: "AAAAAAAAAAAAAAAAAAAAAA",
  subject: "subject",
  clientId: "client",
  salt: new Uint8Array(16),
  rotation: row,
  createdAt: rotatedAt,
  authTime: rotatedAt,
  expiresAt: rotatedAt + 86_400_000,
  revokedAt: null,
  revokedFor: null,
  device: null,
  userAgent: null,
  ip: null,
  scope: null,
  amr: null,
  claims: null,
  jkt: null,
  usedBefore: null,
  lastIp: null,
  lastUserAgent: null,
};
