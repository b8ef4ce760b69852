import { readFileSync } from "node:fs";
import type { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import Database from "libsql";
import { afterEach, describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import type { Issuer, IssuerOptions } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { serve } from "../adapters/contract.ts";
import { Browser } from "../support/signed-in-browser.ts";
import { createTestClock, ISSUER, SECRET } from "../support/test-bed.ts";
import { inBackticks, unknownNames } from "./known-names.ts";
import { programOf } from "./program-of.ts";

interface Program {
  createApp(
    db: Database.Database,
    betterAuthSecret: string,
    options: Omit<IssuerOptions, "foreignRefreshTokens">,
  ): Promise<{ issuer: Issuer; fetch(request: Request): Promise<Response> }>;
}

const { createApp } = await programOf<Program>("docs/migrate/better-auth.md");

/** What Better Auth 1.7.12 stored and sent when Ada signed up with this password. */
const recorded = {
  secret: "better-auth-fixture-secret-000000000000",
  password: "ﬁne Pässwörd of Ada",
  userId: "6uEpv1V9hV9gb13uwlwamXrhJaudBnq1",
  sessionId: "7E1tewzIdd2ciurcCxhCv3MteMKGXGXI",
  token: "jk6tbveRmqtcB8R1NXfgZxn6eu3nxDvq",
  hash: "e55a1cd4abd6b0744fccd5abf14de636:7783c4bb79b712c82e6c7ead01277714c3b8e2bd0dd263f9d2fea8d0791ea94c5f0ae54d33e3382a9f427d14c158856e33107e9a23e7fee478776be6b58337d4",
  cookie: "jk6tbveRmqtcB8R1NXfgZxn6eu3nxDvq.6%2BZLG9fNUQJuzkzdm4tqEGE9rA1d7faC2I18vFVxsc0%3D",
};
const OLD_COOKIE = "better-auth.session_token";

const open: Issuer[] = [];
afterEach(async () => {
  for (const issuer of open.splice(0)) await issuer.close();
});

async function start() {
  const clock = createTestClock();
  const at = (days: number) => new Date(clock.now() + days * 86_400_000).toISOString();
  const db = new Database(":memory:");
  db.exec(`
    CREATE TABLE user (id TEXT, name TEXT, email TEXT, emailVerified INTEGER, createdAt TEXT, updatedAt TEXT);
    CREATE TABLE session (id TEXT, token TEXT, userId TEXT, expiresAt TEXT, createdAt TEXT, updatedAt TEXT,
                          ipAddress TEXT, userAgent TEXT);
    CREATE TABLE account (id TEXT, accountId TEXT, providerId TEXT, userId TEXT, password TEXT);`);
  const addUser = db.prepare("INSERT INTO user VALUES (?, '', ?, 0, ?, ?)");
  addUser.run(recorded.userId, "ada@example.com", at(-30), at(-30));
  addUser.run("social-1", "eve@example.com", at(-30), at(-30));
  const addAccount = db.prepare("INSERT INTO account VALUES (?, ?, ?, ?, ?)");
  addAccount.run("a1", recorded.userId, "credential", recorded.userId, recorded.hash);
  addAccount.run("a2", "12345", "github", "social-1", null);
  const addSession = db.prepare("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, '', 'Firefox')");
  addSession.run(recorded.sessionId, recorded.token, recorded.userId, at(6), at(-1), at(-1));
  addSession.run("old", "expired-token", recorded.userId, at(-1), at(-8), at(-8));
  const app = await createApp(db, recorded.secret, {
    issuer: ISSUER,
    secret: SECRET,
    store: await createSqliteStore(":memory:"),
    environment: { ...systemEnvironment, clock },
  });
  open.push(app.issuer);
  const url = await serve(getRequestListener(app.fetch) as Parameters<typeof createServer>[1] & object);
  const browser = new Browser(url);
  browser.cookies.set(OLD_COOKIE, recorded.cookie);
  return { ...app, clock, browser, url };
}

const move = (browser: Browser, headers: Record<string, string> = {}) =>
  browser.fetch("/move", { method: "POST", headers });

describe("docs/migrate/better-auth.md", () => {
  it("moves a browser by the cookie that Better Auth had set, six requests at once, and takes that cookie away", async () => {
    const { browser, issuer } = await start();
    expect(await issuer.sessions.list(recorded.userId)).toMatchObject([{ userAgent: "Firefox" }]);
    const six = await Promise.all(Array.from({ length: 6 }, () => move(browser)));
    expect(six.map(({ status }) => status)).toEqual(Array(6).fill(204));
    expect([...browser.cookies.keys()].toSorted()).toEqual(["latchkey-access", "latchkey-csrf", "latchkey-refresh"]);
    const me = await browser.fetch("/auth/me");
    expect(await me.json()).toMatchObject({ id: recorded.userId, username: "ada@example.com" });
    const refreshed = await browser.fetch("/auth/refresh", {
      method: "POST",
      headers: { "x-csrf-token": browser.named("csrf") },
    });
    expect(refreshed.status).toBe(200);
    expect((await move(browser)).status).toBe(204);
    expect(await issuer.sessions.list(recorded.userId)).toHaveLength(1);
  });

  it("finds a copy of the cookie when it is used after the owner has gone on", async () => {
    const { browser, url, issuer, clock } = await start();
    const thief = new Browser(url);
    thief.cookies.set(OLD_COOKIE, recorded.cookie);
    await move(browser);
    await browser.fetch("/auth/refresh", { method: "POST", headers: { "x-csrf-token": browser.named("csrf") } });
    clock.advanceSeconds(60);
    await move(thief);
    expect([...thief.cookies]).toEqual([]);
    expect(await issuer.sessions.list(recorded.userId)).toEqual([]);
  });

  it("refuses cookies that Better Auth had not signed, whose session had ended, and requests of other sites", async () => {
    const { browser, issuer } = await start();
    for (const cookie of [
      recorded.token,
      `${recorded.token}.`,
      "%",
      `${recorded.cookie.slice(0, -5)}AA%3D`,
      "expired-token.x",
    ]) {
      browser.cookies.set(OLD_COOKIE, cookie);
      expect((await move(browser)).status).toBe(204);
      expect([...browser.cookies]).toEqual([]);
    }
    browser.cookies.set(OLD_COOKIE, recorded.cookie);
    expect((await move(browser, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await browser.fetch("/move")).status).toBe(403);
    expect((await issuer.sessions.list(recorded.userId))[0]?.rotation.confirmed).toBe(0);
  });

  it("signs people in with the passwords they had at Better Auth, and whoever had none by no password", async () => {
    const { issuer } = await start();
    const signIn = (username: string, password: string) =>
      issuer.login({ username, password }).then(({ accessToken }) => issuer.verify(accessToken));
    expect((await signIn("ada@example.com", recorded.password)).sub).toBe(recorded.userId);
    expect((await signIn("Ada@Example.com", recorded.password)).sub).toBe(recorded.userId);
    await expect(signIn("ada@example.com", "another password")).rejects.toMatchObject({ code: "invalid_credentials" });
    await expect(signIn("eve@example.com", "!")).rejects.toMatchObject({ code: "invalid_credentials" });
    expect((await issuer.verify((await issuer.issue({ subject: "social-1" })).accessToken)).sub).toBe("social-1");
  });

  it("ends all sessions of Better Auth with a new password, whether they had moved or not", async () => {
    const { browser, issuer } = await start();
    const { sessionId } = await issuer.users.changePassword({
      userId: recorded.userId,
      currentPassword: recorded.password,
      newPassword: "a quite different passphrase",
    });
    await move(browser);
    expect([...browser.cookies]).toEqual([]);
    expect((await issuer.sessions.list(recorded.userId)).map(({ id }) => id)).toEqual([sessionId]);
  });

  it("names on Latchkey's side of its first table only what there is", async () => {
    const page = readFileSync(new URL("../../docs/migrate/better-auth.md", import.meta.url), "utf8");
    const [table] = page.split("\n## ");
    const ours = [...table!.matchAll(/^\| .+ \| (.+) \|$/gm)].flatMap(([, cell]) => inBackticks(cell!));
    expect(ours.length).toBeGreaterThan(20);
    expect(await unknownNames(ours)).toEqual([]);
  });
});
