import { describe, expect, it } from "vitest";
import { takesAccessToken, takesCookies } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import { fieldsOf, methodOf, nameOf, pathOf, routesWithBody, shapedBody } from "../support/route-table.ts";
import { createTestBed, PASSWORD, type TestBed } from "../support/test-bed.ts";

async function signIn(bed: TestBed, username: string, jar = new CookieJar()): Promise<CookieJar> {
  if ((await bed.store.findUserByUsername(username)) === null) {
    await bed.issuer.users.create({ username, password: PASSWORD, roles: [] });
  }
  const json = { username, password: PASSWORD, transport: "cookie" };
  const { status, headers } = await bed.call("POST", "/auth/login", { json, headers: jar.header() });
  expect(status).toBe(200);
  return jar.copy().take(headers);
}

const whoIs = async (bed: TestBed, jar: CookieJar) =>
  (await bed.call("GET", "/auth/me", { headers: jar.header() })).body;

describe("session fixation", () => {
  it("CVE-2023-29019 fastify-passport: a session that an attacker has planted before a sign-in is not the victim's after it", async () => {
    const bed = await createTestBed();
    const planted = await signIn(bed, "eve");
    const victim = await signIn(bed, "ada", planted);
    for (const kind of ["access", "refresh", "csrf"]) expect(victim.get(kind)).not.toBe(planted.get(kind));
    const sessionOf = (jar: CookieJar) => bed.issuer.sessions.idOf(jar.get("refresh"));
    expect(sessionOf(victim)).not.toBe(sessionOf(planted));
    expect((await whoIs(bed, planted)).username).toBe("eve");
    const headers = { ...planted.header(), "x-csrf-token": planted.get("csrf") };
    const { body } = await bed.call("POST", "/auth/refresh", { headers });
    expect(body.session_id).not.toBe(sessionOf(victim));
    const { username } = (await bed.store.findUserByUsername("ada"))!;
    expect([username, (await whoIs(bed, victim)).username]).toEqual(["ada", "ada"]);
  });

  it("GHSA-2ccf-ffrj-m4qw fastify-passport: a CSRF token from before the sign-in, or of another session, is none after it", async () => {
    const bed = await createTestBed();
    const planted = await signIn(bed, "eve");
    const victim = await signIn(bed, "ada", planted);
    const before = await signIn(bed, "ada");
    for (const token of [planted.get("csrf"), before.get("csrf"), ""]) {
      // The attacker may have planted the cookie too: a double submit of what he knows proves nothing.
      const headers = { ...victim.copy().set("csrf", token).header(), "x-csrf-token": token };
      const { status, body } = await bed.call("POST", "/auth/logout-all", { headers });
      expect([status, body.error]).toEqual([403, "csrf_token_invalid"]);
    }
    const headers = { ...victim.header(), "x-csrf-token": victim.get("csrf") };
    expect((await bed.call("POST", "/auth/logout-all", { headers })).status).toBe(204);
  });
});

describe("who the request is from", () => {
  it("CVE-2026-109373 ZITADEL: is decided by no cookie that names a user or a session: unsigned or re-signed is refused", async () => {
    const bed = await createTestBed();
    const [jar, eve] = [await signIn(bed, "ada"), await signIn(bed, "eve")];
    const { id: sub } = await whoIs(bed, jar);
    const sid = bed.issuer.sessions.idOf(jar.get("refresh"));
    const [header = "", payload = "", signature = ""] = jar.get("access").split(".");
    const [, , eves = ""] = eve.get("access").split(".");
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    const refresh = jar.get("refresh");
    for (const access of [
      sub,
      sid,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${none}.${payload}.`,
      payload,
      `${header}.${payload}.${eves}`,
      `${none}.${payload}.${signature}`,
      JSON.stringify({ sub, sid }),
    ]) {
      const forged = new CookieJar().set("access", encodeURIComponent(access));
      for (const route of routes.filter(takesCookies).filter(({ access: who }) => takesAccessToken(who))) {
        const headers = { ...forged.header(), "x-csrf-token": jar.get("csrf") };
        const { status } = await bed.call(methodOf(route), pathOf(route), { headers });
        expect([nameOf(route), access, status]).toEqual([nameOf(route), access, 401]);
      }
    }
    for (const token of [
      sid,
      `lkr_${sid}`,
      refresh.slice(0, -10),
      refresh.slice(0, -10) + eve.get("refresh").slice(-10),
    ]) {
      const headers = { ...new CookieJar().set("refresh", token).header(), "x-csrf-token": jar.get("csrf") };
      expect((await bed.call("POST", "/auth/refresh", { headers })).status).toBe(401);
    }
    const headers = { ...jar.header(), "x-csrf-token": jar.get("csrf") };
    expect((await bed.call("POST", "/auth/refresh", { headers })).status).toBe(200);
  });

  it("CVE-2025-61928 Better Auth: is told by no field of a body or a query, with a token or without", async () => {
    const bed = await createTestBed({ registration: "open" });
    const victim = await bed.issuer.users.create({ username: "root", password: PASSWORD, roles: ["admin"] });
    const { access_token: bearer } = await bed.login("ada");
    const names = [
      "userId",
      "user_id",
      "sub",
      "subject",
      "session_id",
      "sid",
      "role",
      "roles",
      "username",
      "id",
      "emailVerified",
    ];
    for (const route of routes.filter(({ access }) => takesAccessToken(access))) {
      const query = new URLSearchParams(names.map((name) => [name, victim.id]));
      const json = Object.fromEntries(names.map((name) => [name, victim.id]));
      const takesJson = route.method !== "get";
      const answer = await bed.call(methodOf(route), `${pathOf(route)}?${query}`, takesJson ? { json } : {});
      expect([nameOf(route), answer.status, answer.body.error]).toEqual([nameOf(route), 401, "missing_token"]);
    }
    for (const route of routesWithBody.filter(({ body }) => body.format === "json")) {
      for (const name of names.filter((other) => !(other in fieldsOf(route)))) {
        const json = { ...shapedBody(route), [name]: victim.id };
        const { status, text } = await bed.call(methodOf(route), pathOf(route), { json, bearer });
        expect([nameOf(route), name, status]).toEqual([nameOf(route), name, 400]);
        expect(text).not.toContain(victim.id);
      }
    }
  });
});
