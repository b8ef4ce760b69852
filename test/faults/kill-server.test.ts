import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSqliteStore } from "../../src/store/sqlite.ts";
import { addUser, PASSWORD, type ServerProcess, startServer } from "../server-process.ts";

const KILLS = Number(process.env.KILLS ?? 20);
const CLIENTS = 12;

/** The generation that a refresh token carries: bytes 21 to 24. */
function generationOf(refreshToken: string): number {
  return Buffer.from(refreshToken.slice("lkr_".length), "base64url").readUInt32BE(21);
}

/** An honest client: refreshes without a pause, and asks again with the same token when no answer came. */
class Client {
  refreshToken = "";
  sessionId = "";
  acknowledged = 0;
  readonly refusals: string[] = [];

  async login(url: string): Promise<void> {
    this.#take(await post(`${url}/auth/login`, { username: "ada", password: PASSWORD }));
  }

  async refreshUntil(url: string, hasEnded: () => boolean): Promise<void> {
    while (!hasEnded()) {
      const answer = await post(`${url}/auth/refresh`, { refresh_token: this.refreshToken }).catch(() => undefined);
      if (answer === undefined) continue;
      if (answer.status === 200) this.#take(answer);
      else this.refusals.push(`${answer.status} ${answer.body.error}`);
    }
  }

  #take({ status, body }: Awaited<ReturnType<typeof post>>): void {
    if (status !== 200) throw new Error(`${status} ${body.error}`);
    this.refreshToken = body.refresh_token!;
    this.sessionId = body.session_id!;
    this.acknowledged += 1;
  }
}

async function post(url: string, json: unknown): Promise<{ status: number; body: Record<string, string> }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(json),
    signal: AbortSignal.timeout(5000),
  });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

describe("a server that is killed", () => {
  it(`${KILLS} times under refresh load forgets no acknowledged rotation and logs nobody out`, {
    timeout: 30_000 + KILLS * 5000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "latchkey-kill-"));
    const path = join(folder, "latchkey.db");
    const environment = {
      LATCHKEY_DATABASE_URL: `sqlite:${path}`,
      LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0",
    };
    const clients = Array.from({ length: CLIENTS }, () => new Client());
    let server: ServerProcess | undefined;
    try {
      await addUser("ada", environment);
      server = await startServer(environment);
      for (const client of clients) await client.login(server.url);

      for (let kill = 1; kill <= KILLS; kill++) {
        const { url } = server;
        let ended = false;
        const load = clients.map((client) => client.refreshUntil(url, () => ended));
        await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 150));
        await server.kill();
        ended = true;
        await Promise.all(load);

        const store = await createSqliteStore(path);
        for (const { sessionId, refreshToken } of clients) {
          const row = (await store.findSession(sessionId))!;
          expect(row.rotation.pendingTo, `kill ${kill}: the row knows what was acknowledged`).toBeGreaterThanOrEqual(
            generationOf(refreshToken),
          );
          expect(row.revokedAt).toBeNull();
        }
        await store.close();
        server = await startServer(environment);
      }

      const { url } = server;
      for (const client of clients) {
        const answer = await post(`${url}/auth/refresh`, { refresh_token: client.refreshToken });
        expect(answer.status).toBe(200);
        expect(client.refusals).toEqual([]);
      }
      const acknowledged = clients.reduce((sum, client) => sum + client.acknowledged, 0);
      console.log(
        `kill -9: ${KILLS} kills, ${acknowledged} acknowledged rotations by ${CLIENTS} clients, none forgotten, nobody logged out`,
      );
      expect(acknowledged).toBeGreaterThan(KILLS * CLIENTS);
    } finally {
      await server?.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
