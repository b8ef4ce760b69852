import { join } from "node:path";
import { decodeJwt } from "jose";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { describe, expect, it } from "vitest";
import { type ClientRequest, createIssuer } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { forPeople } from "../support/oauth-server.ts";
import { PASSWORD, serve } from "../support/server-in-process.ts";
import { SECRET } from "../support/test-bed.ts";

const insecure = { [oauth.allowInsecureRequests]: true } as const;
const credentials = { username: "ada", password: PASSWORD };
const nonces = ["off", "on"] as const;

/** A listening server that asks for nonces or not, and a client that the operator has added beside it. */
async function setUp(request: Partial<ClientRequest>, nonce: (typeof nonces)[number]) {
  const server = await serve({
    LATCHKEY_SECRET: SECRET,
    LATCHKEY_PASSWORD_GRANT: "on",
    LATCHKEY_DPOP_NONCE: nonce,
  });
  await server.signIn();
  const store = await createSqliteStore(join(server.folder, "latchkey.db"));
  const operator = await createIssuer({ issuer: server.url, secret: SECRET, store });
  const { client, secret } = await operator.clients.create({ name: "app", ...request });
  await operator.close();
  return { url: new URL(server.url), id: client.id, secret: secret ?? "" };
}

/** Tries once more where the server asks for a nonce, as RFC 9449 section 8 has it, and counts the tries. */
function withNonce(handle: oauth.DPoPHandle) {
  const counted = {
    asked: 0,
    async retrying<Result>(attempt: () => Promise<Result>): Promise<Result> {
      try {
        return await attempt();
      } catch (error) {
        if (!oauth.isDPoPNonceError(error as Error)) throw error;
        counted.asked++;
        return attempt();
      }
    },
  };
  return { handle, counted };
}

describe.each(nonces)("oauth4webapi, with nonces %s", (nonce) => {
  it.each(["ES256", "Ed25519", "PS256", "RS256"])(
    "as a public client with %s signs a person in, calls a resource, refreshes, and cannot do without its key",
    async (alg) => {
      const { url, id } = await setUp({ ...forPeople, kind: "public" }, nonce);
      const discovered = await oauth.discoveryRequest(url, { algorithm: "oauth2", ...insecure });
      const server = await oauth.processDiscoveryResponse(url, discovered);
      expect(server.dpop_signing_alg_values_supported).toContain(alg);
      const [client, auth] = [{ client_id: id } as oauth.Client, oauth.None()];
      const { handle: DPoP, counted } = withNonce(oauth.DPoP(client, await oauth.generateKeyPair(alg)));
      const options = { DPoP, ...insecure };

      const signedIn = await counted.retrying(async () =>
        oauth.processGenericTokenEndpointResponse(
          server,
          client,
          await oauth.genericTokenEndpointRequest(server, client, auth, "password", credentials, options),
        ),
      );
      expect(signedIn.token_type).toBe("dpop");
      expect(decodeJwt(signedIn.access_token).cnf).toEqual({ jkt: await DPoP.calculateThumbprint() });
      const me = (token: string) =>
        counted.retrying(() =>
          oauth.protectedResourceRequest(token, "GET", new URL("/auth/me", url), undefined, null, options),
        );
      expect(await (await me(signedIn.access_token)).json()).toMatchObject({ username: "ada" });

      const refresh = (token: string, given: object = options) =>
        counted.retrying(async () =>
          oauth.processRefreshTokenResponse(
            server,
            client,
            await oauth.refreshTokenGrantRequest(server, client, auth, token, { ...insecure, ...given }),
          ),
        );
      const next = await refresh(signedIn.refresh_token!);
      expect((await me(next.access_token)).status).toBe(200);
      const thief = oauth.DPoP(client, await oauth.generateKeyPair(alg));
      for (const given of [{}, { DPoP: thief }]) {
        await expect(refresh(next.refresh_token!, given)).rejects.toMatchObject({ error: "invalid_dpop_proof" });
      }
      const stolen = oauth.protectedResourceRequest(
        next.access_token,
        "GET",
        new URL("/auth/me", url),
        undefined,
        null,
        insecure,
      );
      await expect(stolen).rejects.toMatchObject({
        cause: [{ scheme: "dpop", parameters: { error: "invalid_token" } }],
      });
      expect((await refresh(next.refresh_token!)).token_type).toBe("dpop");
      expect(counted.asked > 0).toBe(nonce === "on");
    },
  );

  it("as a confidential client gets a bound token of its own, which a resource server accepts by the key set", async () => {
    const { url, id, secret } = await setUp({ scope: "read" }, nonce);
    const discovered = await oauth.discoveryRequest(url, { algorithm: "oauth2", ...insecure });
    const server = await oauth.processDiscoveryResponse(url, discovered);
    const [client, auth] = [{ client_id: id } as oauth.Client, oauth.ClientSecretBasic(secret)];
    const { handle: DPoP, counted } = withNonce(oauth.DPoP(client, await oauth.generateKeyPair("ES256")));
    const token = await counted.retrying(async () =>
      oauth.processClientCredentialsResponse(
        server,
        client,
        await oauth.clientCredentialsGrantRequest(server, client, auth, {}, { DPoP, ...insecure }),
      ),
    );
    expect(token.token_type).toBe("dpop");
    // The library makes the proof, and another part of it checks it: the token is what both agree upon.
    const resource = "http://127.0.0.1/reports";
    let sent: Request | undefined;
    await oauth.protectedResourceRequest(token.access_token, "GET", new URL(resource), undefined, null, {
      DPoP,
      ...insecure,
      [oauth.customFetch]: async (address, init) => {
        sent = new Request(address, init as RequestInit);
        return new Response();
      },
    });
    const claims = await oauth.validateJwtAccessToken(server, sent!, url.origin, { requireDPoP: true, ...insecure });
    expect(claims).toMatchObject({ sub: id, cnf: { jkt: await DPoP.calculateThumbprint() } });
    const asked = await oauth.introspectionRequest(server, client, auth, token.access_token, insecure);
    expect(await oauth.processIntrospectionResponse(server, client, asked)).toMatchObject({
      active: true,
      token_type: "DPoP",
      cnf: { jkt: await DPoP.calculateThumbprint() },
    });
  });
});

describe.each(nonces)("openid-client, with nonces %s", (nonce) => {
  it("signs a person in, refreshes and calls a resource, each with a proof, without being told of nonces", async () => {
    const { url, id } = await setUp({ ...forPeople, kind: "public" }, nonce);
    const config = await openid.discovery(url, id, undefined, openid.None(), {
      algorithm: "oauth2",
      execute: [openid.allowInsecureRequests],
    });
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair());
    const first = await openid.genericGrantRequest(config, "password", credentials, { DPoP });
    const second = await openid.refreshTokenGrant(config, first.refresh_token!, undefined, { DPoP });
    expect([first.token_type, second.token_type]).toEqual(["dpop", "dpop"]);
    const me = await openid.fetchProtectedResource(
      config,
      second.access_token,
      new URL("/auth/me", url),
      "GET",
      undefined,
      undefined,
      { DPoP },
    );
    expect(await me.json()).toMatchObject({ username: "ada" });
    await expect(openid.refreshTokenGrant(config, second.refresh_token!)).rejects.toMatchObject({
      error: "invalid_dpop_proof",
    });
  });
});
