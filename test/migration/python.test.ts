import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import * as node from "../../src/adapters/node.ts";
import { systemEnvironment } from "../../src/environment.ts";
import type { CookieOptions, Guard, GuardOptions, HandlerOptions, Issuer, IssuerOptions } from "../../src/index.ts";
import * as latchkey from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite.ts";
import * as verify from "../../src/verify.ts";
import { createTestClock, ISSUER, SECRET } from "../harness.ts";
import { programOf } from "./program-of.ts";
import { PYTHON_SECRET, pythonMethods, pythonSettings, pythonTokens } from "./python-names.ts";

interface PythonApp {
  readonly secret: string;
  isBlocked(jti: string): Promise<boolean>;
  rolesOf(subjects: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
}
interface Program {
  startServer(
    app: PythonApp,
    port: number,
    options: Omit<IssuerOptions, "foreignRefreshTokens" | "subjects">,
  ): Promise<{ issuer: Issuer; server: Server }>;
}

const PAGE = "docs/migrate/python.md";
const { startServer } = await programOf<Program>(PAGE);
const running: { issuer: Issuer; server: Server }[] = [];
afterEach(async () => {
  for (const { issuer, server } of running.splice(0)) {
    issuer.revocationFeed.close();
    server.closeAllConnections();
    server.close();
    await issuer.close();
  }
});

async function start(app: Partial<PythonApp> = {}) {
  const clock = createTestClock(Date.now());
  const started = await startServer(
    {
      secret: PYTHON_SECRET,
      isBlocked: async () => false,
      rolesOf: async (subjects) => new Map(subjects.map((subject) => [subject, ["editor"]])),
      ...app,
    },
    0,
    {
      issuer: ISSUER,
      secret: SECRET,
      store: await createSqliteStore(":memory:"),
      environment: { ...systemEnvironment, clock },
    },
  );
  running.push(started);
  const url = `http://127.0.0.1:${(started.server.address() as AddressInfo).port}`;
  return {
    ...started,
    clock,
    async refresh(token: string) {
      const response = await fetch(`${url}/auth/refresh`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ refresh_token: token }),
      });
      return (await response.json()) as Record<string, string>;
    },
  };
}

describe("the server of docs/migrate/python.md", () => {
  it.each(Object.entries(pythonTokens))(
    "takes over a session of %s, with its lost answers and its thieves",
    async (_, old) => {
      const { refresh, issuer, clock } = await start();
      const lost = await refresh(old.refresh);
      expect(await issuer.verify(lost.access_token!)).toMatchObject({ sub: "7", roles: ["editor"] });
      expect((await refresh(old.refresh)).refresh_token).toBe(lost.refresh_token);
      clock.advanceSeconds(3600);
      const kept = await refresh(old.refresh);
      await refresh(kept.refresh_token!);
      expect((await refresh(old.refresh)).error).toBe("refresh_token_reused");
      expect(await issuer.listSessions("7")).toEqual([]);
    },
  );

  it.each(Object.entries(pythonTokens))(
    "refuses of %s: access tokens, tokens with another signature, in the blocklist, and of people who are gone",
    async (_, old) => {
      const { refresh } = await start();
      expect((await refresh(old.access)).error).toBe("wrong_token_type");
      expect((await refresh(`${old.refresh.slice(0, -4)}AAAA`)).error).toBe("wrong_token_type");
      expect((await (await start({ secret: "another" })).refresh(old.refresh)).error).toBe("wrong_token_type");
      const { jti } = JSON.parse(Buffer.from(old.refresh.split(".")[1]!, "base64url").toString());
      const blocked = await start({ isBlocked: async (asked) => asked === jti });
      expect((await blocked.refresh(old.refresh)).error).toBe("wrong_token_type");
      const gone = await start({ rolesOf: async () => new Map() });
      expect((await gone.refresh(old.refresh)).error).toBe("session_revoked");
      const away = await start({ isBlocked: () => Promise.reject(new Error("away")) });
      expect((await away.refresh(old.refresh)).error).toBe("store_unavailable");
    },
  );
});

// That these are all names, and all of them names, the compiler sees to.
const issuerOptions: Record<keyof IssuerOptions, true> = {
  issuer: true,
  secret: true,
  previousSecret: true,
  store: true,
  audience: true,
  signingAlg: true,
  accessTtlSeconds: true,
  sessionTtlSeconds: true,
  idleTtlSeconds: true,
  rotationGraceSeconds: true,
  leewaySeconds: true,
  revokeReplacedAccessTokens: true,
  keyRotationSeconds: true,
  jwksMaxAgeSeconds: true,
  registration: true,
  passwordMinLength: true,
  sessionsPerUser: true,
  sessionRefreshesPerMinute: true,
  registrationsPerHour: true,
  cookies: true,
  dpopNonce: true,
  subjects: true,
  foreignRefreshTokens: true,
  onEvent: true,
  environment: true,
};
const cookieOptions: Record<keyof CookieOptions, true> = { name: true, sameSite: true };
const guardOptions = {
  locations: true,
  optional: true,
  freshForSeconds: true,
  role: true,
  scope: true,
  policy: true,
  action: true,
  isRevoked: true,
  loadUser: true,
  implicitRefresh: true,
} satisfies Partial<Record<keyof GuardOptions<unknown>, true>>;
const guardMethods = { admit: true, protect: true } satisfies Partial<Record<keyof Guard, true>>;
const handlerOptions = { passwordGrant: true } satisfies Partial<Record<keyof HandlerOptions, true>>;
const issuerMethods = {
  issue: true,
  login: true,
  refresh: true,
  verify: true,
  reauthenticate: true,
  logout: true,
  logoutAll: true,
  revokeSession: true,
  listSessions: true,
  csrfToken: true,
} satisfies Partial<Record<keyof Issuer, true>>;
const issueRequest = { subject: true, claims: true } satisfies Partial<Record<keyof latchkey.IssueRequest, true>>;
const verifierOptions = { algorithms: true } satisfies Partial<Record<keyof verify.VerifierOptions, true>>;

const names = new Set([
  ...[issuerOptions, cookieOptions, guardOptions, guardMethods, handlerOptions, issuerMethods].flatMap(Object.keys),
  ...[issueRequest, verifierOptions, latchkey, node, verify].flatMap(Object.keys),
]);
/** What is no name of the library's but stands on the wire, or is somebody else's. */
const others = new Set([
  ...["ES256", "iat", "sub", "auth.sub", "auth.jti", "none", "access_token", "refresh_token", "csrf_token"],
  ...["{error, error_description}", "X-CSRF-Token", "Authorization: Bearer", "admin:*", "/", '"transport": "cookie"'],
  ...["__Host-NAME-access", "__Host-NAME-refresh", "__Host-NAME-csrf", "__Host-", "request.auth", "latchkey/node"],
  ...["jwt_required(optional=True)"],
]);

/** The rows of both tables: what stands in backticks on the left and on the right, and whose it is. */
const rows = [
  ...readFileSync(new URL(`../../${PAGE}`, import.meta.url), "utf8").matchAll(/^\| (.+) \| ([XFJ ]+) \| (.+) \|$/gm),
].map(([, theirs, of, ours]) => ({
  theirs: inBackticks(theirs!),
  of: of!.split(" "),
  ours: inBackticks(ours!),
}));

function inBackticks(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

describe("the tables of docs/migrate/python.md", () => {
  it.each(["X", "F", "J"] as const)(
    "say something of every setting and every method of %s, once, and of no other",
    (of) => {
      const listed = rows.filter((row) => row.of.includes(of)).flatMap(({ theirs }) => theirs);
      expect(listed.filter((name) => name.startsWith("JWT_")).toSorted()).toEqual(pythonSettings[of].toSorted());
      const missing = pythonMethods[of].filter((name) => !listed.includes(name));
      expect(missing).toEqual([]);
    },
  );

  it("name on Latchkey's side only what there is", async () => {
    const { issuer } = await start();
    const routes = Object.keys((await openApi(issuer)).paths);
    const unknown = rows
      .flatMap(({ ours }) => ours)
      .filter((name) => !names.has(name) && !others.has(name))
      .filter((name) => !routes.includes(name.replace(/^(GET|POST|DELETE) /, "")));
    expect(unknown).toEqual([]);
    expect(rows.length).toBeGreaterThan(60);
  });
});

async function openApi(issuer: Issuer): Promise<{ paths: object }> {
  const response = await latchkey.createHandler(issuer).fetch(new Request(`${ISSUER}/openapi.json`));
  return (await response.json()) as { paths: object };
}
