import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { times } from "../support/long-run.ts";
import { PASSWORD } from "../support/server-process.ts";
import { reportLoad } from "./figures.ts";
import { createFaultWorld, withSeeded } from "./postgres-faults.ts";
import { nothingWrong } from "./tally.ts";

const postgresServer = withSeeded();
const STEPS = times({ short: 2, long: 10 });
const OFFSET_MS = 5 * 60_000;
/** Longer than a server takes to notice the step, and a thief to be found by waiting. */
const BETWEEN_STEPS_MS = 1300;

it(`two servers whose clocks differ by 5 minutes under load, ${STEPS} times: no logout, and every thief is found`, {
  timeout: 60_000 + STEPS * 10_000,
}, async (test) => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-clocks-"));
  test.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = [join(folder, "one"), join(folder, "two")];
  const set = (sign: number) => {
    writeFileSync(files[0]!, String(sign * OFFSET_MS));
    writeFileSync(files[1]!, String(-sign * OFFSET_MS));
  };
  set(1);
  const preload = new URL("./shifted-clock.mjs", import.meta.url);
  const world = await createFaultWorld(test, postgresServer(), {
    settings: (index) => ({ NODE_OPTIONS: `--import=${preload}`, CLOCK_OFFSET_FILE: files[index]! }),
  });
  const told = await Promise.all(world.servers.urls().map(timeOf));
  expect(Math.abs(told[0]! - told[1]!)).toBeGreaterThan(OFFSET_MS);

  const startedAt = performance.now();
  const load = await world.load();
  for (let step = 1; step <= STEPS; step++) {
    await load.progress(100);
    await wait(BETWEEN_STEPS_MS);
    set((-1) ** step);
    load.markFault();
    await load.compare(world.generations);
  }
  await load.progress(100);
  const summary = await load.stop();
  reportLoad("clocks 5 minutes ahead and behind that change places", STEPS, startedAt, summary);
  expect(summary).toMatchObject(nothingWrong);
  expect(summary.divergencesDetected).toBeGreaterThan(0);
});

/** What a server's clock says, in milliseconds since the Unix epoch: it dates the access tokens that it signs. */
async function timeOf(url: string): Promise<number> {
  const response = await fetch(`${url}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "ada", password: PASSWORD }),
  });
  const { access_token: accessToken } = (await response.json()) as { readonly access_token: string };
  return JSON.parse(Buffer.from(accessToken.split(".")[1]!, "base64url").toString()).iat * 1000;
}
