import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer, type Issuer } from "../../src/index.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { PASSWORD } from "../support/server-process.ts";
import { ISSUER, newDatabase, start, withPostgres } from "../support/two-servers.ts";

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

interface Recent {
  readonly accessToken: string;
  /** Before it was asked for. */
  readonly at: number;
}

/** Verifies each at each. An access token's life is a second, and a machine may stall for longer: that counts for nothing. */
async function countVerified(issuers: readonly Issuer[], tokens: readonly Recent[]): Promise<number> {
  let count = 0;
  for (const issuer of issuers) {
    for (const { accessToken, at } of tokens) {
      const error = await issuer.verify(accessToken).then(
        () => undefined,
        (thrown) => thrown,
      );
      if (error === undefined) count += 1;
      else if (error.code !== "access_token_expired" || performance.now() - at < 900) throw error;
    }
  }
  return count;
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
      const recent: Recent[] = [];
      let disagreements = 0;
      let verified = 0;
      const deadline = performance.now() + 60_000;
      const isShown = () => signedWith.size > 8 && disagreements > 5 && verified > 1000;
      for (let round = 0; !isShown() && performance.now() < deadline; round++) {
        const at = performance.now();
        pair = await issuers[round % 2]!.refresh(pair.refreshToken);
        const { accessToken } = pair;
        signedWith.add(kidOf(accessToken));
        recent.push({ accessToken, at });
        // Half a minute of the clock, so that keys which have retired are asked for too.
        while (recent.length > 1 && performance.now() - recent[0]!.at > 500) recent.shift();
        verified += await countVerified(issuers, [recent.at(-1)!, recent[0]!]);
        const [one, other] = issuers.map((issuer) => issuer.keys.list().find(({ state }) => state === "current")!.kid);
        if (one !== other) disagreements += 1;
        await wait(2);
      }
      expect(signedWith.size).toBeGreaterThan(8);
      expect(disagreements).toBeGreaterThan(5);
      expect(verified).toBeGreaterThan(1000);
    } finally {
      for (const issuer of issuers) await issuer.close();
    }
  });
});
