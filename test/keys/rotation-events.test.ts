import { describe, expect, it } from "vitest";
import { newPath } from "../support/places.ts";
import { createTestBed, createTestClock, type TestBed } from "../support/test-bed.ts";

const rotations = ({ events }: TestBed) =>
  events.flatMap((event) => (event.type === "signing_key.rotated" ? [event.kid] : []));
const currentKid = ({ issuer }: TestBed) => issuer.keys.list().find(({ state }) => state === "current")!.kid;

describe("signing_key.rotated", () => {
  it("is emitted once for each rotation, by schedule and by hand, by the one process that made it, and not for the first key", async () => {
    const [path, clock] = [newPath(), createTestClock()];
    const schedule = { path, keyRotationSeconds: 400, jwksMaxAgeSeconds: 60, accessTtlSeconds: 60 };
    const beds = [await createTestBed(schedule, {}, clock), await createTestBed(schedule, {}, clock)] as const;
    const ada = await beds[0].issuer.users.create({ username: "ada", password: "a battery horse staple", roles: [] });
    const all = () => beds.flatMap(rotations);
    await beds[0].issuer.issue({ subject: ada.id });
    expect(all()).toEqual([]);

    const kids: string[] = [];
    for (let nth = 0; nth < 4; nth++) {
      clock.advanceSeconds(401);
      await Promise.all(beds.map(({ issuer }) => issuer.issue({ subject: ada.id })));
      expect(currentKid(beds[0])).toBe(currentKid(beds[1]));
      kids.push(currentKid(beds[0]));
      expect(all().toSorted()).toEqual(kids.toSorted());
    }

    kids.push((await beds[1].issuer.keys.rotate({ force: true })).kid);
    expect(all().toSorted()).toEqual(kids.toSorted());
    expect(rotations(beds[1]).at(-1)).toBe(kids.at(-1));
    expect(new Set(kids).size).toBe(5);
  });
});
