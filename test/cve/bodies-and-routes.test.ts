import { describe, expect, it } from "vitest";
import { scopeOf, takesAccessToken } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { exchange, requestText } from "../support/raw-socket.ts";
import { methodOf, nameOf, pathOf } from "../support/route-table.ts";
import { setUp as setUpServer } from "../support/socket-server.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";
import { setUp as setUpWorld } from "../support/token-world.ts";

describe("every route", () => {
  it("CVE-2025-27143 Better Auth, SECURITY 90: redirects nobody: no 3xx, no Location, no address of the request's", async () => {
    const world = await setUpWorld();
    const { id } = (await world.store.findUserByUsername("root"))!;
    const names = [
      "redirect",
      "redirect_uri",
      "redirect_to",
      "callbackURL",
      "callback",
      "next",
      "return_to",
      "url",
      "rd",
      "continue",
    ];
    const places = [
      "//evil.example",
      "/\\evil.example",
      "https://127.0.0.1:4000@evil.example",
      "/%2f/evil.example",
      "javascript:alert(evil.example)",
      "https:evil.example",
      "\\/\\/evil.example",
      "/\t/evil.example",
    ];
    for (const route of routes) {
      for (const place of places) {
        const query = new URLSearchParams(names.map((name) => [name, place]));
        const { accessToken } = await world.issuer.issue({ subject: id, scope: scopeOf(route.access) });
        const answer = await world.ask({ ...route, path: `${route.path}?${query}` }, `Bearer ${accessToken}`, {
          "x-forwarded-host": "evil.example",
          "x-original-url": place.replace("\t", ""),
          "x-forwarded-uri": place.replace("\t", ""),
          referer: "https://evil.example/",
        });
        const label = `${nameOf(route)} ${place}`;
        expect([label, answer.status >= 300 && answer.status < 400]).toEqual([label, false]);
        expect([label, answer.headers.has("location"), answer.headers.has("refresh")]).toEqual([label, false, false]);
        expect([label, (answer.text + JSON.stringify([...answer.headers])).includes("evil.example")]).toEqual([
          label,
          false,
        ]);
      }
    }
  });

  it("CVE-2026-44457 Hono: that answers for one person may be stored by nobody, and what may be stored is the same for all", async () => {
    const world = await setUpWorld();
    const [ada, root] = [await world.signIn("ada"), await world.signIn("root")];
    for (const route of routes.filter(({ method }) => method === "get")) {
      const answers = [
        await world.ask(route, undefined, ada.header()),
        await world.ask(route, undefined, root.header()),
        await world.ask(route, undefined),
      ];
      const stored = answers.filter(({ headers }) => headers.get("cache-control") !== "no-store");
      if (takesAccessToken(route.access)) expect([nameOf(route), stored.length]).toEqual([nameOf(route), 0]);
      for (const { text, headers } of stored) {
        expect([nameOf(route), text, headers.getSetCookie()]).toEqual([nameOf(route), answers[0]!.text, []]);
      }
    }
    const me = await Promise.all([ada, root].map((jar) => world.call("GET", "/auth/me", { headers: jar.header() })));
    expect(new Set(me.map(({ body }) => body.username)).size).toBe(2);
  });

  it("CVE-2024-3656 Keycloak: for administrators is 403 to every other role, however alike its name, and changes nothing", async () => {
    const bed = await createTestBed();
    const admin = routes.filter(({ access }) => access === "admin");
    expect(admin.length).toBeGreaterThan(0);
    const roles = ["user", "administrator", "admin:read", "sysadmin", "admin-", "admins", "root", "manage-users"];
    const { id } = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles });
    const { accessToken: bearer } = await bed.issuer.issue({
      subject: id,
      scope: "admin admin:*",
      claims: { admin: true },
    });
    for (const route of admin) {
      const { status, body } = await bed.call(methodOf(route), pathOf(route), { bearer });
      expect([nameOf(route), status, body.error]).toEqual([nameOf(route), 403, "insufficient_role"]);
      expect((await bed.call(methodOf(route), pathOf(route))).status).toBe(401);
    }
  });

  it("CVE-2024-49757 ZITADEL: that could create a user creates none where registration is closed, no matter who asks", async () => {
    const bed = await createTestBed();
    const { access_token: bearer } = await bed.login();
    await bed.issuer.users.setRoles("ada", ["admin"]);
    const { body: fresh } = await bed.call("POST", "/auth/login", { json: { username: "ada", password: PASSWORD } });
    const json = { username: "eve", password: PASSWORD };
    for (const request of [
      {},
      { bearer },
      { bearer: fresh.access_token },
      { headers: { "x-http-method-override": "PUT" } },
    ]) {
      for (const transport of [undefined, "cookie"]) {
        const { status, body } = await bed.call("POST", "/auth/register", { json: { ...json, transport }, ...request });
        expect([status, body.error]).toEqual([403, "registration_closed"]);
      }
    }
    expect((await bed.call("POST", "/auth/setup", { json: { ...json, setup_token: "" } })).status).toBe(403);
    expect(await bed.store.findUserByUsername("eve")).toBeNull();
  });
});

describe("over a real socket, a path", () => {
  it("CVE-2025-48370 auth-js: with dots or slashes in an id, however encoded, ends no session and reaches no other route", async () => {
    const { bed, port } = await setUpServer();
    const [own, kept] = [await bed.login("ada"), await bed.login("ada")];
    const others = await bed.login("grace");
    const ends = ["logout-all", `sessions/${others.session_id}`, "admin/metrics", "password"];
    const ups = [
      "../",
      "..%2f",
      "%2e%2e/",
      "%2e%2e%2f",
      "..%2F..%2Fauth%2F",
      "..%5c",
      "..\\",
      ".%2e/",
      "%252e%252e%252f",
      "..;/",
      "%c0%ae%c0%ae/",
      "..%00/",
    ];
    const ask = async (line: string) => {
      const [answer] = await exchange(port, requestText(line, { Authorization: `Bearer ${own.access_token}` }));
      expect([line, [400, 401, 403, 404, 405].includes(answer?.status ?? 0)]).toEqual([line, true]);
      expect(answer!.body).not.toContain("started_at");
    };
    for (const up of ups) {
      for (const end of ends) {
        await ask(`DELETE /auth/sessions/${up}${end}`);
        await ask(`DELETE /auth/sessions/${kept.session_id}${up}${end}`);
        await ask(`GET /auth/sessions/${up}${end}`);
      }
      await ask(`GET /auth/admin/${up}admin/metrics`);
    }
    for (const path of [
      "/auth/%61dmin/metrics",
      "/auth//admin/metrics",
      "/auth/admin/metrics/",
      "/AUTH/ADMIN/METRICS",
      "/auth/admin%2fmetrics",
      "//auth/admin/metrics",
      "/auth/admin/metrics;a=b",
      "/auth/me/..%2fadmin/metrics",
    ]) {
      await ask(`GET ${path}`);
    }
    for (const { refresh_token } of [kept, others]) {
      expect((await bed.call("POST", "/auth/refresh", { json: { refresh_token } })).status).toBe(200);
    }
  });
});
