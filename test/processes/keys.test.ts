import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer, type Issuer } from "../../src/index.ts";
import { createPostgresStore } from "../../src/store/postgres.ts";
import { PASSWORD } from "../server-process.ts";
import { ISSUER, newDatabase, start, withPostgres } from "./two-servers.ts";

withPostgres();

async function kidsOf(url: string): Promise<readonly string[]> {
  const { keys } = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
  return keys.map(({ kid }) => kid).sort();
}

function kidOf(accessToken: string): string {
  return JSON.parse(Buffer.from(accessToken.split(".")[0]!, "base64url").toString()).kid;
}

const START = Date.now();

/** A minute of it is a second. */
function fastClock(aheadSeconds: number) {
  return { now: () => START + aheadSeconds * 1000 + (Date.now() - START) * 60 };
}

async function openIssuer(url: string, aheadSeconds: number): Promise<Issuer> {
  return createIssuer({
    issuer: ISSUER,
    secret: "Yq3mB8xW1nR6tKz0uHc5jLp2dVs9eGa7iTfQoXy4CMw",
    store: await createPostgresStore(url),
    environment: { ...systemEnvironment, clock: fastClock(aheadSeconds) },
    accessTtlSeconds: 60,
    keyRotationSeconds: 60,
    jwksMaxAgeSeconds: 1,
    sessionRefreshesPerMinute: 0,
  });
}

describe("signing keys of several processes", () => {
  it("are one ring, however many processes start at once on an empty database", async () => {
    const { settings, sql } = await newDatabase();
    const servers = await Promise.all(Array.from({ length: 5 }, () => start(settings)));
    const kids = await Promise.all(servers.map(({ url }) => kidsOf(url)));
    expect(kids[0]).toHaveLength(2);
    for (const other of kids) expect(other).toEqual(kids[0]);
    expect(await sql("SELECT kid FROM latchkey.signing_keys")).toHaveLength(2);
  });

  it("that change every second give no 401, though the processes disagree about the newest and their clocks by 3 seconds", async () => {
    const { settings } = await newDatabase();
    const url = settings.LATCHKEY_DATABASE_URL;
    const issuers = [await openIssuer(url, 0), await openIssuer(url, 3)] as const;
    try {
      await issuers[0].users.create({ username: "ada", password: PASSWORD, roles: [] });
      let pair = await issuers[0].login({ username: "ada", password: PASSWORD });
      const signedWith = new Set<string>();
      const recent: { readonly accessToken: string; readonly at: number }[] = [];
      let disagreements = 0;
      let verified = 0;
      const end = performance.now() + 10_000;
      for (let round = 0; performance.now() < end; round++) {
        pair = await issuers[round % 2]!.refresh(pair.refreshToken);
        const { accessToken } = pair;
        signedWith.add(kidOf(accessToken));
        recent.push({ accessToken, at: performance.now() });
        // Half a minute of the clock, so that keys which have retired are asked for too.
        while (performance.now() - recent[0]!.at > 500) recent.shift();
        for (const issuer of issuers) {
          await issuer.verify(accessToken);
          await issuer.verify(recent[0]!.accessToken);
          verified += 2;
        }
        const [one, other] = issuers.map((issuer) => issuer.listKeys().find(({ state }) => state === "current")!.kid);
        if (one !== other) disagreements += 1;
        await wait(2);
      }
      expect(signedWith.size).toBeGreaterThan(5);
      expect(disagreements).toBeGreaterThan(5);
      expect(verified).toBeGreaterThan(1000);
    } finally {
      for (const issuer of issuers) await issuer.close();
    }
  }, 60_000);
});
