import { expect, it } from "vitest";
import { NOW } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

export function describeAccessLifetimes(open: OpenStore): void {
  it("are kept each with the last time that it is in force, returned shortest first, and seen by every process", async () => {
    const [store, other] = [await open(), await open()];
    expect(await store.listAccessLifetimes()).toEqual([]);
    const hour = { seconds: 3600, lastInForceAt: NOW };
    const minute = { seconds: 60, lastInForceAt: NOW + 5 };
    expect(await store.keepAccessLifetime(hour, 0)).toEqual([hour]);
    expect(await other.keepAccessLifetime(minute, 0)).toEqual([minute, hour]);
    for (const one of [store, other]) expect(await one.listAccessLifetimes()).toEqual([minute, hour]);
  });

  it("are never in force for less long than was kept before, whatever the clock of a process says", async () => {
    const store = await open();
    const kept = { seconds: 900, lastInForceAt: NOW };
    await store.keepAccessLifetime(kept, 0);
    expect(await store.keepAccessLifetime({ ...kept, lastInForceAt: NOW - 1 }, 0)).toEqual([kept]);
    const later = { ...kept, lastInForceAt: NOW + 1 };
    expect(await store.keepAccessLifetime(later, 0)).toEqual([later]);
  });

  it("are dropped once the last token of the life has expired, to the millisecond, and not before", async () => {
    const store = await open();
    const [hour, minute] = [
      { seconds: 3600, lastInForceAt: NOW },
      { seconds: 60, lastInForceAt: NOW + 10_000_000 },
    ];
    await store.keepAccessLifetime(hour, 0);
    expect(await store.keepAccessLifetime(minute, NOW + 3_600_000 - 1)).toEqual([minute, hour]);
    expect(await store.keepAccessLifetime(minute, NOW + 3_600_000)).toEqual([minute]);
    expect(await store.listAccessLifetimes()).toEqual([minute]);
  });

  it("of many processes at once are all kept", async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, open));
    const acts = Array.from({ length: 40 }, (_, index) => ({ seconds: 60 + (index % 5), lastInForceAt: NOW + index }));
    await Promise.all(acts.map((lifetime, index) => stores[index % 4]!.keepAccessLifetime(lifetime, 0)));
    expect(await stores[0]!.listAccessLifetimes()).toEqual(
      [0, 1, 2, 3, 4].map((more) => ({ seconds: 60 + more, lastInForceAt: NOW + 35 + more })),
    );
  });
}
