import { describe, expect, it } from "vitest";
import { type Answer, login, twoServers, type World, withPostgres } from "../support/two-servers.ts";

withPostgres();

/** Of one account and one address. */
const LIMIT = 10;

function guess({ servers }: World, count: number): Promise<readonly Answer[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => login(servers[index % 2]!, "ada", `a wrong password ${index}`)),
  );
}

function count(answers: readonly Answer[], status: number): number {
  return answers.filter((answer) => answer.status === status).length;
}

describe("guessing passwords at two processes", () => {
  it("of 200 parallel guesses no more than the limit of one reach the verifier, and none a moment later at either", async () => {
    const world = await twoServers();
    const answers = await guess(world, 200);
    expect(count(answers, 401)).toBe(LIMIT);
    expect(count(answers, 429)).toBe(200 - LIMIT);
    expect(answers.filter(({ status }) => status === 429).every(({ headers }) => headers.has("retry-after"))).toBe(
      true,
    );
    for (const server of world.servers) expect((await login(server)).status).toBe(429);
  });

  it("a success at one process forgets the failures that the other has counted", async () => {
    const world = await twoServers();
    for (let round = 0; round < 3; round++) {
      expect(count(await guess(world, LIMIT - 1), 401)).toBe(LIMIT - 1);
      expect((await login(world.servers[round % 2]!)).status).toBe(200);
    }
  });

  it("are limited at each process where the shared count cannot be used, and never unlimited", async () => {
    const world = await twoServers();
    await world.sql("DROP TABLE latchkey.attempts");
    const answers = await guess(world, 200);
    expect(count(answers, 401)).toBe(2 * LIMIT);
    expect(count(answers, 429)).toBe(200 - 2 * LIMIT);
  });

  it("counts no refresh in the database: what limits those is each process's own", async () => {
    const world = await twoServers({ LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "5" });
    let token = (await login(world.servers[0])).body.refresh_token;
    const statuses: number[] = [];
    for (let index = 0; index < 14; index++) {
      const response = await fetch(`${world.servers[index % 2]!.url}/auth/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
      });
      statuses.push(response.status);
      if (response.ok) token = ((await response.json()) as { refresh_token: string }).refresh_token;
    }
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(10);
    expect((await world.sql("SELECT key FROM latchkey.attempts WHERE key LIKE '%refresh%'")).length).toBe(0);
  });
});
