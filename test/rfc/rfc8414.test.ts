import { describe, expect, it } from "vitest";
import { routes } from "../../src/http/routes.ts";
import { createTestBed } from "../support/test-bed.ts";

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
      const names = Object.keys(body).filter((name) => /_endpoint$|_uri$|^service_documentation$/.test(name));
      expect(names.sort()).toEqual([
        "introspection_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "service_documentation",
        "token_endpoint",
      ]);
      for (const name of names) {
        expect([name, body[name].startsWith(`${issuer}/`), paths.has(body[name].slice(issuer.length))]).toEqual([
          name,
          true,
          true,
        ]);
      }
    }
  });

  it("names the grants that are taken, and how clients authenticate: at introspection not by nothing, elsewhere also so", async () => {
    for (const passwordGrant of [true, false]) {
      const bed = await createTestBed({}, { passwordGrant });
      const { body } = await bed.call("GET", PATH);
      const grants = ["refresh_token", "client_credentials", ...(passwordGrant ? ["password"] : [])];
      expect(body.grant_types_supported).toEqual(grants);
      const bySecret = ["client_secret_basic", "client_secret_post"];
      expect(body.token_endpoint_auth_methods_supported).toEqual([...bySecret, "none"]);
      expect(body.revocation_endpoint_auth_methods_supported).toEqual([...bySecret, "none"]);
      expect(body.introspection_endpoint_auth_methods_supported).toEqual(bySecret);
      // A grant that is named is taken, whatever else is lacking, and one that is not is not.
      for (const grant of ["refresh_token", "client_credentials", "password", "authorization_code", "implicit"]) {
        const { body: refusal } = await bed.call("POST", "/token", { form: { grant_type: grant } });
        expect([grant, refusal.error === "unsupported_grant_type"]).toEqual([grant, !grants.includes(grant)]);
      }
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

describe("RFC 8414 section 3, the address", () => {
  const ask = async (issuer: string, path: string) => {
    const bed = await createTestBed({ issuer });
    return bed.call("GET", path);
  };

  it.each(["/tenant", "/a/b", "/id-1.0"])("is built for an issuer with the path %s", async (path) => {
    const issuer = `https://login.example.com${path}`;
    const plain = await ask(issuer, PATH);
    expect(plain.body.issuer).toBe(issuer);
    for (const address of [
      `${PATH}${path}`,
      `${path}${PATH}`,
      "/.well-known/openid-configuration",
      `/.well-known/openid-configuration${path}`,
      `${path}/.well-known/openid-configuration`,
    ]) {
      const answer = await ask(issuer, address);
      expect([address, answer.status, answer.text]).toEqual([address, 200, plain.text]);
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("cache-control")).toBe(plain.headers.get("cache-control"));
    }
    for (const other of [`${PATH}${path}x`, `${PATH}/other`, `${PATH}${path}/`, `/other${PATH}`]) {
      expect([other, (await ask(issuer, other)).status]).toEqual([other, 404]);
    }
  });

  it("of an issuer without a path has nothing behind it", async () => {
    expect((await ask("https://login.example.com", "/.well-known/openid-configuration")).status).toBe(200);
    expect((await ask("https://login.example.com", `${PATH}/tenant`)).status).toBe(404);
  });

  it("names no jwks_uri with HS256, which has no public key, and one with every other algorithm", async () => {
    for (const signingAlg of ["HS256", "ES256", "EdDSA", "RS256", "PS256"] as const) {
      const bed = await createTestBed({ signingAlg });
      const { body } = await bed.call("GET", PATH);
      expect([signingAlg, "jwks_uri" in body]).toEqual([signingAlg, signingAlg !== "HS256"]);
      expect(body.response_types_supported).toEqual([]);
    }
  });
});
