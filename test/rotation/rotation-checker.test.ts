import { describe, expect, it } from "vitest";
import { realProtocol } from "./database.ts";
import { rotationPage } from "./documentation.ts";
import { claims } from "./proof.ts";
import { figures, findFalseMerge, story, walk } from "./walk.ts";

// ROTATION_CHECK=deep walks further; docs/rotation.md says how far each walk goes.
const isDeep = process.env.ROTATION_CHECK === "deep";
const timeout = isDeep ? 3_600_000 : 60_000;

describe("every reachable state keeps the six properties", () => {
  claims(realProtocol, isDeep ? "deep" : "usual", ({ world, properties }) => {
    it(`${world.name}: the walk closes and finds no violation`, { timeout }, () => {
      const report = walk(world, properties);
      console.log(`rotation checker: ${figures(report)}`);
      expect(report.violations.map(story)).toEqual([]);
      expect(report.closed).toBe(true);
      if (!isDeep) expect(rotationPage()).toContain(figures(report));
    });
  });
});

describe("states that a walk takes for alike have the same futures", () => {
  claims(realProtocol, isDeep ? "usual" : "short", ({ world }) => {
    it(world.name, { timeout }, () => expect(findFalseMerge(world)).toBeUndefined());
  });
});
