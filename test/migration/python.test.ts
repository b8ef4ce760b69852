import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import type { Issuer, IssuerOptions } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { createTestClock, ISSUER, SECRET } from "../support/test-bed.ts";
import { inBackticks, unknownNames } from "./known-names.ts";
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
      expect(await issuer.sessions.list("7")).toEqual([]);
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

/** The rows of both tables: what stands in backticks on the left and on the right, and whose it is. */
const rows = [
  ...readFileSync(new URL(`../../${PAGE}`, import.meta.url), "utf8").matchAll(/^\| (.+) \| ([XFJ ]+) \| (.+) \|$/gm),
].map(([, theirs, of, ours]) => ({
  theirs: inBackticks(theirs!),
  of: of!.split(" "),
  ours: inBackticks(ours!),
}));

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
    expect(await unknownNames(rows.flatMap(({ ours }) => ours))).toEqual([]);
    expect(rows.length).toBeGreaterThan(60);
  });
});
