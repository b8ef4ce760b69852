import { describe, expect, it } from "vitest";
import type { Protocol } from "./database.ts";
import { rotationPage } from "./documentation.ts";
import { mutants } from "./mutants.ts";
import { claims } from "./proof.ts";
import { walk } from "./walk.ts";

/** A mutant's world may grow without end, and what it breaks shows early. */
const maxStates = 2_500;

describe("a protocol with one rule broken on purpose is caught", () => {
  for (const { breaks, protocol, caughtBy } of mutants) {
    it(`${breaks}: violates property ${caughtBy.replaceAll(" ", " and ")}`, { timeout: 60_000 }, () => {
      const caught = catches(protocol);
      console.log(`rotation mutant: ${breaks}: ${inWords(caught)}`);
      expect([...caught.keys()].sort().join(" ")).toBe(caughtBy);
    });
  }

  it("in as many ways as docs/rotation.md says", () => {
    expect(rotationPage()).toContain(`in ${mutants.length} ways`);
  });
});

/** The walks that find a violation, by the number of the property violated. */
function catches(protocol: Protocol): Map<string, string[]> {
  const caught = new Map<string, string[]>();
  claims(protocol, "short", ({ world, properties }) => {
    for (const { property } of walk(world, properties, { maxStates }).violations) {
      const number = property.charAt(0);
      caught.set(number, [...(caught.get(number) ?? []), world.name]);
    }
  });
  return caught;
}

function inWords(caught: Map<string, string[]>): string {
  const counts = [...caught].sort().map(([property, { length }]) => `${property} in ${length} walks`);
  return `violates property ${counts.join(", ")}; first in: ${[...caught.values()][0]?.[0]}`;
}
