import { expect, it } from "vitest";
import type { AttemptsAllowed } from "../../src/store/attempt-counts.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW, newSession, newUser } from "../support/records.ts";

const limit = (key: string, attempts: number, windowSeconds = 900): AttemptsAllowed => ({
  key,
  attempts,
  windowSeconds,
});

/** What every store that counts attempts does, and the queue of what operators have done. */
export function describeAttempts(open: () => Promise<Store>): void {
  it("counts attempts up to the limit over two connections, refuses the next, and says by which key and for how long", async () => {
    const stores = [await open(), await open()] as const;
    const taken = await Promise.all(
      Array.from({ length: 30 }, (_, nth) =>
        stores[nth % 2 === 0 ? 0 : 1].takeAttempts([limit("a", 10), limit("b", 99)]),
      ),
    );
    expect(taken.filter(({ waitSeconds }) => waitSeconds === 0)).toHaveLength(10);
    const refused = await stores[1].takeAttempts([limit("a", 10), limit("b", 99)]);
    expect(refused).toEqual({ waitSeconds: expect.any(Number), counted: [], refusedBy: ["a"] });
    expect(refused.waitSeconds).toBeGreaterThan(0);
    expect(refused.waitSeconds).toBeLessThanOrEqual(900);
    expect(await stores[0].listAttempts("", 10)).toEqual([
      { key: "a", count: 10, windowEndsAt: expect.any(Number) },
      { key: "b", count: 10, windowEndsAt: expect.any(Number) },
    ]);
  });

  it("gives attempts back, forgets keys, and only looks at a key where it is asked to", async () => {
    const counts = await open();
    const { counted } = await counts.takeAttempts([limit("a", 2), limit("b", 2)]);
    await counts.takeAttempts([limit("a", 2)]);
    expect((await counts.takeAttempts([limit("a", 2)])).waitSeconds).toBeGreaterThan(0);
    await counts.giveBackAttempts(counted, []);
    expect((await counts.takeAttempts([limit("a", 2)])).waitSeconds).toBe(0);
    const looked = { ...limit("a", 2), isOnlyLookedAt: true };
    expect(await counts.takeAttempts([looked, limit("c", 2)])).toMatchObject({ refusedBy: ["a"] });
    await counts.giveBackAttempts([], ["a"]);
    expect((await counts.takeAttempts([looked, limit("c", 2)])).counted.map(({ key }) => key)).toEqual(["c"]);
    expect((await counts.listAttempts("", 10)).map(({ key }) => key)).toEqual(["c"]);
  });

  it("forgets keys and those below them, from another connection as well, and no key that only begins alike", async () => {
    const [one, other] = [await open(), await open()];
    for (const key of ["x ada", "x ada home", "x ada work", "x adam", "y ada"]) await one.takeAttempts([limit(key, 1)]);
    expect(await other.forgetAttempts(["x ada"])).toBe(3);
    expect((await one.listAttempts("", 10)).map(({ key }) => key)).toEqual(["x adam", "y ada"]);
    expect((await one.listAttempts("x adam", 10)).map(({ key }) => key)).toEqual(["y ada"]);
    expect((await one.takeAttempts([limit("x ada home", 1)])).waitSeconds).toBe(0);
  });

  it("knows the addresses that a subject's live sessions were opened and last refreshed from, each once", async () => {
    const store = await open();
    const user = newUser();
    await store.createUser(user);
    const session = (fields: object) => ({
      session: newSession({ subject: user.id, ...fields }),
      credentialsVersion: null,
      sessionLimit: 0,
    });
    await store.createSessions([
      session({ ip: "192.0.2.1", lastIp: "192.0.2.2" }),
      session({ ip: "192.0.2.2", lastIp: null }),
      session({ ip: "192.0.2.3", lastIp: "192.0.2.3", expiresAt: NOW }),
      session({ ip: "192.0.2.4", lastIp: "192.0.2.4", revokedAt: NOW, revokedFor: "logout" }),
    ]);
    const used = newSession({}).rotation.rotatedAt;
    expect([...(await store.listSessionAddresses(user.id, NOW, used - 1))].toSorted()).toEqual([
      "192.0.2.1",
      "192.0.2.2",
    ]);
    expect(await store.listSessionAddresses(user.id, NOW, used)).toEqual([]);
    expect(await store.listSessionAddresses("", NOW, 0)).toEqual([]);
  });

  it("hands what operators have done to one of those who ask, in order", async () => {
    const [one, other] = [await open(), await open()];
    expect(await one.takeOperatorEvents(10)).toEqual([]);
    await one.addOperatorEvents([JSON.stringify({ nth: 1 }), JSON.stringify({ nth: 2 })]);
    await other.addOperatorEvents([JSON.stringify({ nth: 3, name: "ève" })]);
    expect((await other.takeOperatorEvents(2)).map((text) => JSON.parse(text))).toEqual([{ nth: 1 }, { nth: 2 }]);
    const rest = await Promise.all([one.takeOperatorEvents(2), other.takeOperatorEvents(2)]);
    expect(rest.flat().map((text) => JSON.parse(text))).toEqual([{ nth: 3, name: "ève" }]);
  });
}
