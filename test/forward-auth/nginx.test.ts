import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import type { CookieJar } from "../support/cookie-jar.ts";
import { PACKAGE_TEST_TIMEOUT_MS, requireProgram } from "../support/debian-package.ts";
import {
  expectAmbiguousPathsRefused,
  expectOnlyPreflightsPassed,
  expectOriginsOfHandshakesChecked,
  expectPreflightsRefused,
} from "./asked.ts";
import { expiredCookies } from "./expired-cookies.ts";
import { documentedFiles, openWorldBehind, replaced } from "./proxy.ts";
import type { World } from "./world.ts";

const NGINX = { debianPackage: "nginx", path: "/usr/sbin/nginx", variable: "NGINX" };
const IDENTITY = ["x-auth-subject", "x-auth-roles", "x-auth-session", "x-auth-client", "x-auth-scope"];

let running: Promise<World> | undefined;

/** The one world of this file, behind a real nginx with the configuration of docs/forward-auth.md. */
function nginxWorld(test: TestContext): Promise<World> {
  running ??= openNginxWorld(requireProgram(test, NGINX));
  return running;
}

afterAll(async () => (await running)?.close());

async function openNginxWorld(program: string, change = (site: string) => site): Promise<World> {
  return openWorldBehind(({ folder, proxy, server, application }) => {
    // Started as root, nginx works as nobody.
    chmodSync(folder, 0o755);
    const files = documentedFiles();
    for (const name of ["latchkey-ask.conf", "latchkey-identity.conf"]) {
      writeFileSync(join(folder, name), files.get(name)!);
    }
    for (const name of ["latchkey-preflight.conf"]) writeFileSync(join(folder, name), files.get(name)!);
    let site = change(files.get("latchkey.conf")!);
    site = replaced(site, "listen 80;", `listen 127.0.0.1:${proxy.port};\n${NAIVE_LOCATION}`);
    site = replaced(site, "server 127.0.0.1:4000;", `server ${new URL(server.url).host};`);
    site = replaced(site, "server 127.0.0.1:3000;", `server 127.0.0.1:${application.port};`);
    const configuration = join(folder, "nginx.conf");
    writeFileSync(configuration, `${SURROUNDINGS}\nhttp {\n${TEMPORARY_PATHS}\n${site}}\n`);
    return { program, args: ["-p", folder, "-c", configuration] };
  });
}

const SURROUNDINGS = "daemon off;\npid nginx.pid;\nerror_log stderr warn;\nworker_processes 2;\nevents {}";
const TEMPORARY_PATHS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
  .map((kind) => `${kind}_temp_path ${kind}_temp;`)
  .concat("access_log off;")
  .join("\n");
/** What the page says does not work: taking the cookies from Set-Cookie. */
const NAIVE_LOCATION = `
    location /naive {
        auth_request /_latchkey;
        auth_request_set $naive $upstream_http_set_cookie;
        add_header Set-Cookie $naive;
        proxy_pass http://application;
    }`;

const latchkeyCookies = (response: Response) =>
  response.headers.getSetCookie().filter((line) => line.startsWith("latchkey-"));

describe("nginx with the configuration of docs/forward-auth.md", { timeout: PACKAGE_TEST_TIMEOUT_MS }, () => {
  it("answers 401 without a token, or with a bad one, passes the challenge on, and does not ask the application", async (test) => {
    const { ask } = await nginxWorld(test);
    const none = await ask("/orders");
    expect([none.response.status, none.seen]).toEqual([401, undefined]);
    expect(none.response.headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
    for (const authorization of ["Bearer garbage", "Bearer ", `Bearer lkr_${"A".repeat(100)}`]) {
      const bad = await ask("/orders", { headers: { authorization } });
      expect([authorization, bad.response.status, bad.seen]).toEqual([authorization, 401, undefined]);
      expect(bad.response.headers.get("www-authenticate")).toContain('error="invalid_token"');
    }
  });

  it("lets a bearer token through and tells the application who it is", async (test) => {
    const { ask, bearer } = await nginxWorld(test);
    const { response, seen } = await ask("/orders?page=2", { headers: await bearer("root") });
    expect([response.status, await response.text(), seen?.url]).toEqual([200, "the application", "/orders?page=2"]);
    expect(seen?.headers).toMatchObject({
      "x-auth-subject": expect.stringMatching(/^[\w-]{22,36}$/),
      "x-auth-roles": "admin",
      "x-auth-session": expect.stringMatching(/^[\w-]{22}$/),
      "x-auth-client": "first-party",
    });
    expect(seen?.headers).not.toHaveProperty("x-auth-scope");
  });

  it("lets no identity that the client has written himself reach the application, in whatever spelling", async (test) => {
    const { ask, bearer } = await nginxWorld(test);
    const authorization = await bearer("ada");
    const honest = await ask("/orders", { headers: authorization });
    const names = [
      ...IDENTITY,
      ...IDENTITY.map((name) => name.toUpperCase()),
      ...IDENTITY.map((name) => name.replaceAll("-", "_")),
    ];
    for (const name of names) {
      const { response, seen } = await ask("/orders", { headers: { ...authorization, [name]: "admin" } });
      expect([name, response.status]).toEqual([name, 200]);
      const told = (asked: typeof seen) => IDENTITY.map((header) => asked?.headers[header]);
      expect([name, told(seen)]).toEqual([name, told(honest.seen)]);
      expect(seen?.rawNames.filter((raw) => /^x[-_]auth/i.test(raw)).length).toBe(3);
    }
    expect(honest.seen?.headers["x-auth-roles"]).toBeUndefined();
  });

  it("refuses a session at once that has been logged out, by token and by cookie", async (test) => {
    const { ask, bearer, cookies, proxy } = await nginxWorld(test);
    const authorization = await bearer("ada");
    expect((await ask("/orders", { headers: authorization })).response.status).toBe(200);
    await fetch(`${proxy.url}/auth/logout`, { method: "POST", headers: authorization });
    const { response, seen } = await ask("/orders", { headers: authorization });
    expect([response.status, seen]).toEqual([401, undefined]);
    expect(response.headers.get("www-authenticate")).toContain("session_revoked");

    const jar = await cookies("ada");
    await fetch(`${proxy.url}/auth/logout`, {
      method: "POST",
      headers: { ...jar.header(), "x-csrf-token": jar.get("csrf") },
    });
    for (const left of [jar.copy(), jar.copy().drop("access")]) {
      const after = await ask("/orders", { headers: left.header() });
      expect([after.response.status, after.seen, latchkeyCookies(after.response)]).toEqual([401, undefined, []]);
    }
  });

  it("takes cookies, and sets none while they are good", async (test) => {
    const { ask, cookies } = await nginxWorld(test);
    const jar = await cookies("root");
    const { response, seen } = await ask("/orders", { headers: jar.header() });
    expect([response.status, seen?.headers["x-auth-roles"]]).toEqual([200, "admin"]);
    expect(response.headers.getSetCookie()).toEqual(["application=1; Path=/"]);
    expect(response.headers.get("cache-control")).toBe("public, max-age=60");
  });

  it("PARITY 31: an expired access cookie is renewed at once, beside the application's own cookies, and nothing is stored", async (test) => {
    const { ask, cookies } = await nginxWorld(test);
    const jar = (await cookies("ada")).drop("access");
    const { response, seen } = await ask("/orders", { headers: jar.header() });
    expect([response.status, seen?.headers["x-auth-client"]]).toEqual([200, "first-party"]);
    expect(response.headers.getSetCookie().map((line) => line.split("=")[0])).toEqual([
      "application",
      "latchkey-access",
      "latchkey-refresh",
      "latchkey-csrf",
    ]);
    expect(latchkeyCookies(response).every((line) => line.includes("; Path=/"))).toBe(true);
    expect(response.headers.get("cache-control")).toContain("no-store");
    expect([...response.headers.keys()].filter((name) => name.startsWith("x-auth"))).toEqual([]);
    const renewed = jar.copy().take(response.headers);
    expect(renewed.get("refresh")).not.toBe(jar.get("refresh"));
    const after = await ask("/orders", { headers: renewed.drop("refresh").header() });
    expect([after.response.status, latchkeyCookies(after.response)]).toEqual([200, []]);
  });

  it("sets no cookies on the application's own errors, and the next request renews them", async (test) => {
    const { ask, cookies } = await nginxWorld(test);
    const jar = (await cookies("ada")).drop("access");
    const missing = await ask("/missing", { headers: jar.header() });
    expect([missing.response.status, latchkeyCookies(missing.response)]).toEqual([404, []]);
    const next = await ask("/orders", { headers: jar.header() });
    expect([next.response.status, latchkeyCookies(next.response).length]).toEqual([200, 3]);
  });

  it("PARITY 32: six parallel requests with expired access cookies are six 200 and one rotation", async (test) => {
    const world = await nginxWorld(test);
    const jar = await expiredCookies(world, "ada");
    const before = await world.refreshes();
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => world.ask(`/orders/${index}`, { headers: jar.header() })),
    );
    expect(answers.map(({ response }) => response.status)).toEqual(Array(6).fill(200));
    const jars = answers.map(({ response }) => jar.copy().take(response.headers));
    expect(new Set(jars.map((one) => one.get("refresh"))).size).toBe(1);
    expect(jars[0]!.get("refresh")).not.toBe(jar.get("refresh"));
    const after = await world.refreshes();
    expect([after.advance! - before.advance!, after.repeat! - before.repeat!]).toEqual([1, 5]);
  });

  it("passes the largest answer on: the most and longest roles, and new cookies for them", async (test) => {
    const { ask, cookies } = await nginxWorld(test);
    const jar = (await cookies("grace")).drop("access");
    const { response, seen } = await ask("/orders", { headers: jar.header() });
    expect([response.status, String(seen?.headers["x-auth-roles"]).split(",").length]).toEqual([200, 32]);
    const lines = latchkeyCookies(response);
    expect(lines.length).toBe(3);
    expect(lines[0]!.length).toBeGreaterThan(3400);
  });

  it("asks for the CSRF token where a cookie authenticates a POST, whatever method the client claims", async (test) => {
    const { ask, cookies, proxy } = await nginxWorld(test);
    const jar = await cookies("ada");
    const post = async (headers: Record<string, string>, from: CookieJar = jar) => {
      const body = JSON.stringify({ amount: 1 });
      const sent = { "content-type": "application/json", ...from.header(), ...headers };
      const { response, seen } = await ask("/orders", { method: "POST", headers: sent, body });
      return [response.status, seen?.body];
    };
    const proof = { "x-csrf-token": jar.get("csrf") };
    const passed = [200, '{"amount":1}'];
    const refused = [403, undefined];
    expect(await post(proof)).toEqual(passed);
    expect(await post({ ...proof, origin: proxy.url })).toEqual(passed);
    expect(await post({})).toEqual(refused);
    expect(await post({ "x-csrf-token": (await cookies("root")).get("csrf") })).toEqual(refused);
    expect(await post({ ...proof, origin: "https://evil.example" })).toEqual(refused);
    expect(await post({ ...proof, "sec-fetch-site": "cross-site" })).toEqual(refused);
    for (const name of ["x-original-method", "x-forwarded-method", "x-http-method-override"]) {
      expect([name, await post({ [name]: "GET" })]).toEqual([name, refused]);
    }
    expect(await post({}, jar.copy().drop("access"))).toEqual(refused);
  });

  it("asks for no CSRF token of a bearer token, nor of a GET", async (test) => {
    const { ask, bearer, cookies } = await nginxWorld(test);
    const deleted = await ask("/orders/1", { method: "DELETE", headers: await bearer("ada") });
    expect([deleted.response.status, deleted.seen?.method]).toEqual([200, "DELETE"]);
    const jar = await cookies("ada");
    const got = await ask("/orders", { headers: { ...jar.header(), "sec-fetch-site": "cross-site" } });
    expect(got.response.status).toBe(200);
  });

  it("asks for the role where the location does: 403, in every spelling of the path that nginx takes for it", async (test) => {
    const { ask, bearer } = await nginxWorld(test);
    const [ada, root] = [await bearer("ada"), await bearer("root")];
    for (const path of [
      "/admin",
      "/admin/",
      "/admin/users",
      "/ADMIN/users",
      "/%61dmin/users",
      "//admin/users",
      "/admin%2Fusers",
    ]) {
      const refused = await ask(path, { headers: ada });
      expect([path, refused.response.status, refused.seen]).toEqual([path, 403, undefined]);
      expect([path, (await ask(path, { headers: root })).response.status]).toEqual([path, 200]);
    }
    expect((await ask("/administration", { headers: ada })).response.status).toBe(200);
  });

  it("knows a WebSocket handshake though nginx drops Upgrade as it asks, and checks its origin", async (test) => {
    await expectOriginsOfHandshakesChecked(await nginxWorld(test));
  });

  it("refuses paths that the application could read as others, such as /admin;x", async (test) => {
    await expectAmbiguousPathsRefused(await nginxWorld(test));
  });

  it("asks for the role wherever a path begins with /admin and is no longer word", async (test) => {
    const { askRaw, bearer } = await nginxWorld(test);
    const headers = await bearer("ada");
    for (const path of ["/admin.json", "/admin%20", "/admin~", "/admin,x", "/admin:x"]) {
      expect([path, (await askRaw(path, { headers })).status]).toEqual([path, 403]);
    }
    for (const path of ["/admins", "/admin-guide", "/administration"]) {
      expect([path, (await askRaw(path, { headers })).status]).toEqual([path, 200]);
    }
  });

  it("refuses preflights, and with the documented lines passes them alone, without an identity", async (test) => {
    await expectPreflightsRefused(await nginxWorld(test));
    const map = documentedFiles().get("latchkey-preflight-map.conf")!;
    const world = await openNginxWorld(
      requireProgram(test, NGINX),
      (site) =>
        map + replaced(site, "location = /_latchkey {", "location = /_latchkey {\n include latchkey-preflight.conf;"),
    );
    onTestFinished(() => world.close());
    await expectOnlyPreflightsPassed(world);
  });

  it("takes nothing from the client's own query string, neither a token nor a role", async (test) => {
    const { ask, bearer } = await nginxWorld(test);
    const { authorization } = await bearer("ada");
    const token = authorization.slice("Bearer ".length);
    expect((await ask(`/orders?access_token=${token}`)).response.status).toBe(401);
    expect((await ask("/admin/users?role=ada", { headers: { authorization } })).response.status).toBe(403);
    expect((await ask("/orders?role=admin&x=1", { headers: { authorization } })).response.status).toBe(200);
  });

  it("shows its own questions to nobody, so that no script reads the cookies there", async (test) => {
    const { ask, cookies } = await nginxWorld(test);
    const jar = (await cookies("ada")).drop("access");
    for (const path of [
      "/auth/verify",
      "/auth/verify?role=admin",
      "/auth//verify",
      "/auth/%76erify",
      "/_latchkey",
      "/_latchkey/admin",
    ]) {
      const headers = { ...jar.header(), "sec-latchkey-set-cookie": "separate" };
      const { response } = await ask(path, { headers });
      expect([path, response.status, response.headers.getSetCookie()]).toEqual([path, 404, []]);
    }
  });

  it("would pass on no three cookies from Set-Cookie, which is why they come one by one", async (test) => {
    const { ask, cookies } = await nginxWorld(test);
    const jar = (await cookies("ada")).drop("access");
    const { response } = await ask("/naive", { headers: jar.header() });
    expect([response.status, latchkeyCookies(response).length]).toEqual([200, 1]);
  });

  it("lets nobody through while Latchkey is away: an error of nginx's, and the application is not asked", async (test) => {
    const world = await openNginxWorld(requireProgram(test, NGINX));
    onTestFinished(() => world.close());
    const { ask, bearer, cookies, server } = world;
    const authorization = await bearer("root");
    const jar = await cookies("root");
    expect((await ask("/orders", { headers: authorization })).response.status).toBe(200);
    await server.kill();
    for (const headers of [{}, authorization, jar.header(), { ...authorization, "x-auth-subject": "root" }]) {
      for (const path of ["/orders", "/admin/users"]) {
        const { response, seen } = await ask(path, { headers });
        expect([path, response.status, seen]).toEqual([path, 500, undefined]);
      }
    }
  });
});
