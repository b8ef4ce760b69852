import { describe, expect, it } from "vitest";
import { encode, fieldsOf, methodOf, nameOf, pathOf, routesWithBody, shapedBody } from "../support/route-table.ts";
import { createTestBed, PASSWORD, type Reply } from "../support/test-bed.ts";

/** All of an answer that could tell something: not the request's own id, nor the seconds since the first of its failures. */
const face = ({ status, text, headers }: Reply) => [
  status,
  text.replace(/\d+ s/, "N s"),
  [...headers].filter(([name]) => name !== "x-request-id" && name !== "retry-after"),
];

describe("whether there is a user", () => {
  it("CVE-2026-58272 Sync-in: shows in no answer to a sign-in: unknown, disabled and a wrong password are the same bytes", async () => {
    const bed = await createTestBed({}, { passwordGrant: true });
    for (const username of ["ada", "grace"]) await bed.issuer.users.create({ username, password: PASSWORD, roles: [] });
    await bed.issuer.users.disable("grace");
    const names = { known: "ada", disabled: "grace", unknown: "nobody", impossible: "no\u0000body@@" };
    for (let attempt = 0; attempt < 12; attempt++) {
      const faces: unknown[] = [];
      for (const username of Object.values(names)) {
        const answer = await bed.call("POST", "/auth/login", { json: { username, password: "a wrong password" } });
        expect(answer.status).toBe(attempt < 10 ? 401 : 429);
        faces.push(face(answer));
        const form = { grant_type: "password", username, password: "a wrong password" };
        const granted = await bed.call("POST", "/token", { form, ip: "198.51.100.1" });
        expect(granted.status).toBe(attempt < 10 ? 400 : 429);
      }
      expect(faces).toEqual(Array(4).fill(faces[0]));
    }
  });

  it("CVE-2026-23511 ZITADEL: shows on no route that takes a username from a stranger", async () => {
    const bed = await createTestBed({}, { passwordGrant: true });
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["admin"] });
    const routes = routesWithBody.filter((route) => "username" in fieldsOf(route));
    expect(routes.map(nameOf)).toEqual(["POST /auth/register", "POST /auth/login", "POST /token", "POST /auth/setup"]);
    for (const route of routes) {
      const [known, unknown] = await Promise.all(
        ["ada", "nobody"].map(async (username) => {
          const fields = { ...shapedBody(route), grant_type: "password", username, password: "a wrong password" };
          const own = Object.fromEntries(Object.entries(fields).filter(([name]) => name in fieldsOf(route)));
          const headers = { "x-request-id": "the-same-for-both" };
          return bed.call(methodOf(route), pathOf(route), {
            ...(route.body.format === "json"
              ? { json: own }
              : { form: Object.fromEntries(new URLSearchParams(encode(route, own))) }),
            headers,
          });
        }),
      );
      expect([nameOf(route), known!.status >= 400]).toEqual([nameOf(route), true]);
      expect([nameOf(route), ...face(unknown!)]).toEqual([nameOf(route), ...face(known!)]);
    }
  });
});

describe("a password", () => {
  it("CVE-2025-22228 Spring: of more than 72 bytes counts to its last one, at sign-in and where it is changed", async () => {
    const bed = await createTestBed();
    const password = `${"correct horse battery staple ".repeat(4)}a`;
    await bed.issuer.users.create({ username: "ada", password, roles: [] });
    const logIn = async (given: string) =>
      bed.call("POST", "/auth/login", { json: { username: "ada", password: given } });
    const { access_token: bearer } = (await logIn(password)).body;
    for (const wrong of [`${password.slice(0, -1)}b`, password.slice(0, 72), password.slice(0, -1), `${password}a`]) {
      expect((await logIn(wrong)).status).toBe(401);
      const json = { current_password: wrong, new_password: "another horse, another battery" };
      expect((await bed.call("POST", "/auth/password", { json, bearer })).status).toBe(403);
    }
    expect((await logIn(password)).status).toBe(200);
  });
});

describe("a username", () => {
  it("CVE-2022-35924 next-auth: is one, never a list of addresses, however the list is written", async () => {
    const bed = await createTestBed({ registration: "open" });
    await bed.login("ada@example.com");
    for (const username of [
      "ada@example.com,eve@evil.example",
      "ada@example.com;eve@evil.example",
      "ada@example.com eve@evil.example",
      "ada@example.com\neve@evil.example",
      '"ada@example.com,"@evil.example',
      "<ada@example.com>",
      "ada@example.com@evil.example",
      ["ada@example.com", "eve@evil.example"],
      { 0: "ada@example.com" },
    ]) {
      for (const path of ["/auth/register", "/auth/login"]) {
        const { status } = await bed.call("POST", path, { json: { username, password: PASSWORD } });
        expect([username, path, status >= 400 && status < 500]).toEqual([username, path, true]);
      }
    }
    expect((await bed.issuer.users.list({ limit: 10 })).map(({ username }) => username)).toEqual(["ada@example.com"]);
  });

  it("CVE-2026-73420 next-auth: with a look-alike of the @ or of a full stop is refused, and signs nobody in", async () => {
    const bed = await createTestBed({ registration: "open" });
    await bed.login("ada@example.com");
    for (const username of [
      "ada＠example.com",
      "ada﹫example.com",
      "ada@example․com",
      "ada@example．com",
      "ada＠evil.example",
    ]) {
      const json = { username, password: PASSWORD };
      const registered = await bed.call("POST", "/auth/register", { json });
      expect([username, registered.status, registered.body.error]).toEqual([username, 422, "invalid_username"]);
      expect([username, (await bed.call("POST", "/auth/login", { json })).status]).toEqual([username, 401]);
    }
  });
});
