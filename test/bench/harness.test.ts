import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { inRounds, spread } from "../../bench/harness/rounds.mjs";

it("readings are taken in rounds of every subject, each round beginning with another one", async () => {
  const order: string[] = [];
  await inRounds(["a", "b", "c"], 3, async (subject) => order.push(subject));
  expect(order.join("")).toBe("abcbcacab");
});

it("a subject that fails is left out from then on, with the reason, and the others go on", async () => {
  const results = await inRounds(["good", "bad"], 2, async (subject) => {
    if (subject === "bad") throw new Error("the port is taken");
    return 1;
  });
  expect(results.get("bad")).toEqual({ readings: [], problem: "the port is taken" });
  expect(results.get("good")).toEqual({ readings: [1, 1] });
});

it("a spread is the median with the least and the most", () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
});

it("the peers' lock file fixes the content of every package, and names no host and no install script", () => {
  const { packages } = JSON.parse(
    readFileSync(new URL("../../bench/peers/package-lock.json", import.meta.url), "utf8"),
  );
  const locked = Object.entries<Record<string, unknown>>(packages).filter(([path]) => path !== "");
  expect(locked.length).toBeGreaterThan(50);
  expect(locked.filter(([, entry]) => entry.resolved || entry.hasInstallScript || !entry.integrity)).toEqual([]);
});
