import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { PACKAGE_TEST_TIMEOUT_MS, requireProgram } from "../support/debian-package.ts";
import {
  expectAmbiguousPathsRefused,
  expectOnlyPreflightsPassed,
  expectOriginsOfHandshakesChecked,
  expectPreflightsRefused,
  UNDERSCORED,
} from "./asked.ts";
import { documentedFiles, openWorldBehind, replaced } from "./proxy.ts";
import type { World } from "./world.ts";

const CADDY = { debianPackage: "caddy", path: "/usr/bin/caddy", variable: "CADDY" };
const IDENTITY = ["x-auth-subject", "x-auth-roles", "x-auth-session", "x-auth-client", "x-auth-scope"];
const GLOBAL_OPTIONS = "{\n\tadmin off\n}\n";

let running: Promise<World> | undefined;

/** The one world of this file, behind a real Caddy with the configuration of docs/forward-auth.md. */
function caddyWorld(test: TestContext): Promise<World> {
  running ??= openCaddyWorld(requireProgram(test, CADDY));
  return running;
}

afterAll(async () => (await running)?.close());

async function openCaddyWorld(program: string, change = (site: string) => site): Promise<World> {
  return openWorldBehind(({ folder, proxy, server, application }) => {
    let site = change(documentedFiles().get("Caddyfile")!);
    site = replaced(site, "http://app.example.com {", `${proxy.url} {`);
    site = replaced(site, "127.0.0.1:4000", new URL(server.url).host);
    site = replaced(site, "127.0.0.1:3000", `127.0.0.1:${application.port}`);
    const configuration = join(folder, "Caddyfile");
    writeFileSync(configuration, GLOBAL_OPTIONS + site);
    return { program, args: ["run", "--config", configuration, "--adapter", "caddyfile"] };
  });
}

describe("Caddy with the configuration of docs/forward-auth.md", { timeout: PACKAGE_TEST_TIMEOUT_MS }, () => {
  it("answers 401 without a token just as Latchkey wrote it, and does not ask the application", async (test) => {
    const { ask } = await caddyWorld(test);
    const { response, seen } = await ask("/orders");
    expect([response.status, seen]).toEqual([401, undefined]);
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
    expect(await response.json()).toMatchObject({ error: "missing_token" });
  });

  it("lets a bearer token through, tells the application who it is, and lets nothing through that the client wrote himself", async (test) => {
    const { ask, bearer } = await caddyWorld(test);
    const authorization = await bearer("ada");
    const honest = await ask("/orders?page=2", { headers: authorization });
    expect([honest.response.status, honest.seen?.url]).toEqual([200, "/orders?page=2"]);
    expect(honest.seen?.headers).toMatchObject({
      "x-auth-subject": expect.stringMatching(/^[\w-]{22,36}$/),
      "x-auth-session": expect.stringMatching(/^[\w-]{22}$/),
      "x-auth-client": "first-party",
    });
    const told = (headers: Readonly<Record<string, unknown>> = {}) =>
      IDENTITY.map((name) => headers[name] || undefined);
    for (const name of [...IDENTITY, ...UNDERSCORED]) {
      const { response, seen } = await ask("/orders", { headers: { ...authorization, [name]: "admin" } });
      expect([name, response.status, told(seen?.headers)]).toEqual([name, 200, told(honest.seen?.headers)]);
      expect(seen?.rawNames.filter((raw) => raw.includes("_"))).toEqual([]);
    }
  });

  it("renews an expired access cookie: served at once, three Set-Cookie lines beside the application's own", async (test) => {
    const { ask, cookies } = await caddyWorld(test);
    const jar = (await cookies("grace")).drop("access");
    const { response, seen } = await ask("/orders", { headers: jar.header() });
    expect([response.status, String(seen?.headers["x-auth-roles"]).split(",").length]).toEqual([200, 32]);
    expect(
      response.headers
        .getSetCookie()
        .map((line) => line.split("=")[0])
        .sort(),
    ).toEqual(["application", "latchkey-access", "latchkey-csrf", "latchkey-refresh"]);
    const renewed = jar.copy().take(response.headers).drop("refresh");
    expect((await ask("/orders", { headers: renewed.header() })).response.status).toBe(200);
  });

  it("asks for the CSRF token where a cookie authenticates a POST, whatever method the client claims, and passes the body on", async (test) => {
    const { ask, cookies } = await caddyWorld(test);
    const jar = await cookies("ada");
    const post = async (headers: Readonly<Record<string, string>>) => {
      const { response, seen } = await ask("/orders", {
        method: "POST",
        headers: { ...jar.header(), ...headers },
        body: "amount=1",
      });
      return [response.status, seen?.method, seen?.body];
    };
    expect(await post({ "x-csrf-token": jar.get("csrf") })).toEqual([200, "POST", "amount=1"]);
    const refused = [403, undefined, undefined];
    expect(await post({})).toEqual(refused);
    for (const name of ["x-original-method", "x-forwarded-method"]) {
      expect([name, await post({ [name]: "GET" })]).toEqual([name, refused]);
    }
  });

  it("checks the origin of a WebSocket handshake", async (test) => {
    await expectOriginsOfHandshakesChecked(await caddyWorld(test));
  });

  it("refuses paths that the application could read as others, such as /admin;x", async (test) => {
    await expectAmbiguousPathsRefused(await caddyWorld(test));
  });

  it("refuses preflights, and with the documented lines passes them alone, without an identity", async (test) => {
    await expectPreflightsRefused(await caddyWorld(test));
    const lines = documentedFiles().get("preflight.caddyfile")!;
    const world = await openCaddyWorld(requireProgram(test, CADDY), (site) =>
      replaced(site, "request_header -X_Auth*\n", `request_header -X_Auth*\n${lines}`),
    );
    onTestFinished(() => world.close());
    await expectOnlyPreflightsPassed(world);
  });

  it("asks for the role where it is told to, and shows its own question to nobody", async (test) => {
    const world = await openCaddyWorld(requireProgram(test, CADDY), (site) =>
      replaced(site, "rewrite /auth/verify?\n", "rewrite /auth/verify?role=admin\n"),
    );
    onTestFinished(() => world.close());
    const { ask, bearer } = world;
    const refused = await ask("/orders", { headers: await bearer("ada") });
    expect([refused.response.status, refused.seen]).toEqual([403, undefined]);
    expect((await ask("/orders?role=x", { headers: await bearer("root") })).response.status).toBe(200);
    for (const query of ["role=editor", "scope=orders:read"]) {
      const { response } = await ask(`/orders?${query}`, { headers: await bearer("ada") });
      expect([query, response.status]).toEqual([query, 403]);
    }
    expect((await ask("/auth/verify", { headers: await bearer("root") })).response.status).toBe(404);
  });

  it("lets nobody through while Latchkey is away", async (test) => {
    const world = await openCaddyWorld(requireProgram(test, CADDY));
    onTestFinished(() => world.close());
    const headers = await world.bearer("root");
    await world.server.kill();
    const { response, seen } = await world.ask("/orders", { headers });
    expect([response.status, seen]).toEqual([502, undefined]);
  });
});
