import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { fillDatabase } from "../../bench/harness/latchkey.mjs";
import { createBenchPostgres } from "../../bench/harness/postgres.mjs";
import { countRows } from "../../bench/harness/row-counts.mjs";
import { createIssuer } from "../../src/issuer.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";

const secret = "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM";

it.each(["SQLite", "PostgreSQL"])(
  "%s is filled with sessions of as many people, and the sampled refresh tokens are good",
  async (kind) => {
    const folder = mkdtempSync(join(tmpdir(), "latchkey-bench-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const postgres = createBenchPostgres();
    onTestFinished(() => postgres.remove());
    const database = kind === "SQLite" ? join(folder, "latchkey.db") : await postgres.createDatabase();
    const tokensFile = join(folder, "tokens.json");

    const bytes = await fillDatabase({ database, secret, sessions: 500, sample: 20, tokensFile });

    expect(bytes.sessions).toBeGreaterThan(500 * 100);
    expect(await countRows(database, postgres)).toEqual({ sessions: 500, revocations: 0 });
    const tokens: string[] = JSON.parse(readFileSync(tokensFile, "utf8"));
    expect(new Set(tokens).size).toBe(20);
    const store = await (kind === "SQLite" ? createSqliteStore(database) : createPostgresStore(database));
    const issuer = await createIssuer({ issuer: "http://127.0.0.1:4000", secret, store });
    onTestFinished(() => issuer.close());
    expect((await issuer.metrics()).store).toMatchObject({ users: 500, liveSessions: 500 });
    const pairs = await Promise.all(tokens.map((token) => issuer.refresh(token)));
    expect(new Set(pairs.map(({ sessionId }) => sessionId)).size).toBe(20);
  },
  60_000,
);
