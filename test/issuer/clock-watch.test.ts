import { expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer, type LatchkeyEvent } from "../../src/index.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { ISSUER, SECRET } from "../support/test-bed.ts";

const world = postgresWorld();

/** What an issuer says of clocks as it opens, with one that is ahead of this machine's. */
async function saidWith(aheadSeconds: number, leewaySeconds = 5): Promise<readonly LatchkeyEvent[]> {
  const events: LatchkeyEvent[] = [];
  const clock = { now: () => systemEnvironment.clock.now() + aheadSeconds * 1000 };
  const issuer = await createIssuer({
    issuer: ISSUER,
    secret: SECRET,
    store: await world.open(),
    environment: { ...systemEnvironment, clock },
    leewaySeconds,
    onEvent: (event) => events.push(event),
  });
  await issuer.close();
  return events.filter(({ type }) => type === "clock.differs");
}

it("SECURITY 116: a clock that is five minutes off the database's, either way, is alarmed", async () => {
  expect(await saidWith(300)).toMatchObject([{ aheadSeconds: 300 }]);
  expect(await saidWith(-300)).toMatchObject([{ aheadSeconds: -300 }]);
});

it("a clock that differs by less than the leeway is not", async () => {
  expect(await saidWith(0)).toEqual([]);
  expect(await saidWith(20, 60)).toEqual([]);
  expect(await saidWith(20)).toHaveLength(1);
});
