import { describe, expect, it } from "vitest";
import { type Endpoint, scopeOf, takesAccessToken, takesCookies } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import type { CookieJar } from "../support/cookie-jar.ts";
import { nameOf } from "../support/route-table.ts";
import { dumpDatabase } from "../support/store-dump.ts";
import { ISSUER } from "../support/test-bed.ts";
import { setUp, tokenCodes, type World } from "../support/token-world.ts";

const cookieRoutes = routes.filter(takesCookies);
const unsafeRoutes = cookieRoutes.filter(({ method }) => method !== "get");
const safeRoutes = cookieRoutes.filter(({ method }) => method === "get");
const guardedRoutes = cookieRoutes.filter(({ access }) => takesAccessToken(access));

/** The states that a signed-in browser's cookies can be in, each of a fresh session. `stale` ones are renewed on the spot. */
const states: Readonly<Record<string, { readonly stale: boolean; of(jar: CookieJar, world: World): CookieJar }>> = {
  "all good": { stale: false, of: (jar) => jar },
  "without the access cookie": { stale: true, of: (jar) => jar.drop("access") },
  "with an expired access cookie": {
    stale: true,
    of(jar, world) {
      world.clock.advanceSeconds(906);
      return jar;
    },
  },
};

const originsOfOthers = [
  "null",
  "https://evil.example",
  `${ISSUER}.evil.example`,
  `${ISSUER}0`,
  ISSUER.replace("http:", "https:"),
  ISSUER.toUpperCase(),
  `${ISSUER}/`,
  "",
];

/** Routes whose success sets or deletes the cookies, whatever they are. */
const alwaysSets = new Set(["/auth/refresh", "/auth/logout", "/auth/logout-all"]);

/** What a page of ours sends with the cookies, and what a safe route does without. */
function proofFor(route: Endpoint, jar: CookieJar): Record<string, string> {
  if (unsafeRoutes.includes(route)) {
    return { "x-csrf-token": jar.get("csrf")!, origin: ISSUER, "sec-fetch-site": "same-origin" };
  }
  if (nameOf(route) === "GET /auth/session") return { "sec-fetch-site": "same-origin" };
  return { "sec-fetch-site": "cross-site", origin: "https://evil.example" };
}

describe("cookies on every route", () => {
  it("SECURITY 83, 84: authenticate no unsafe request without this session's CSRF token: 403, no challenge, no change", async () => {
    expect(unsafeRoutes.map(nameOf).sort()).toEqual([
      "DELETE /auth/sessions/{id}",
      "POST /auth/logout",
      "POST /auth/logout-all",
      "POST /auth/password",
      "POST /auth/reauthenticate",
      "POST /auth/refresh",
    ]);
    const world = await setUp();
    const [sibling, stranger, ended] = [
      await world.signIn("root"),
      await world.signIn("ada"),
      await world.signIn("root"),
    ];
    await world.issuer.logout(ended.get("refresh"));
    for (const state of Object.values(states)) {
      const jar = state.of(await world.signIn("root"), world);
      const csrf = jar.get("csrf");
      const before = [dumpDatabase(world.path), world.events.length];
      const wrong = ["", "x", csrf.slice(1), `${csrf}x`, `${csrf}, ${csrf}`, csrf.toLowerCase(), jar.get("refresh")];
      const proofs = [undefined, ...wrong, ...[sibling, stranger, ended].map((other) => other.get("csrf"))] as const;
      for (const route of unsafeRoutes) {
        for (const proof of proofs) {
          const headers = { ...jar.header(), ...(proof !== undefined && { "x-csrf-token": proof }) };
          await expectRefused(world, route, headers, proof === undefined ? "csrf_token_missing" : "csrf_token_invalid");
        }
      }
      expect([dumpDatabase(world.path), world.events.length]).toEqual(before);
    }
  });

  it("SECURITY 85: authenticate no unsafe request that another site sends, though it has the CSRF token", async () => {
    const world = await setUp();
    for (const state of Object.values(states)) {
      const jar = state.of(await world.signIn("root"), world);
      const proof = { ...jar.header(), "x-csrf-token": jar.get("csrf") };
      const before = [dumpDatabase(world.path), world.events.length];
      for (const route of unsafeRoutes) {
        for (const origin of originsOfOthers)
          await expectRefused(world, route, { ...proof, origin }, "cross_site_request");
        for (const site of ["cross-site", "same-site", "", "SAME-ORIGIN"]) {
          await expectRefused(world, route, { ...proof, "sec-fetch-site": site }, "cross_site_request");
        }
      }
      expect([dumpDatabase(world.path), world.events.length]).toEqual(before);
    }
  });

  it("authenticate every unsafe request that has the proof, and every safe one without; only success sets cookies", async () => {
    const world = await setUp();
    for (const [name, state] of Object.entries(states)) {
      for (const route of cookieRoutes) {
        const jar = state.of(await world.signIn("root"), world);
        const { status, body, headers } = await world.ask(route, undefined, {
          ...jar.header(),
          ...proofFor(route, jar),
        });
        const label = `${nameOf(route)}, ${name}`;
        expect([label, body?.error ?? status]).toEqual([label, whenLetIn(route)]);
        const set = headers.getSetCookie();
        const isToSet = status < 400 && (state.stale || alwaysSets.has(route.path));
        const names = ["latchkey-access", "latchkey-refresh", "latchkey-csrf"];
        expect([label, set.map((line) => line.split("=")[0])]).toEqual([label, isToSet ? names : []]);
        const deleted = set.filter((line) => line.includes("Max-Age=0"));
        expect([label, deleted.length]).toEqual([label, route.endsSession === true ? 3 : 0]);
      }
    }
  });

  it("need the role that a route asks for, and renew nothing in the answer where it is lacking", async () => {
    const world = await setUp();
    const jar = (await world.signIn("ada")).drop("access");
    for (const route of routes.filter(({ access }) => access === "admin")) {
      const { status, body, headers } = await world.ask(route, undefined, {
        ...jar.header(),
        "x-csrf-token": jar.get("csrf"),
      });
      expect([nameOf(route), status, body.error]).toEqual([nameOf(route), 403, "insufficient_role"]);
      expect([nameOf(route), headers.getSetCookie()]).toEqual([nameOf(route), []]);
    }
  });

  it("are refused with their own code, as a wrong kind of token in the access cookie's place, and deleted if alone", async () => {
    const world = await setUp();
    const jar = (await world.signIn("root")).drop("refresh");
    const before = [dumpDatabase(world.path), world.events.length];
    for (const route of guardedRoutes) {
      for (const [kind, { authorization = "", refusedWith, challenge = "Bearer" }] of Object.entries(world.kinds)) {
        const token = authorization.replace(/^Bearer /, "");
        if (token.startsWith("DPoP ")) continue;
        // What is no token in a header is an empty or another cookie.
        if (refusedWith === null || refusedWith === "missing_token" || token === "") continue;
        const headers = { ...jar.copy().set("access", token).header(), "x-csrf-token": jar.get("csrf") };
        const answer = await world.ask(route, undefined, headers);
        expect([nameOf(route), kind, answer.status, answer.body.error]).toEqual([
          nameOf(route),
          kind,
          401,
          refusedWith,
        ]);
        expect(answer.headers.get("www-authenticate")).toMatch(
          new RegExp(`^${challenge} realm="latchkey",(?: algs="[^"]+",)? error="invalid_token"`),
        );
        expect(answer.headers.getSetCookie()).toEqual([
          expect.stringMatching(/^latchkey-access=; Max-Age=0; Path=\/; HttpOnly/),
        ]);
      }
    }
    expect([dumpDatabase(world.path), world.events.length]).toEqual(before);
  });

  it("do not let a bad access cookie, of whatever kind, keep a good refresh cookie from being used", async () => {
    const world = await setUp();
    for (const [kind, { authorization = "", refusedWith }] of Object.entries(world.kinds)) {
      const token = authorization.replace(/^Bearer /, "");
      if (token.startsWith("DPoP ") || refusedWith === null || refusedWith === "missing_token" || token === "")
        continue;
      const jar = (await world.signIn("root")).set("access", token);
      const { status, body, headers } = await world.call("GET", "/auth/me", { headers: jar.header() });
      expect([kind, status, body.username, headers.getSetCookie().length]).toEqual([kind, 200, "root", 3]);
    }
  });

  it("make no difference where a route takes none: not on public ones, not for a password, a client or a scope", async () => {
    const world = await setUp();
    const others = routes.filter((route) => !takesCookies(route));
    expect(others.filter(({ access }) => scopeOf(access) !== undefined).length).toBeGreaterThan(0);
    for (const route of others) {
      const without = await world.ask(route, undefined);
      for (const state of Object.values(states)) {
        const jar = state.of(await world.signIn("root"), world);
        for (const proof of [{}, { "x-csrf-token": jar.get("csrf") }]) {
          const answer = await world.ask(route, undefined, { ...jar.header(), ...proof });
          expect([nameOf(route), answer.status, answer.text]).toEqual([nameOf(route), without.status, without.text]);
          expect(answer.headers.getSetCookie()).toEqual([]);
        }
      }
    }
  });

  it("say nothing where a bearer token speaks for the request, though they are another person's", async () => {
    const world = await setUp();
    const jar = await world.signIn("ada");
    const root = (await world.store.findUserByUsername("root"))!;
    for (const route of guardedRoutes) {
      const { accessToken } = await world.issuer.issue({ subject: root.id });
      const { status, body } = await world.ask(route, `Bearer ${accessToken}`, jar.header());
      expect([
        nameOf(route),
        (status === 403 && body.error !== "wrong_password") || tokenCodes.includes(body?.error),
      ]).toEqual([nameOf(route), false]);
    }
    expect(safeRoutes.map(nameOf)).toContain("GET /auth/me");
    expect((await world.call("GET", "/auth/me", { headers: jar.header() })).body.username).toBe("ada");
  });
});

/** The body's passwords are no good, and there is no such session: whoever is told so has been let in. */
function whenLetIn(route: Endpoint): string | number {
  const refusals: Record<string, string> = {
    "POST /auth/reauthenticate": "wrong_password",
    "POST /auth/password": "password_rejected",
    "DELETE /auth/sessions/{id}": "not_found",
  };
  return refusals[nameOf(route)] ?? route.success.status;
}

async function expectRefused(
  world: World,
  route: Endpoint,
  headers: Record<string, string>,
  code: string,
): Promise<void> {
  const { status, body, headers: answered } = await world.ask(route, undefined, headers);
  const { cookie: _, ...sent } = headers;
  expect([nameOf(route), sent, status, body?.error]).toEqual([nameOf(route), sent, 403, code]);
  expect([nameOf(route), answered.get("www-authenticate")]).toEqual([nameOf(route), null]);
  expect([nameOf(route), answered.getSetCookie()]).toEqual([nameOf(route), []]);
}
