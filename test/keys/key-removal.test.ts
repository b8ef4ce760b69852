import { describe, expect, it } from "vitest";
import { isLatchkeyError } from "../../src/index.ts";
import { newPath } from "../support/places.ts";
import { createTestBed, createTestClock, type TestBed } from "../support/test-bed.ts";
import { serveBed } from "../support/verifiers.ts";

const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }]));
const kidOf = (accessToken: string): string =>
  JSON.parse(Buffer.from(accessToken.split(".")[0]!, "base64url").toString()).kid;
const kidIn = ({ issuer }: TestBed, state: "next" | "current") =>
  issuer.keys.list().find((key) => key.state === state)!.kid;
const published = ({ issuer }: TestBed) => issuer.keys.jwks().keys.map(({ kid }) => kid);

/** `good`, or the code that the access token is refused with. */
async function outcome(verification: Promise<unknown>): Promise<string> {
  return verification.then(
    () => "good",
    (error: unknown) => {
      if (isLatchkeyError(error)) return error.code;
      throw error;
    },
  );
}

/** Two processes on one database. */
async function twoBeds() {
  const [path, clock] = [newPath(), createTestClock()];
  return [
    await createTestBed({ path, subjects }, {}, clock),
    await createTestBed({ path, subjects }, {}, clock),
  ] as const;
}

describe("issuer.keys.remove of the current key", () => {
  it("refuses what it has signed at once, remembered or not, and takes it out of the JWKS", async () => {
    const bed = await createTestBed({ subjects });
    const [remembered, fresh] = [
      await bed.issuer.issue({ subject: "ada" }),
      await bed.issuer.issue({ subject: "ada" }),
    ];
    expect(await outcome(bed.issuer.verify(remembered.accessToken))).toBe("good");
    const kid = kidIn(bed, "current");
    expect(await bed.issuer.keys.remove(kid)).toMatchObject({ kid, state: "current" });
    for (const { accessToken } of [remembered, fresh]) {
      expect(await outcome(bed.issuer.verify(accessToken))).toBe("invalid_access_token");
      expect(bed.issuer.verifyRemembered(accessToken)).toBeUndefined();
      expect(await bed.issuer.introspect(accessToken)).toEqual({ active: false });
    }
    expect(published(bed)).not.toContain(kid);
    expect(
      bed.issuer
        .listKeys()
        .map(({ state }) => state)
        .sort(),
    ).toEqual(["current", "next"]);
  });

  it("signs nobody out: the next refresh is signed with the next key", async () => {
    const bed = await createTestBed({ subjects });
    const { refreshToken } = await bed.issuer.issue({ subject: "ada" });
    const next = kidIn(bed, "next");
    await bed.issuer.keys.remove(kidIn(bed, "current"));
    const { accessToken } = await bed.issuer.refresh(refreshToken);
    expect(kidOf(accessToken)).toBe(next);
    expect(await outcome(bed.issuer.verify(accessToken))).toBe("good");
  });

  it("emits that it was removed and that another one signs, once each", async () => {
    const bed = await createTestBed({ subjects });
    const [kid, next] = [kidIn(bed, "current"), kidIn(bed, "next")];
    await bed.issuer.keys.remove(kid);
    expect(bed.events).toEqual([
      expect.objectContaining({ type: "signing_key.rotated", kid: next }),
      expect.objectContaining({ type: "signing_key.removed", kid }),
    ]);
  });

  it("while another process signs with it: what that one signs is refused here, and there once it has read the keys again", async () => {
    const [here, there] = await twoBeds();
    const kid = kidIn(here, "current");
    const pair = await there.issuer.issue({ subject: "ada" });
    await here.issuer.keys.remove(kid);
    const signedSince = await there.issuer.refresh(pair.refreshToken);
    expect(kidOf(signedSince.accessToken)).toBe(kid);
    expect(await outcome(here.issuer.verify(signedSince.accessToken))).toBe("invalid_access_token");
    there.clock.advanceSeconds(20);
    const signedLater = await there.issuer.refresh(signedSince.refreshToken);
    expect(kidOf(signedLater.accessToken)).toBe(kidIn(here, "current"));
    expect(await outcome(here.issuer.verify(signedLater.accessToken))).toBe("good");
    expect(await outcome(there.issuer.verify(signedSince.accessToken))).toBe("invalid_access_token");
    expect(published(there)).not.toContain(kid);
  });

  it("while other processes rotate: it does not come back", async () => {
    const [here, there] = await twoBeds();
    for (let round = 0; round < 10; round++) {
      const kid = kidIn(here, "current");
      await Promise.all([
        here.issuer.keys.remove(kid),
        there.issuer.keys.rotate({ force: true }),
        here.issuer.keys.rotate({ force: true }),
      ]);
      const { keys } = await here.store.readSigningKeys();
      expect(keys.map((key) => key.kid)).not.toContain(kid);
      // Reads what is stored, no matter which of the two was last.
      await Promise.all([here, there].map(({ issuer }) => issuer.keys.rotate({ force: true })));
    }
  });
});

describe("issuer.keys.remove of another key", () => {
  it("of one that has retired: what it has signed is refused, and the current key signs on", async () => {
    const bed = await createTestBed({ subjects });
    const { accessToken } = await bed.issuer.issue({ subject: "ada" });
    const kid = kidOf(accessToken);
    const { kid: current } = await bed.issuer.keys.rotate({ force: true });
    expect(await outcome(bed.issuer.verify(accessToken))).toBe("good");
    await bed.issuer.keys.remove(kid);
    expect(await outcome(bed.issuer.verify(accessToken))).toBe("invalid_access_token");
    expect(kidIn(bed, "current")).toBe(current);
  });

  it("of the next one, which was published and has signed nothing: it never signs, and a fresh one is published", async () => {
    const bed = await createTestBed({ subjects, keyRotationSeconds: 400, jwksMaxAgeSeconds: 60 });
    const [current, next] = [kidIn(bed, "current"), kidIn(bed, "next")];
    await bed.issuer.keys.remove(next);
    expect(published(bed)).not.toContain(next);
    expect(kidIn(bed, "current")).toBe(current);
    const fresh = kidIn(bed, "next");
    bed.clock.advanceSeconds(401);
    expect(kidOf((await bed.issuer.issue({ subject: "ada" })).accessToken)).toBe(fresh);
    expect(bed.events.filter(({ type }) => type === "signing_key.removed")).toHaveLength(1);
  });

  it("of every key there is, one after another: there is always one that signs", async () => {
    const bed = await createTestBed({ subjects });
    const before = bed.issuer.keys.list();
    for (const { kid } of before) await bed.issuer.keys.remove(kid);
    const kids = published(bed);
    expect(kids).toHaveLength(2);
    for (const { kid } of before) expect(kids).not.toContain(kid);
    const { accessToken } = await bed.issuer.issue({ subject: "ada" });
    expect(await outcome(bed.issuer.verify(accessToken))).toBe("good");
  });

  it.each(["", "unknown", "A".repeat(43), "__proto__"])(
    "of an unknown one ('%s') is not_found, and emits nothing",
    async (kid) => {
      const bed = await createTestBed({ subjects });
      const before = bed.issuer.keys.list();
      expect(await outcome(bed.issuer.keys.remove(kid))).toBe("not_found");
      expect(bed.issuer.keys.list()).toEqual(before);
      expect(bed.events).toEqual([]);
    },
  );

  it("by two processes at once is done by one; the other says not_found", async () => {
    const [here, there] = await twoBeds();
    const kid = kidIn(here, "current");
    const outcomes = await Promise.all([here, there].map(({ issuer }) => outcome(issuer.keys.remove(kid))));
    expect(outcomes.sort()).toEqual(["good", "not_found"]);
    expect([...here.events, ...there.events].filter(({ type }) => type === "signing_key.removed")).toHaveLength(1);
  });
});

describe("a verifier elsewhere that has the removed key", () => {
  it("refuses what the key has signed once its copy of the JWKS has expired, and accepts the new key's at once", async () => {
    const bed = await serveBed({ jwksMaxAgeSeconds: 60 });
    const verifier = bed.verifier();
    const leaked = await bed.token();
    expect(await outcome(verifier.verify(leaked))).toBe("good");
    await bed.issuer.keys.remove(kidOf(leaked));
    const fresh = await bed.token();
    expect(await outcome(verifier.verify(fresh))).toBe("good");
    bed.clock.advanceSeconds(60);
    expect(await outcome(verifier.verify(leaked))).toBe("invalid_access_token");
    expect(await outcome(verifier.verify(fresh))).toBe("good");
  });

  it("does so at the first access token of a key that it does not know, before its copy has expired", async () => {
    const bed = await serveBed();
    const verifier = bed.verifier();
    const leaked = await bed.token();
    expect(await outcome(verifier.verify(leaked))).toBe("good");
    bed.clock.advanceSeconds(6);
    const current = kidOf(leaked);
    const next = kidIn(bed, "next");
    await bed.issuer.keys.remove(current);
    await bed.issuer.keys.remove(next);
    expect(await outcome(verifier.verify(await bed.token()))).toBe("good");
    expect(await outcome(verifier.verify(leaked))).toBe("invalid_access_token");
  });
});
