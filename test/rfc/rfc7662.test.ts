import { describe, expect, it } from "vitest";
import { basic, createOAuthBed, forPeople, type OAuthBed, type TestClient } from "../support/oauth-server.ts";
import { holdRepeatedWork } from "../support/repeated-work.ts";

const service = { grantTypes: ["client_credentials", "password", "refresh_token"], scope: "read write" } as const;

const ask = async (bed: OAuthBed, token: string, client: TestClient) => {
  const { status, text, body, headers } = await bed.post("/introspect", { token }, client);
  expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
  return { text, body };
};

/** What is said of a token that is not good, byte for byte. */
const INACTIVE = '{"active":false}';

const refreshed = async (bed: OAuthBed, token: string, client?: TestClient) =>
  (await bed.post("/token", { grant_type: "refresh_token", refresh_token: token }, client)).body;

describe("RFC 7662", () => {
  it("section 2.2: a good access token is active, with its claims, and is told apart from a refresh token", async () => {
    const bed = await createOAuthBed();
    const [resource, client] = [await bed.client(), await bed.client(service)];
    const pair = await bed.signIn(client);
    const { body } = await ask(bed, pair.access_token, resource);
    const claims = await bed.issuer.verify(pair.access_token);
    expect(body).toEqual({ ...claims, active: true, token_type: "Bearer", token_use: "access_token" });
    expect(body).toMatchObject({ sub: bed.userId, client_id: client.id, scope: "read write", sid: pair.session_id });
  });

  it("section 2.2: a client's own access token is active, without a session", async () => {
    const bed = await createOAuthBed();
    const [resource, client] = [await bed.client(), await bed.client(service)];
    const { access_token: token } = (await bed.post("/token", { grant_type: "client_credentials" }, client)).body;
    const { body } = await ask(bed, token, resource);
    expect(body).toMatchObject({ active: true, sub: client.id, client_id: client.id, scope: "read write" });
    expect(Object.keys(body)).not.toContain("sid");
    await bed.issuer.clients.disable(client.id);
    expect((await ask(bed, token, resource)).text).toBe(INACTIVE);
    await bed.issuer.clients.enable(client.id);
    expect((await ask(bed, token, resource)).text).toBe(INACTIVE);
  });

  it("section 2.2: own claims are told, and cannot pass for what introspection itself says", async () => {
    const bed = await createOAuthBed();
    const resource = await bed.client();
    const issue = (claims: Record<string, string>) => bed.issuer.issue({ subject: bed.userId, claims });
    const { accessToken } = await issue({ tenant: "acme" });
    expect((await ask(bed, accessToken, resource)).body.tenant).toBe("acme");
    for (const name of ["active", "token_type", "token_use", "username"]) {
      await expect(issue({ [name]: "x" })).rejects.toThrow(`'${name}' would shadow a registered claim`);
    }
  });

  it("section 2.2: a refresh token is active for its own client exactly while it would be accepted; asking costs nothing", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(service);
    const first = await bed.signIn(client);
    const before = await bed.store.findSession(first.session_id);
    const { body } = await ask(bed, first.refresh_token, client);
    expect(body).toEqual({
      active: true,
      token_use: "refresh_token",
      iss: bed.issuer.options.issuer,
      sub: bed.userId,
      client_id: client.id,
      sid: first.session_id,
      exp: bed.clock.now() / 1000 + first.refresh_expires_in,
      scope: "read write",
    });
    expect(await bed.store.findSession(first.session_id)).toEqual(before);

    const second = await refreshed(bed, first.refresh_token, client);
    const third = await refreshed(bed, second.refresh_token, client);
    const active = async (token: string) => (await ask(bed, token, client)).body.active;
    expect([
      await active(first.refresh_token),
      await active(second.refresh_token),
      await active(third.refresh_token),
    ]).toEqual([false, true, true]);
    expect((await refreshed(bed, third.refresh_token, client)).access_token).toBeDefined();
    expect(await active(second.refresh_token)).toBe(false);
    // Asking about one that has been replaced is no reuse.
    expect((await bed.store.findSession(first.session_id))?.revokedAt).toBeNull();
  });

  it("section 2.2: a refresh token of another client or of the first party is not active, since the asker could not use it", async () => {
    const bed = await createOAuthBed();
    const [client, other] = [await bed.client(service), await bed.client(service)];
    expect((await ask(bed, (await bed.signIn(other)).refresh_token, client)).text).toBe(INACTIVE);
    const { refresh_token: firstParty } = await bed.signIn();
    expect((await ask(bed, firstParty, client)).text).toBe(INACTIVE);
    expect(await bed.issuer.introspect(firstParty)).toMatchObject({ active: true, kind: "refresh_token" });
  });

  it("SECURITY 50, section 2.2: of every token that is not good it says active: false and nothing more", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(service);
    const [live, revoked, expired] = [await bed.signIn(client), await bed.signIn(client), await bed.signIn(client)];
    await bed.issuer.sessions.revoke(revoked.session_id);
    const own = (await bed.post("/token", { grant_type: "client_credentials" }, client)).body.access_token;
    for (const token of [
      revoked.access_token,
      revoked.refresh_token,
      `${live.access_token.slice(0, -4)}AAAA`,
      `${live.refresh_token.slice(0, -4)}AAAA`,
      "lkr_x",
      "x",
      client.secret,
      client.id,
    ]) {
      expect([token, (await ask(bed, token, client)).text]).toEqual([token, INACTIVE]);
    }
    bed.clock.advanceSeconds(906);
    for (const token of [live.access_token, own]) expect((await ask(bed, token, client)).text).toBe(INACTIVE);
    expect((await ask(bed, expired.refresh_token, client)).body.active).toBe(true);
    bed.clock.advanceSeconds(14 * 86_400);
    expect((await ask(bed, expired.refresh_token, client)).text).toBe(INACTIVE);
  });

  it("section 2.2: tokens of a user who has been disabled are not active", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(service);
    const pair = await bed.signIn(client);
    await bed.store.disableUser(bed.userId, bed.clock.now());
    for (const token of [pair.access_token, pair.refresh_token])
      expect((await ask(bed, token, client)).text).toBe(INACTIVE);
  });

  it("section 2.2: a session that another process has revoked a moment ago is not active", async () => {
    holdRepeatedWork();
    const bed = await createOAuthBed();
    const client = await bed.client(service);
    const pair = await bed.signIn(client);
    await bed.store.revokeSessions([pair.session_id], { at: bed.clock.now(), reason: "logout" });
    expect((await bed.issuer.verify(pair.access_token)).sid).toBe(pair.session_id);
    for (const token of [pair.access_token, pair.refresh_token])
      expect((await ask(bed, token, client)).text).toBe(INACTIVE);
  });

  it("section 2.2: a client that another process has disabled, or disabled and enabled again, has no active token", async () => {
    holdRepeatedWork();
    const bed = await createOAuthBed();
    const [resource, client] = [await bed.client(), await bed.client(service)];
    const { access_token: token } = (await bed.post("/token", { grant_type: "client_credentials" }, client)).body;
    await bed.store.disableClient(client.id, bed.clock.now());
    expect((await bed.issuer.verifyAny(token)).sub).toBe(client.id);
    expect((await ask(bed, token, resource)).text).toBe(INACTIVE);
    await bed.store.enableClient(client.id, `${"B".repeat(21)}A`, bed.clock.now());
    expect((await ask(bed, token, resource)).text).toBe(INACTIVE);
  });

  it("asks the application for its own subjects", async () => {
    const known = new Map([["customer-7", { roles: [] }]]);
    const bed = await createOAuthBed({ subjects: async () => known });
    const client = await bed.client(service);
    const { refreshToken } = await bed.issuer.issue({ subject: "customer-7", clientId: client.id });
    expect((await ask(bed, refreshToken, client)).body).toMatchObject({ active: true, sub: "customer-7" });
    known.clear();
    expect((await ask(bed, refreshToken, client)).text).toBe(INACTIVE);
    expect((await bed.store.findSession((await bed.store.listSessions("customer-7", 0))[0]!.id))?.revokedAt).toBeNull();
  });

  it("SECURITY 50, sections 2.1 and 4: only a confidential client that has authenticated is answered", async () => {
    const bed = await createOAuthBed();
    const [client, open] = [await bed.client(service), await bed.client({ ...forPeople, kind: "public" })];
    const pair = await bed.signIn(open);
    for (const [form, headers] of [
      [{}, {}],
      [{ client_id: "first-party" }, {}],
      [open.inForm, {}],
      [{}, open.basic],
      [{ client_id: client.id }, {}],
      [{}, basic(client.id, "lks_wrong")],
      [{}, { authorization: `Bearer ${pair.access_token}` }],
    ] as const) {
      const form_ = { token: pair.access_token, ...form };
      const { status, body, headers: sent } = await bed.call("POST", "/introspect", { form: form_, headers });
      expect([form, headers, status, body.error]).toEqual([form, headers, 401, "invalid_client"]);
      expect(sent.get("www-authenticate")).toBe('Basic realm="latchkey"');
    }
    const inForm = await bed.call("POST", "/introspect", { form: { token: pair.access_token, ...client.inForm } });
    expect(inForm.body.active).toBe(true);
  });
});
