import { describe, expect, it } from "vitest";
import { routes } from "../../src/http/routes.ts";
import { newPath } from "../support/places.ts";
import { methodsByPath, nameOf, pathOf } from "../support/route-table.ts";
import { dumpDatabase } from "../support/store-dump.ts";
import { createTestBed, ISSUER, PASSWORD, type Pair, type TestBed } from "../support/test-bed.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "BREW", "get-me"];
const OVERRIDES = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-method"];

async function setUp(): Promise<TestBed & { readonly path: string; readonly admin: Pair }> {
  const path = newPath();
  const bed = await createTestBed({ path, registration: "open" });
  await bed.issuer.users.create({ username: "root", password: PASSWORD, roles: ["admin"] });
  return { ...bed, path, admin: await bed.login("root") };
}

describe("methods and paths", () => {
  it("answer every method that a path does not take with 405 and an Allow that names those it takes", async () => {
    const bed = await setUp();
    for (const [path, taken] of methodsByPath) {
      const allowed = new Set([...taken, ...(taken.has("GET") ? ["HEAD"] : [])]);
      for (const method of METHODS.filter((method) => !allowed.has(method))) {
        const { status, headers, body } = await bed.call(method, path, { bearer: bed.admin.access_token });
        expect([method, path, status]).toEqual([method, path, 405]);
        expect(new Set(headers.get("allow")?.split(", "))).toEqual(allowed);
        if (method !== "HEAD")
          expect(body).toEqual({ error: "method_not_allowed", error_description: expect.any(String) });
      }
    }
  });

  it("answer HEAD as GET, without the body, refusals included", async () => {
    const bed = await setUp();
    for (const route of routes.filter(({ method }) => method === "get")) {
      for (const bearer of [bed.admin.access_token, "garbage", undefined]) {
        const headers = { "x-request-id": "the-same-for-all" };
        const request = bearer === undefined ? { headers } : { headers, bearer };
        const [get, head] = [
          await bed.call("GET", pathOf(route), request),
          await bed.call("HEAD", pathOf(route), request),
        ];
        expect([nameOf(route), head.status, [...head.headers]]).toEqual([nameOf(route), get.status, [...get.headers]]);
        expect(head.text).toBe("");
      }
    }
  });

  it("are 404 for every path that is not in the table, whatever the method and the token", async () => {
    const bed = await setUp();
    for (const path of [
      "/",
      "/auth",
      "/auth/",
      "/AUTH/LOGIN",
      "/auth/login/",
      "//auth/login",
      "/auth//login",
      "/auth/login/x",
      "/auth/login;x=1",
      "/auth/login%00",
      "/auth/login%2f",
      "/auth%2flogin",
      "/auth/login%20",
      "/auth/sessions/",
      `/auth/sessions/${"A".repeat(22)}/x`,
      "/auth/admin",
      "/auth/admin/",
      "/auth/admin/metrics/",
      "/auth/admin/..%2fme",
      "/auth/sessions%2f..%2fadmin%2fmetrics",
      "/.env",
      "/.well-known/",
      "/.well-known/openid-configuration/",
      "/docs/../../etc/passwd",
      "/docs/..%2f..%2fpackage.json",
      "/docs/openapi-explorer.js.map",
      "/docs/assets",
      "/favicon.ico",
      "/%",
      "/%ff",
      "/auth/%e0%a4%a",
      "/constructor",
      "/__proto__",
      "/*",
      "/:id",
      "/auth/sessions/:id/..",
    ]) {
      for (const method of METHODS) {
        const answer = await bed.call(method, path, { bearer: bed.admin.access_token });
        expect([method, path, answer.status]).toEqual([method, path, 404]);
        if (method !== "HEAD")
          expect(answer.body).toEqual({ error: "not_found", error_description: expect.any(String) });
      }
    }
  });

  it("let no encoded or malformed id reach another route or another's session", async () => {
    const bed = await setUp();
    const other = await bed.login("ada");
    const before = dumpDatabase(bed.path);
    for (const id of [
      "..%2f..%2fadmin",
      "..%2f..%2fadmin%2fmetrics",
      "%2e%2e%2fme",
      "..%5c..%5cadmin",
      "%",
      "%ff",
      "%00",
      "%0a",
      `${other.session_id}%00`,
      `${other.session_id}%20`,
      `%20${other.session_id}`,
      `${other.session_id}==`,
      `${other.session_id}?x=${other.session_id}`,
      other.session_id.toLowerCase(),
      encodeURIComponent(other.session_id),
      other.session_id.replace(/./g, (character) => `%${character.charCodeAt(0).toString(16)}`),
      "null",
      "undefined",
      "me",
      "*",
      "' OR 1=1 --",
      "%27%20OR%201%3D1%20--",
      "A".repeat(5000),
    ]) {
      const { status, body } = await bed.call("DELETE", `/auth/sessions/${id}`, { bearer: bed.admin.access_token });
      expect([id, status, body.error]).toEqual([id, 404, "not_found"]);
    }
    expect(dumpDatabase(bed.path)).toEqual(before);
  });

  it("SECURITY 88: are not changed by method-override headers or fields", async () => {
    const bed = await setUp();
    const subject = (await bed.store.findUserByUsername("root"))!.id;
    for (const [path] of methodsByPath) {
      for (const method of ["GET", "POST", "DELETE"]) {
        const statuses = new Set<number>();
        for (const other of [undefined, "DELETE", "POST", "GET"]) {
          // Each in a session of its own, which the request may end.
          const { accessToken: bearer } = await bed.issuer.issue({ subject });
          const headers = other === undefined ? {} : Object.fromEntries(OVERRIDES.map((name) => [name, other]));
          // Always with a query string, since some routes refuse a parameter that they do not know.
          const query = `?_method=${other ?? ""}`;
          statuses.add((await bed.call(method, path + query, { bearer, headers })).status);
        }
        expect([method, path, statuses.size]).toEqual([method, path, 1]);
      }
    }
  });

  it("SECURITY 88: change nothing by GET, HEAD or OPTIONS, whatever else the request holds", async () => {
    const bed = await setUp();
    const user = await bed.login("ada");
    const before = [dumpDatabase(bed.path), bed.events.length];
    const paths = [
      ...methodsByPath.keys(),
      `/auth/sessions/${user.session_id}`,
      `/auth/sessions/${bed.admin.session_id}`,
    ];
    for (const path of paths) {
      for (const method of ["GET", "HEAD", "OPTIONS"]) {
        for (const bearer of [bed.admin.access_token, user.access_token, bed.admin.refresh_token]) {
          for (const headers of [
            {},
            { "x-http-method-override": "POST", "content-type": "application/json" },
            { "x-http-method-override": "DELETE", "access-control-request-method": "DELETE", origin: ISSUER },
          ]) {
            expect(
              (await bed.call(method, `${path}?_method=POST&username=x`, { bearer, headers })).status,
            ).toBeLessThan(500);
          }
        }
      }
    }
    expect([dumpDatabase(bed.path), bed.events.length]).toEqual(before);
  });
});
