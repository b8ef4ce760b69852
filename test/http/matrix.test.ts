import { describe, expect, it } from "vitest";
import { type Endpoint, scopeOf, takesAccessToken, takesCookies } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { methodOf, nameOf, pathOf } from "../support/route-table.ts";
import { dumpDatabase } from "../support/store-dump.ts";
import { setUp, tokenCodes, type World } from "../support/token-world.ts";

const guarded = routes.filter(({ access }) => takesAccessToken(access));
/** A scope is asked of people and of programs alike; that it is the right one is another test's. */
const isLetIn = ({ access }: Endpoint, kind: string) =>
  scopeOf(access) !== undefined && kind === "a client's own access token";
const unguarded = routes.filter(({ access }) => !takesAccessToken(access));

describe("SECURITY 39: every kind of token on every route", () => {
  it("is, on routes that take an access token, refused with its own code, a challenge, and no change", async () => {
    const world = await setUp();
    const before = [dumpDatabase(world.path), world.events.length];
    expect(guarded.length).toBeGreaterThan(6);
    for (const route of guarded) {
      for (const [kind, { authorization, refusedWith, challenge = "Bearer" }] of Object.entries(world.kinds)) {
        if (refusedWith === null || (refusedWith === "wrong_token_type" && isLetIn(route, kind))) continue;
        const { status, body, headers } = await world.ask(route, authorization);
        expect([nameOf(route), kind, status, body.error]).toEqual([nameOf(route), kind, 401, refusedWith]);
        const details = `error="invalid_token", error_description="${refusedWith}: `;
        const challenged = headers.get("www-authenticate")!.replace(/ algs="[^"]+",/, "");
        if (refusedWith === "missing_token") expect(challenged).toBe('Bearer realm="latchkey"');
        else expect(challenged.startsWith(`${challenge} realm="latchkey", ${details}`)).toBe(true);
      }
    }
    expect([dumpDatabase(world.path), world.events.length]).toEqual(before);
  });

  it("is, as a user's, accepted wherever an access token is, and 403 with a challenge where the role admin is required", async () => {
    const world = await setUp();
    const { authorization } = world.kinds["a user's access token"]!;
    for (const route of routes.filter(({ access }) => access === "admin")) {
      const before = [dumpDatabase(world.path), world.events.length];
      const { status, body, headers } = await world.ask(route, authorization);
      expect([nameOf(route), status, body.error]).toEqual([nameOf(route), 403, "insufficient_role"]);
      expect(headers.get("www-authenticate")).toMatch(
        /^Bearer realm="latchkey", error="insufficient_scope", .*'admin'/,
      );
      expect([dumpDatabase(world.path), world.events.length]).toEqual(before);
    }
    await expectLetIn(world, "ada", ({ access }) => access === "access_token");
  });

  it("is, as an administrator's, let in wherever an access token or the role admin is asked for", async () => {
    await expectLetIn(await setUp(), "root", ({ access }) => access === "access_token" || access === "admin");
  });

  it("is, without the scope that a route requires, 403 there with a challenge that names it, an administrator's too", async () => {
    const world = await setUp();
    const scoped = routes.filter(({ access }) => scopeOf(access) !== undefined);
    expect(scoped.map(nameOf)).toContain("GET /auth/revocations");
    const user = (await world.store.findUserByUsername("ada"))!;
    for (const route of scoped) {
      const scope = scopeOf(route.access)!;
      const near = await world.issuer.issue({ subject: user.id, scope: `${scope}s x${scope} ${scope.split(":")[0]}` });
      const kinds = ["a user's access token", "an administrator's access token", "a client's own access token"].map(
        (kind) => world.kinds[kind]!,
      );
      for (const authorization of [...kinds.map((kind) => kind.authorization), `Bearer ${near.accessToken}`]) {
        const { status, body, headers } = await world.ask(route, authorization);
        expect([nameOf(route), status, body.error]).toEqual([nameOf(route), 403, "insufficient_scope"]);
        expect(headers.get("www-authenticate")).toContain(`error="insufficient_scope"`);
        expect(headers.get("www-authenticate")).toContain(`'${scope}'`);
      }
      const { accessToken } = await world.issuer.issue({ subject: user.id, scope });
      const { client } = await world.issuer.clients.create({ name: "verifier", scope: `other ${scope}` });
      const own = await world.issuer.clients.issueToken(client, scope);
      for (const token of [accessToken, own.accessToken]) {
        expect((await world.ask(route, `Bearer ${token}`)).status).toBe(route.success.status);
      }
    }
  });

  it("counts only in Authorization and in its own cookie: in no other cookie, header or field, and in a query it is 400", async () => {
    const world = await setUp();
    const token = world.kinds["an administrator's access token"]!.authorization!.slice("Bearer ".length);
    const before = [dumpDatabase(world.path), world.events.length];
    for (const route of guarded) {
      const [method, path] = [methodOf(route), pathOf(route)];
      for (const headers of [
        { cookie: `access_token=${token}; __Host-latchkey-access=${token}; Latchkey-Access=${token}` },
        { cookie: `latchkey-access%3D${token}; latchkey-refresh=; latchkey-csrf=${token}` },
        // Services keep no cookies: what goes by scope takes none.
        ...(takesCookies(route) ? [] : [{ cookie: `latchkey-access=${token}` }]),
        { "x-access-token": token, "x-authorization": `Bearer ${token}`, "proxy-authorization": `Bearer ${token}` },
        { "sec-websocket-protocol": `bearer, ${token}` },
        { authorization: token },
        { authorization: `Token ${token}` },
        { authorization: `Bearer: ${token}` },
      ]) {
        const { status, body } = await world.call(method, path, { headers });
        expect([nameOf(route), status, body.error]).toEqual([nameOf(route), 401, "missing_token"]);
      }
      if (method !== "GET") {
        const { body } = await world.call(method, path, { json: { access_token: token } });
        expect([nameOf(route), body.error]).toEqual([nameOf(route), "missing_token"]);
      }
      for (const query of [`access_token=${token}`, `ACCESS%5FTOKEN=x`, `t=${token}`, `jwt=x`, "page=1&token="]) {
        const { status, body } = await world.call(method, `${path}?${query}`, { bearer: token });
        expect([nameOf(route), query, status, body.error]).toEqual([nameOf(route), query, 400, "token_in_query"]);
      }
    }
    expect([dumpDatabase(world.path), world.events.length]).toEqual(before);
  });

  it("makes no difference on public routes", async () => {
    const world = await setUp();
    for (const route of unguarded.filter(({ access }) => access === "public")) {
      const without = await world.ask(route, undefined);
      for (const [kind, { authorization }] of Object.entries(world.kinds)) {
        const answer = await world.ask(route, authorization);
        expect([nameOf(route), kind, answer.status]).toEqual([nameOf(route), kind, without.status]);
        expect(answer.text).toBe(without.text);
      }
    }
  });

  it("is refused with its own code at GET /auth/session too, where none at all is no error", async () => {
    const world = await setUp();
    const route = unguarded.find((one) => nameOf(one) === "GET /auth/session")!;
    for (const [kind, { authorization, refusedWith }] of Object.entries(world.kinds)) {
      const { status, body } = await world.ask(route, authorization);
      const isLetThrough = refusedWith === null || refusedWith === "missing_token";
      expect([kind, status, body.error]).toEqual([kind, ...(isLetThrough ? [200, undefined] : [401, refusedWith])]);
      if (isLetThrough) expect([kind, body.session === null]).toEqual([kind, refusedWith !== null]);
    }
  });

  it("stands, as a bearer token, for no other credential, and where a client authenticates it is a failed attempt to", async () => {
    const world = await setUp();
    const takesBearer = ["POST /auth/refresh", "POST /auth/logout", "GET /auth/session"];
    const others = unguarded.filter((route) => route.access === "credentials" && !takesBearer.includes(nameOf(route)));
    for (const route of others) {
      const without = await world.ask(route, undefined);
      // RFC 7009 section 2.2: a token that is not known is revoked as it is. Everywhere else something is lacking.
      expect([nameOf(route), without.status]).toEqual([
        nameOf(route),
        nameOf(route) === "POST /revoke" ? 200 : expect.toSatisfy((status) => status >= 400 && status < 500),
      ]);
      for (const [kind, { authorization }] of Object.entries(world.kinds)) {
        const answer = await world.ask(route, authorization);
        if (route.client !== undefined && authorization !== undefined) {
          const { status, body } = answer;
          expect([nameOf(route), kind, status, body.error]).toEqual([nameOf(route), kind, 401, "invalid_client"]);
          expect(answer.headers.get("www-authenticate")).toBe('Basic realm="latchkey"');
        } else {
          expect([nameOf(route), kind, answer.status, answer.text]).toEqual([
            nameOf(route),
            kind,
            without.status,
            without.text,
          ]);
        }
      }
    }
  });

  it("is, as a client's own access token, let in exactly where a scope that it has is asked for", async () => {
    const world = await setUp();
    const { client } = await world.issuer.clients.create({ name: "feed", scope: "revocations:read" });
    const { accessToken } = await world.issuer.clients.issueToken(client);
    const before = [dumpDatabase(world.path), world.events.length];
    for (const route of guarded) {
      const { status, body } = await world.ask(route, `Bearer ${accessToken}`);
      const expected = scopeOf(route.access) === undefined ? [401, "wrong_token_type"] : [200, undefined];
      expect([nameOf(route), status, body.error]).toEqual([nameOf(route), ...expected]);
    }
    const { accessToken: withoutScope } = await world.issuer.clients.issueToken({ ...client, scope: "" });
    for (const route of guarded.filter(({ access }) => scopeOf(access) !== undefined)) {
      const { status, body } = await world.ask(route, `Bearer ${withoutScope}`);
      expect([nameOf(route), status, body.error]).toEqual([nameOf(route), 403, "insufficient_scope"]);
    }
    expect([dumpDatabase(world.path), world.events.length - 1]).toEqual(before);
  });

  it("refreshes only as a live refresh token of this server", async () => {
    const world = await setUp();
    const expected: Record<string, string> = {
      "no token": "invalid_request",
      "another scheme": "invalid_request",
      "an empty bearer token": "invalid_refresh_token",
      garbage: "invalid_refresh_token",
      "two tokens": "invalid_refresh_token",
      "one that is bound to no key, under the DPoP scheme": "invalid_request",
      "a refresh token of another secret": "invalid_refresh_token",
    };
    for (const [kind, { authorization }] of Object.entries(world.kinds)) {
      if (kind === "a refresh token") continue;
      const before = dumpDatabase(world.path);
      const { status, body, headers } = await world.call("POST", "/auth/refresh", {
        headers: authorization === undefined ? {} : { authorization },
      });
      const code = expected[kind] ?? "wrong_token_type";
      expect([kind, status, body.error]).toEqual([kind, code === "invalid_request" ? 400 : 401, code]);
      if (status === 401) expect(headers.get("www-authenticate")).toContain('error="invalid_token"');
      expect(dumpDatabase(world.path)).toEqual(before);
    }
    const { authorization } = world.kinds["a refresh token"]!;
    expect((await world.call("POST", "/auth/refresh", { headers: { authorization: authorization! } })).status).toBe(
      200,
    );
  });

  it("logs out nobody but as a token of this server, and says 204 to all", async () => {
    const world = await setUp();
    const endsASession = [
      "a refresh token",
      "an expired access token",
      "one that is bound to a key, as a bearer token",
      "one that is bound to no key, under the DPoP scheme",
      "a user's access token",
      "an administrator's access token",
    ];
    for (const [kind, { authorization }] of Object.entries(world.kinds)) {
      const before = dumpDatabase(world.path);
      const { status } = await world.call("POST", "/auth/logout", {
        headers: authorization === undefined ? {} : { authorization },
      });
      expect([kind, status]).toEqual([kind, 204]);
      if (!endsASession.includes(kind)) expect([kind, dumpDatabase(world.path)]).toEqual([kind, before]);
    }
    expect(world.events.filter(({ type }) => type === "session.logged_out")).toHaveLength(6);
  });
});

/** Expects these routes to let the user in, each with an access token of a session of its own, since some of them end it. */
async function expectLetIn(world: World, username: string, routesOf: (route: Endpoint) => boolean): Promise<void> {
  const user = (await world.store.findUserByUsername(username))!;
  for (const route of routes.filter(routesOf)) {
    const { accessToken } = await world.issuer.issue({ subject: user.id });
    const { status, body } = await world.ask(route, `Bearer ${accessToken}`);
    expect([
      nameOf(route),
      (status === 403 && body.error !== "wrong_password") || tokenCodes.includes(body?.error),
    ]).toEqual([nameOf(route), false]);
    expect(status).toBeLessThan(500);
  }
}
