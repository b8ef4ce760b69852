// node-oidc-provider as its documentation configures it for rotating refresh tokens and JWT access tokens. Its adapter is the
// one of its examples, a map in memory, without the bound of the built-in one, which would forget sessions under this load.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";
import { announce, SESSIONS, writeTokens } from "../subjects/subject.mjs";

const storage = new Map();
const grants = new Map();
class MemoryAdapter {
  constructor(model) {
    this.model = model;
  }
  key(id) {
    return `${this.model}:${id}`;
  }
  async upsert(id, payload) {
    storage.set(this.key(id), payload);
    if (payload.grantId !== undefined && this.model !== "Grant") {
      const keys = grants.get(payload.grantId);
      if (keys === undefined) grants.set(payload.grantId, [this.key(id)]);
      else keys.push(this.key(id));
    }
  }
  async find(id) {
    return storage.get(this.key(id));
  }
  async destroy(id) {
    storage.delete(this.key(id));
  }
  async consume(id) {
    const payload = storage.get(this.key(id));
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
  }
  async revokeByGrantId(grantId) {
    for (const key of grants.get(grantId) ?? []) storage.delete(key);
    grants.delete(grantId);
  }
}

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const resource = "http://127.0.0.1:4000";
const address = "http://127.0.0.1";
const provider = new Provider(address, {
  adapter: MemoryAdapter,
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig" }] },
  clients: [
    {
      client_id: "bench",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      redirect_uris: ["http://127.0.0.1/callback"],
      application_type: "native",
      id_token_signed_response_alg: "ES256",
    },
  ],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  scopes: ["openid", "offline_access", "api"],
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: "api",
        audience: resource,
        accessTokenTTL: 900,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
  ttl: { RefreshToken: 30 * 86_400, Grant: 30 * 86_400, AccessToken: 900, Session: 30 * 86_400, IdToken: 900 },
});
provider.proxy = true;

const client = await provider.Client.find("bench");
const tokens = [];
for (let nth = 0; nth < SESSIONS; nth++) {
  const accountId = `user-${nth}`;
  const grant = new provider.Grant({ accountId, clientId: "bench" });
  grant.addOIDCScope("offline_access");
  grant.addResourceScope(resource, "api");
  const grantId = await grant.save();
  const refreshToken = new provider.RefreshToken({
    accountId,
    client,
    grantId,
    gty: "authorization_code",
    scope: "offline_access api",
    resource,
    claims: {},
    authTime: Math.floor(Date.now() / 1000),
  });
  tokens.push(await refreshToken.save());
}
writeTokens((nth) => tokens[nth]);
announce(createServer(provider.callback()));
