import { join } from "node:path";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { ClientCredentials, ResourceOwnerPassword } from "simple-oauth2";
import { describe, expect, it } from "vitest";
import { type ClientRequest, createIssuer } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { forPeople } from "../support/oauth-server.ts";
import { PASSWORD, serve } from "../support/server-in-process.ts";
import { SECRET } from "../support/test-bed.ts";

const everything = {
  grantTypes: ["client_credentials", "password", "refresh_token"],
  scope: "read write",
} satisfies Partial<ClientRequest>;

/** A listening server, and a client that the operator has added beside it. */
async function setUp(request: Partial<ClientRequest> = everything) {
  const server = await serve({ LATCHKEY_SECRET: SECRET, LATCHKEY_PASSWORD_GRANT: "on" });
  await server.signIn();
  const store = await createSqliteStore(join(server.folder, "latchkey.db"));
  const operator = await createIssuer({ issuer: server.url, secret: SECRET, store });
  const { client, secret } = await operator.clients.create({ name: "app", ...request });
  await operator.close();
  return { url: new URL(server.url), id: client.id, secret: secret ?? "" };
}

const credentials = { username: "ada", password: PASSWORD };

describe("oauth4webapi", () => {
  const insecure = { [oauth.allowInsecureRequests]: true } as const;

  async function discover(url: URL) {
    const response = await oauth.discoveryRequest(url, { algorithm: "oauth2", ...insecure });
    return oauth.processDiscoveryResponse(url, response);
  }

  it.each([
    ["client_secret_basic", oauth.ClientSecretBasic],
    ["client_secret_post", oauth.ClientSecretPost],
  ] as const)(
    "with %s gets a token for itself that it can verify, asks about it, and is told why it cannot revoke it",
    async (_, authentication) => {
      const { url, id, secret } = await setUp();
      const [server, client, auth] = [await discover(url), { client_id: id }, authentication(secret)];
      const response = await oauth.clientCredentialsGrantRequest(server, client, auth, { scope: "read" }, insecure);
      const token = await oauth.processClientCredentialsResponse(server, client, response);
      expect(token).toMatchObject({ token_type: "bearer", expires_in: 900, scope: "read" });

      const resource = new Request("http://127.0.0.1/reports", {
        headers: { authorization: `Bearer ${token.access_token}` },
      });
      const claims = await oauth.validateJwtAccessToken(server, resource, url.origin, insecure);
      expect(claims).toMatchObject({ sub: id, client_id: id, scope: "read" });

      const asked = await oauth.introspectionRequest(server, client, auth, token.access_token, insecure);
      expect(await oauth.processIntrospectionResponse(server, client, asked)).toMatchObject({ active: true, sub: id });
      const revoked = await oauth.revocationRequest(server, client, auth, token.access_token, insecure);
      await expect(oauth.processRevocationResponse(revoked)).rejects.toMatchObject({ error: "unsupported_token_type" });
    },
  );

  it("as a public client signs a person in, refreshes, and revokes the session", async () => {
    const { url, id } = await setUp({ ...forPeople, kind: "public" });
    const [server, client, auth] = [await discover(url), { client_id: id }, oauth.None()];
    const signedIn = await oauth.processGenericTokenEndpointResponse(
      server,
      client,
      await oauth.genericTokenEndpointRequest(server, client, auth, "password", credentials, insecure),
    );
    const refresh = async (token: string) =>
      oauth.processRefreshTokenResponse(
        server,
        client,
        await oauth.refreshTokenGrantRequest(server, client, auth, token, insecure),
      );
    const next = await refresh(signedIn.refresh_token!);
    expect(next.refresh_token).not.toBe(signedIn.refresh_token);
    const revoked = await oauth.revocationRequest(server, client, auth, next.refresh_token!, insecure);
    await oauth.processRevocationResponse(revoked);
    await expect(refresh(next.refresh_token!)).rejects.toMatchObject({ error: "invalid_grant", status: 400 });
  });

  it("reads the refusal of a wrong secret, with its challenge", async () => {
    const { url, id } = await setUp();
    const [server, client] = [await discover(url), { client_id: id }];
    const auth = oauth.ClientSecretBasic("lks_wrong");
    const response = await oauth.clientCredentialsGrantRequest(server, client, auth, {}, insecure);
    await expect(oauth.processClientCredentialsResponse(server, client, response)).rejects.toMatchObject({
      name: "WWWAuthenticateChallengeError",
      status: 401,
      cause: [{ scheme: "basic", parameters: { realm: "latchkey" } }],
    });
  });
});

describe("openid-client", () => {
  it("discovers the server, signs a person in, refreshes with a part of the scope, asks about the tokens and revokes them", async () => {
    const { url, id, secret } = await setUp();
    const config = await openid.discovery(url, id, secret, openid.ClientSecretBasic(secret), {
      algorithm: "oauth2",
      execute: [openid.allowInsecureRequests],
    });
    const first = await openid.genericGrantRequest(config, "password", credentials);
    expect(first.scope).toBe("read write");
    const second = await openid.refreshTokenGrant(config, first.refresh_token!, { scope: "read" });
    const active = async (token: string) => (await openid.tokenIntrospection(config, token)).active;
    expect(await openid.tokenIntrospection(config, second.access_token)).toMatchObject({ active: true, scope: "read" });
    expect([await active(first.refresh_token!), await active(second.refresh_token!)]).toEqual([true, true]);
    await openid.tokenRevocation(config, second.refresh_token!);
    for (const token of [first.access_token, second.access_token, first.refresh_token!, second.refresh_token!]) {
      expect(await active(token)).toBe(false);
    }
    await expect(openid.clientCredentialsGrant(config, { scope: "admin" })).rejects.toMatchObject({
      error: "invalid_scope",
    });
  });
});

describe("simple-oauth2", () => {
  const auth = (url: URL) => ({ tokenHost: url.origin, tokenPath: "/token", revokePath: "/revoke" });

  it.each(["header", "body"] as const)(
    "with its credentials in the %s gets a token for itself",
    async (authorizationMethod) => {
      const { url, id, secret } = await setUp();
      const client = new ClientCredentials({
        client: { id, secret },
        auth: auth(url),
        options: { authorizationMethod },
      });
      const { token } = await client.getToken({ scope: ["read", "write"] });
      expect(token).toMatchObject({ token_type: "Bearer", expires_in: 900, scope: "read write" });
    },
  );

  it("signs a person in, refreshes, and revokes", async () => {
    const { url, id, secret } = await setUp();
    const client = new ResourceOwnerPassword({ client: { id, secret }, auth: auth(url) });
    const first = await client.getToken(credentials);
    const second = await first.refresh();
    expect(second.token.session_id).toBe(first.token.session_id);
    await second.revoke("refresh_token");
    await expect(second.refresh()).rejects.toMatchObject({ data: { payload: { error: "invalid_grant" } } });
  });
});
