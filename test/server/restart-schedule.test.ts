import { describe, expect, it } from "vitest";
import { createRestartSchedule } from "../../src/server/process/restart-schedule.ts";

describe("the schedule of restarts", () => {
  it("waits twice as long each time, 30 seconds at most", () => {
    const schedule = createRestartSchedule();
    const delays = Array.from({ length: 10 }, () => schedule.delayAfter({ servedMs: 10 }));
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  it("begins anew after a worker that served for a minute", () => {
    const schedule = createRestartSchedule();
    for (let index = 0; index < 5; index++) schedule.delayAfter({ servedMs: undefined });
    expect(schedule.delayAfter({ servedMs: 59_999 })).toBe(8000);
    expect(schedule.delayAfter({ servedMs: 60_000 })).toBe(250);
  });

  it("is hopeless after five starts in a row that failed, and not when one of them served meanwhile", () => {
    const schedule = createRestartSchedule();
    const failStarts = (count: number) => {
      for (let index = 0; index < count; index++) schedule.delayAfter({ servedMs: undefined });
    };
    failStarts(4);
    expect(schedule.isHopeless()).toBe(false);
    schedule.delayAfter({ servedMs: 1 });
    failStarts(4);
    expect(schedule.isHopeless()).toBe(false);
    failStarts(1);
    expect(schedule.isHopeless()).toBe(true);
  });
});
