import { userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { runOnDatabaseOf } from "../support/command-in-process.ts";
import { type InProcessServer, serve } from "../support/server-in-process.ts";

afterEach(() => vi.unstubAllEnvs());

let server: InProcessServer;
beforeEach(async () => {
  server = await serve();
});

const latchkey = (...command: readonly string[]) => runOnDatabaseOf(server.folder, command);

interface Key {
  readonly kid: string;
  readonly state: string;
}

async function keys(): Promise<readonly Key[]> {
  return JSON.parse((await latchkey("key", "list", "--json")).output);
}

async function kidOf(state: string): Promise<string> {
  return (await keys()).find((key) => key.state === state)!.kid;
}

const me = async (token: string) => (await server.get("/auth/me", { authorization: `Bearer ${token}` })).status;

describe("latchkey key remove", () => {
  it("refuses the current key without --yes, says what it would do and to how many sessions, and does nothing", async () => {
    const { body } = await server.signIn("ada");
    await server.signIn("bob");
    const before = await keys();
    const [kid, next] = [await kidOf("current"), await kidOf("next")];
    const { code, output } = await latchkey("key", "remove", kid);
    expect(code).toBe(1);
    expect(output).toContain(`would remove the current key ${kid}`);
    expect(output).toContain("up to 2 live sessions");
    expect(output).toContain(`The next key, ${next}, would sign from then on.`);
    expect(output).toContain("300 s at the latest. Re-run with --yes to proceed.");
    expect(await keys()).toEqual(before);
    expect(await me(body.access_token)).toBe(200);
  });

  it("removes it with --yes, which a running server follows: its tokens are refused, its sessions go on", async () => {
    const { body } = await server.signIn("ada");
    const [kid, next] = [await kidOf("current"), await kidOf("next")];
    const { code, output } = await latchkey("key", "remove", kid, "--yes");
    expect([code, output]).toEqual([
      0,
      expect.stringContaining(`Removed the current key ${kid} (ES256). ${next} (ES256) signs now.`),
    ]);
    await vi.waitFor(async () => expect(await me(body.access_token)).toBe(401), { timeout: 20_000, interval: 200 });
    const jwks = (await server.get("/.well-known/jwks.json")).body.keys.map((key: Key) => key.kid);
    expect(jwks).toContain(next);
    expect(jwks).not.toContain(kid);
    const refreshed = await server.post("/auth/refresh", { refresh_token: body.refresh_token });
    expect(await me(refreshed.body.access_token)).toBe(200);
  });

  it("is in the log of the running server, with the operating-system user", async () => {
    const kid = await kidOf("current");
    const next = await kidOf("next");
    await latchkey("key", "remove", kid, "--yes");
    const actor = expect.stringContaining(userInfo().username);
    const lines = () => server.log.flatMap((text) => text.trim().split("\n")).map((line) => JSON.parse(line));
    await vi.waitFor(
      () =>
        expect(lines()).toEqual(
          expect.arrayContaining([
            expect.objectContaining({ event: "signing_key.removed", kid, actor }),
            expect.objectContaining({ event: "signing_key.rotated", kid: next, actor }),
          ]),
        ),
      { timeout: 10_000 },
    );
  });

  it("removes a key that has signed nothing without asking", async () => {
    const [current, next] = [await kidOf("current"), await kidOf("next")];
    expect((await latchkey("key", "remove", next)).code).toBe(0);
    expect((await keys()).map(({ kid }) => kid)).not.toContain(next);
    expect(await kidOf("current")).toBe(current);
  });

  it.each([["no-such-key"], ["A".repeat(43)], [`-${"A".repeat(42)}`], ["no-such-key", "--yes"]])(
    "says that no signing key has the kid of 'key remove %s'",
    async (...given) => {
      const before = await keys();
      const { code, output } = await latchkey("key", "remove", ...given);
      expect([code, output]).toEqual([
        1,
        "latchkey: No signing key has this kid. 'latchkey key list' shows all of them.\n",
      ]);
      expect(await keys()).toEqual(before);
    },
  );

  it("asks for a kid, and for one alone", async () => {
    expect((await latchkey("key", "remove")).output).toContain("missing required argument 'kid'");
    expect((await latchkey("key", "remove", "one", "another")).output).toContain("too many arguments");
  });

  it("holds no more than one row for each key that is left", async () => {
    await latchkey("key", "remove", await kidOf("current"), "--yes");
    const store = await createSqliteStore(join(server.folder, "latchkey.db"));
    const { keys: stored } = await store.readSigningKeys();
    await store.close();
    expect(stored.map(({ state }) => state).sort()).toEqual(["current", "next"]);
  });
});
