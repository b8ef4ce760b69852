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

/** The first walk that finds a violation, by the number of the property violated. What has been found is not looked for again. */
function catches(protocol: Protocol): Map<string, string> {
  const caught = new Map<string, string>();
  claims(protocol, "short", ({ world, properties }) => {
    const open = properties.filter(({ name }) => !caught.has(name.charAt(0)));
    if (open.length === 0) return;
    for (const { property } of walk(world, open, { maxStates }).violations) caught.set(property.charAt(0), world.name);
  });
  return caught;
}

function inWords(caught: ReadonlyMap<string, string>): string {
  return [...caught]
    .sort()
    .map(([property, world]) => `violates property ${property} in: ${world}`)
    .join("; ");
}
