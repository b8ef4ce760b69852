import { describe, expect, it } from "vitest";
import { routes } from "../../src/http/routes.ts";
import { createTestBed, ISSUER } from "../support/test-bed.ts";

async function metadataOf(options: Parameters<typeof createTestBed>[0] = {}, passwordGrant = false) {
  const bed = await createTestBed(options, { passwordGrant });
  const { status, headers, body } = await bed.call("GET", "/.well-known/oauth-authorization-server");
  expect([status, headers.get("content-type")]).toEqual([200, "application/json"]);
  return body;
}

describe("RFC 8414", () => {
  it("section 2: issuer is the iss of access tokens, byte for byte", async () => {
    for (const issuer of [ISSUER, "https://login.example.com/tenant"]) {
      expect((await metadataOf({ issuer })).issuer).toBe(issuer);
    }
  });

  it("section 2: every endpoint that it names is a route of this server", async () => {
    const metadata = await metadataOf();
    const endpoints = Object.entries(metadata).filter(([name]) =>
      /_endpoint$|_uri$|^service_documentation$/.test(name),
    );
    expect(endpoints.map(([name]) => name)).toEqual([
      "token_endpoint",
      "revocation_endpoint",
      "introspection_endpoint",
      "jwks_uri",
      "service_documentation",
    ]);
    for (const [, url] of endpoints) {
      const path = (url as string).slice(ISSUER.length);
      expect(routes.map((route) => route.path)).toContain(path);
    }
  });

  it("section 2: it lists the grants that the token endpoint takes, password only where it is switched on, and no others", async () => {
    const grants = ["refresh_token", "client_credentials"];
    expect((await metadataOf()).grant_types_supported).toEqual(grants);
    expect((await metadataOf({}, true)).grant_types_supported).toEqual([...grants, "password"]);
    for (const passwordGrant of [false, true]) {
      const bed = await createTestBed({}, { passwordGrant });
      const { grant_types_supported: supported } = await metadataOf({}, passwordGrant);
      for (const grantType of [...grants, "password", "authorization_code", "implicit"]) {
        const { body } = await bed.call("POST", "/token", { form: { grant_type: grantType } });
        expect([grantType, body.error !== "unsupported_grant_type"]).toEqual([
          grantType,
          supported.includes(grantType),
        ]);
      }
    }
  });

  it("section 2: it lists the ways in which clients authenticate at each endpoint, and that there is nothing to authorize at", async () => {
    const metadata = await metadataOf();
    const confidential = ["client_secret_basic", "client_secret_post"];
    expect(metadata.token_endpoint_auth_methods_supported).toEqual([...confidential, "none"]);
    expect(metadata.revocation_endpoint_auth_methods_supported).toEqual([...confidential, "none"]);
    expect(metadata.introspection_endpoint_auth_methods_supported).toEqual(confidential);
    expect(metadata.response_types_supported).toEqual([]);
  });

  it("section 3.2: claims without a value are left out", async () => {
    for (const value of Object.values(await metadataOf())) expect(value).not.toBeNull();
  });
});
