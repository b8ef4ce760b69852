import { describe, expect, it } from "vitest";
import { routes } from "../../src/http/routes.ts";
import { createTestBed } from "../harness.ts";

const PATH = "/.well-known/oauth-authorization-server";

describe("RFC 8414 section 2, the metadata", () => {
  it("names the issuer byte for byte as the access tokens do, and endpoints under it that exist", async () => {
    for (const issuer of ["http://127.0.0.1:4000", "https://login.example.com"]) {
      const bed = await createTestBed({ issuer });
      const { body } = await bed.call("GET", PATH);
      const { access_token: token } = await bed.login();
      expect(body.issuer).toBe(issuer);
      expect((await bed.issuer.verify(token)).iss).toBe(body.issuer);
      const paths = new Set(routes.map(({ path }) => path));
      for (const name of ["token_endpoint", "jwks_uri", "service_documentation"]) {
        expect([name, body[name].startsWith(`${issuer}/`), paths.has(body[name].slice(issuer.length))]).toEqual([
          name,
          true,
          true,
        ]);
      }
    }
  });

  it("names the grants that are taken, and that clients authenticate by nothing", async () => {
    for (const passwordGrant of [true, false]) {
      const bed = await createTestBed({}, { passwordGrant });
      const { body } = await bed.call("GET", PATH);
      expect(body.grant_types_supported).toEqual(passwordGrant ? ["refresh_token", "password"] : ["refresh_token"]);
      expect(body.token_endpoint_auth_methods_supported).toEqual(["none"]);
      // Required; without an authorization endpoint there are none.
      expect(body.response_types_supported).toEqual([]);
    }
  });
});

describe("RFC 8414 section 3, the metadata request", () => {
  it("is a GET at the well-known path, and the answer is JSON that may be cached", async () => {
    const bed = await createTestBed();
    const { status, headers } = await bed.call("GET", PATH);
    expect([status, headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(headers.get("cache-control")).toMatch(/^public, max-age=\d+$/);
    expect((await bed.call("POST", PATH)).status).toBe(405);
  });

  it("gets the same answer whatever Host and X-Forwarded-Host say", async () => {
    const bed = await createTestBed({}, { trustedProxies: ["192.0.2.1"] });
    const plain = await bed.call("GET", PATH);
    const headers = {
      host: "evil.example.com",
      "x-forwarded-host": "evil.example.com",
      forwarded: "host=evil.example.com",
    };
    expect((await bed.call("GET", PATH, { headers })).text).toBe(plain.text);
  });
});
