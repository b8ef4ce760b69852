import { readFileSync } from "node:fs";
import type { Express } from "express";
import Database from "libsql";
import { afterEach, describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import type { Issuer, IssuerOptions, LatchkeyEvent } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { serve } from "../adapters/contract.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { Browser } from "../support/signed-in-browser.ts";
import { createTestClock, ISSUER, SECRET } from "../support/test-bed.ts";
import { createHandMadeApp, OLD_SECRET, type OldTransport } from "./hand-made-app.ts";
import { inBackticks, unknownNames } from "./known-names.ts";
import { programOf } from "./program-of.ts";

interface Program {
  createApp(
    db: Database.Database,
    oldSecret: string,
    options: Omit<IssuerOptions, "foreignRefreshTokens" | "subjects">,
  ): Promise<{ app: Express; issuer: Issuer }>;
}

const { createApp } = await programOf<Program>("docs/migrate/jsonwebtoken.md");
const open: Issuer[] = [];
afterEach(async () => {
  for (const issuer of open.splice(0)) await issuer.close();
});

interface Client {
  readonly id: string;
  accessToken: string;
  refreshToken: string;
}

/** The old app with people in it, and the way to replace it by the one on the page. */
async function startOld() {
  const db = new Database(":memory:");
  const oldUrl = await serve(createHandMadeApp(db));

  async function signIn(id: string, transport: OldTransport = "body", at = new Browser(oldUrl)) {
    db.prepare("INSERT OR IGNORE INTO users (id, role) VALUES (?, 'buyer')").run(id);
    const response = await at.fetch("/api/login", json({ userId: id, transport }));
    return { id, ...((await response.json()) as Omit<Client, "id">) };
  }

  async function replace() {
    const clock = createTestClock(Date.now());
    const events: LatchkeyEvent[] = [];
    const { app, issuer } = await createApp(db, OLD_SECRET, {
      issuer: ISSUER,
      secret: SECRET,
      store: await createSqliteStore(":memory:"),
      environment: { ...systemEnvironment, clock },
      onEvent: (event) => events.push(event),
    });
    open.push(issuer);
    return { url: await serve(app), clock, issuer, events };
  }
  return { db, oldUrl, signIn, replace };
}

function json(body: object): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

async function refresh(url: string, refreshToken: string) {
  const response = await fetch(`${url}/api/refresh`, json({ refreshToken }));
  return { status: response.status, body: (await response.json()) as Client & { error?: string } };
}

async function ordersOf(url: string, accessToken: string): Promise<string | number> {
  const response = await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${accessToken}` } });
  return response.ok ? ((await response.json()) as { of: string }).of : response.status;
}

describe("docs/migrate/jsonwebtoken.md", () => {
  it("moves fifty signed-in people under lost answers and parallel refreshes, and logs nobody out", async () => {
    const below = seededRandom(20_261_121);
    const chance = (probability: number) => below(1000) < probability * 1000;
    const old = await startOld();
    const clients: Client[] = [];
    for (let nth = 0; nth < 50; nth++) {
      const client: Client = await old.signIn(`person ${nth}`);
      for (let rotation = nth % 4; rotation > 0; rotation--) {
        const { body } = await refresh(old.oldUrl, client.refreshToken);
        // The last answer of the old app is lost to some: it would have logged them out.
        if (rotation > 1 || chance(0.7)) Object.assign(client, body);
      }
      clients.push(client);
    }

    const { url, clock, issuer, events } = await old.replace();
    expect(events.filter(({ type }) => type === "session.adopted")).toHaveLength(50);
    for (const { id, accessToken } of clients) expect(await ordersOf(url, accessToken)).toBe(id);

    const refusals: unknown[] = [];
    for (let round = 0; round < 6; round++) {
      await Promise.all(
        clients.map(async (client) => {
          const tabs = chance(0.5) ? 3 : 1;
          const answers = await Promise.all(Array.from({ length: tabs }, () => refresh(url, client.refreshToken)));
          refusals.push(...answers.filter(({ status }) => status !== 200));
          expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
          if (chance(0.7)) Object.assign(client, answers[0]!.body);
        }),
      );
      clock.advanceSeconds(chance(0.5) ? 3 : 3 * 3600);
    }
    expect(refusals).toEqual([]);
    for (const client of clients) {
      const { body } = await refresh(url, client.refreshToken);
      expect(await ordersOf(url, body.accessToken)).toBe(client.id);
      expect(await issuer.sessions.list(client.id)).toHaveLength(1);
    }
    expect(events.filter(({ type }) => type === "refresh_token.reused" || type === "session.revoked")).toEqual([]);
  });

  it.each(["owner", "thief"])(
    "finds somebody with a copied old token when the %s is first to use it",
    async (first) => {
      const old = await startOld();
      const owner = await old.signIn("ada");
      const thief = { ...owner };
      const { url, clock, issuer } = await old.replace();
      const order = first === "owner" ? [owner, thief] : [thief, owner];
      const answers: string[] = [];
      for (let turn = 0; turn < 4 && !answers.includes("refresh_token_reused"); turn++) {
        const { body } = await refresh(url, order[turn % 2]!.refreshToken);
        answers.push(body.error ?? "answered");
        Object.assign(order[turn % 2]!, body);
        clock.advanceSeconds(900);
      }
      expect(answers.at(-1)).toBe("refresh_token_reused");
      expect(await issuer.sessions.list("ada")).toEqual([]);
      for (const { refreshToken } of order) expect((await refresh(url, refreshToken)).status).toBe(401);
    },
  );

  it("refuses what the old app had ended: who logged out, who was disabled, and tokens that were replaced long ago", async () => {
    const old = await startOld();
    const [out, disabled, long] = [await old.signIn("out"), await old.signIn("disabled"), await old.signIn("long")];
    await fetch(`${old.oldUrl}/api/logout`, json({ refreshToken: out.refreshToken }));
    old.db.exec("UPDATE users SET disabled = 1 WHERE id = 'disabled'");
    const second = (await refresh(old.oldUrl, long.refreshToken)).body;
    const third = (await refresh(old.oldUrl, second.refreshToken)).body;
    const { url } = await old.replace();
    expect((await refresh(url, out.refreshToken)).body.error).toBe("invalid_refresh_token");
    expect((await refresh(url, disabled.refreshToken)).body.error).toBe("session_revoked");
    expect((await refresh(url, long.refreshToken)).body.error).toBe("invalid_refresh_token");
    expect((await refresh(url, second.refreshToken)).status).toBe(200);
    expect((await refresh(url, third.refreshToken)).status).toBe(200);
    expect((await refresh(url, "guess")).status).toBe(401);
  });

  it("moves browsers from the old cookie to Latchkey's, six requests at once, and takes the old one away", async () => {
    const old = await startOld();
    const browser = new Browser(old.oldUrl);
    await old.signIn("ada", "cookie", browser);
    const { url, issuer } = await old.replace();
    const moved = new Browser(url);
    for (const [name, value] of browser.cookies) moved.cookies.set(name, value);
    expect([...moved.cookies.keys()]).toEqual(["refreshToken"]);
    const six = await Promise.all(Array.from({ length: 6 }, () => moved.fetch("/api/refresh", { method: "POST" })));
    expect(six.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect([...moved.cookies.keys()].toSorted()).toEqual(["latchkey-access", "latchkey-csrf", "latchkey-refresh"]);
    expect(await six[0]!.json()).toEqual({ expiresIn: 900 });

    moved.dropAccessCookie();
    expect(await (await moved.fetch("/orders")).json()).toEqual({ of: "ada" });
    const renewed = await moved.fetch("/auth/refresh", {
      method: "POST",
      headers: { "x-csrf-token": moved.named("csrf") },
    });
    expect(renewed.status).toBe(200);
    expect(await issuer.sessions.list("ada")).toHaveLength(1);
  });

  it("takes an old access token for nothing once its secret is another's", async () => {
    const old = await startOld();
    const { accessToken } = await old.signIn("ada");
    const { url } = await old.replace();
    const [header, , signature] = accessToken.split(".");
    const forged = Buffer.from(JSON.stringify({ sub: "eve", exp: 9_999_999_999 })).toString("base64url");
    expect(await ordersOf(url, `${header}.${forged}.${signature}`)).toBe(401);
    expect(await ordersOf(url, "")).toBe(401);
  });

  it("names on Latchkey's side of its first table only what there is", async () => {
    const page = readFileSync(new URL("../../docs/migrate/jsonwebtoken.md", import.meta.url), "utf8");
    const [table] = page.split("\n## ");
    const ours = [...table!.matchAll(/^\| .+ \| (.+) \|$/gm)].flatMap(([, cell]) => inBackticks(cell!));
    expect(ours.length).toBeGreaterThan(7);
    expect(await unknownNames(ours)).toEqual([]);
  });
});
