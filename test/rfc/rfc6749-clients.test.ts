import { describe, expect, it } from "vitest";
import { basic, createOAuthBed, forPeople, type OAuthBed, type TestClient } from "../support/oauth-server.ts";
import { refused } from "../support/signed-in.ts";
import { type CallRequest, PASSWORD, type Pair } from "../support/test-bed.ts";

const ownToken = { grant_type: "client_credentials" };
const refreshOf = (token: string) => ({ grant_type: "refresh_token", refresh_token: token });
const passwordOf = { grant_type: "password", username: "ada", password: PASSWORD };

describe("RFC 6749 section 2.3: client authentication", () => {
  it("2.3.1: a client authenticates by HTTP Basic, in any case of the word, or by client_id and client_secret in the form", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    const lower = { authorization: client.basic.authorization!.replace("Basic", "basic") };
    for (const [form, headers] of [
      [{}, client.basic],
      [{}, lower],
      [{ client_id: client.id }, client.basic],
      [client.inForm, {}],
    ] as const) {
      const { status, body } = await bed.call("POST", "/token", { form: { ...ownToken, ...form }, headers });
      expect([status, Object.keys(body)]).toEqual([200, ["access_token", "token_type", "expires_in"]]);
    }
  });

  it("2.3.1: id and secret are form-encoded inside Basic, and a broken escape is no client", async () => {
    const bed = await createOAuthBed();
    const { id, secret } = await bed.client();
    const encoded = (text: string) =>
      [...text].map((letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");
    expect(
      (await bed.call("POST", "/token", { form: ownToken, headers: basic(encoded(id), encoded(secret)) })).status,
    ).toBe(200);
    for (const headers of [basic(`${id}%`, secret), basic(id, `${secret}%zz`), basic(`${id}+`, secret)]) {
      const { status, body } = await bed.call("POST", "/token", { form: ownToken, headers });
      expect([status, body.error]).toEqual([401, "invalid_client"]);
    }
  });

  it("2.3: a client that authenticates in two ways at once is refused with invalid_request", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    const { status, body } = await bed.post("/token", { ...ownToken, ...client.inForm }, client);
    expect([status, body.error]).toEqual([400, "invalid_request"]);
  });

  it("2.3.1: neither id nor secret is taken from the URL", async () => {
    const bed = await createOAuthBed();
    const { id, secret } = await bed.client();
    const { status, body } = await bed.post(`/token?client_id=${id}&client_secret=${secret}`, ownToken);
    expect([status, body.error]).toEqual([400, "invalid_request"]);
  });

  it("5.2: whoever is no client gets the same 401 invalid_client with a Basic challenge, and nothing is issued", async () => {
    const bed = await createOAuthBed();
    const [client, other, open] = [await bed.client(), await bed.client(), await bed.client({ kind: "public" })];
    const disabled = await bed.client();
    await bed.issuer.clients.disable(disabled.id);
    const answers = [];
    for (const [form, headers] of [
      [{}, basic(client.id, other.secret)],
      [{}, basic(client.id, `${client.secret}x`)],
      [{}, basic(client.id, client.secret.slice(0, -1))],
      [{}, basic(client.id, "")],
      [{}, basic(`${client.id}x`, client.secret)],
      [{}, basic("", client.secret)],
      [{}, basic("", "")],
      [{}, basic("first-party", client.secret)],
      [{}, basic(open.id, client.secret)],
      [{}, disabled.basic],
      [disabled.inForm, {}],
      [{ client_id: client.id }, {}],
      [{ client_id: client.id, client_secret: other.secret }, {}],
      [{ client_secret: client.secret }, {}],
      [{ client_id: other.id }, client.basic],
      [{}, { authorization: `Bearer ${client.secret}` }],
      [{}, { authorization: "Basic" }],
      [{}, { authorization: "Basic !" }],
      [{}, { authorization: `Basic ${Buffer.from(client.id).toString("base64")}` }],
      [{}, { authorization: `${client.basic.authorization}, ${client.basic.authorization}` }],
      [{}, {}],
    ] as const) {
      const {
        status,
        headers: sent,
        text,
      } = await bed.call("POST", "/token", { form: { ...ownToken, ...form }, headers });
      expect([form, headers, status, sent.get("www-authenticate")]).toEqual([
        form,
        headers,
        401,
        'Basic realm="latchkey"',
      ]);
      answers.push(text);
    }
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0]!).error).toBe("invalid_client");
    expect(bed.events.filter(({ type }) => type === "client.token_issued")).toEqual([]);
  });

  it("stores of a secret its SHA-256 alone, and tells it to nobody who asks later", async () => {
    const bed = await createOAuthBed();
    const { id, secret } = await bed.client();
    expect(secret).toMatch(/^lks_[A-Za-z0-9_-]{43}$/);
    const stored = JSON.stringify(await bed.store.findClient(id));
    expect(stored).not.toContain(secret);
    expect(
      JSON.stringify([await bed.issuer.clients.find(id), await bed.issuer.clients.list(), bed.events]),
    ).not.toMatch(/lks_|secret/i);
  });
});

describe("RFC 6749 section 4.3: the password grant", () => {
  it("gives a client a session of its own, with the scope it asks for, or all that it may have", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client({ ...forPeople, scope: "read write" });
    for (const [asked, granted] of [
      [{}, "read write"],
      [{ scope: "write" }, "write"],
    ] as const) {
      const { status, body } = await bed.post("/token", { ...passwordOf, ...asked }, client);
      expect([status, body.scope]).toEqual([200, granted]);
      expect(await bed.issuer.verify(body.access_token)).toMatchObject({
        client_id: client.id,
        sub: bed.userId,
        scope: granted,
      });
    }
    const { status, body } = await bed.post("/token", { ...passwordOf, scope: "read admin" }, client);
    expect([status, body.error]).toEqual([400, "invalid_scope"]);
  });

  it("5.2: is unauthorized_client for a client that may not, and the password is not even looked at", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    const { status, body } = await bed.post("/token", passwordOf, client);
    expect([status, body.error]).toEqual([400, "unauthorized_client"]);
    expect(bed.events.filter(({ type }) => type.startsWith("login."))).toEqual([]);
  });
});

describe("RFC 6749 section 4.4: client credentials", () => {
  it("4.4.3: return an access token without a refresh token or a session, whose sub is the client (RFC 9068 section 2.2)", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client({ scope: "a b" });
    const { status, body, headers } = await bed.post("/token", ownToken, client);
    expect([status, Object.keys(body)]).toEqual([200, ["access_token", "token_type", "expires_in", "scope"]]);
    expect([headers.get("cache-control"), headers.get("pragma")]).toEqual(["no-store", "no-cache"]);
    expect([body.token_type, body.expires_in, body.scope]).toEqual(["Bearer", 900, "a b"]);
    const claims = await bed.issuer.verifyAny(body.access_token);
    expect(claims).toEqual({
      iss: bed.issuer.options.issuer,
      sub: client.id,
      aud: bed.issuer.options.issuer,
      exp: claims.iat + 900,
      iat: Math.floor(bed.clock.now() / 1000),
      jti: expect.stringMatching(/^[\w-]{22}\.0\.[\w-]+$/),
      client_id: client.id,
      roles: [],
      scope: "a b",
    });
    expect((await bed.store.count(bed.clock.now())).liveSessions).toBe(0);
  });

  it("3.3: the scope requested is a part of what the client may have, all of it by default; more is invalid_scope", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client({ scope: "a b a c" });
    for (const [scope, granted] of [
      [{}, "a b c"],
      [{ scope: "c a" }, "c a"],
      [{ scope: " b  b " }, "b"],
    ] as const) {
      expect((await bed.post("/token", { ...ownToken, ...scope }, client)).body.scope).toBe(granted);
    }
    for (const scope of ["d", "a d", "A", "a,b", " ", 'a"', "a\tb", "x".repeat(2000)]) {
      const { status, body } = await bed.post("/token", { ...ownToken, scope }, client);
      expect([scope, status, body.error]).toEqual([scope, 400, "invalid_scope"]);
    }
    const none = await bed.client();
    expect((await bed.post("/token", { ...ownToken, scope: "a" }, none)).body.error).toBe("invalid_scope");
    expect(
      (await bed.issuer.verifyAny((await bed.post("/token", ownToken, none)).body.access_token)).scope,
    ).toBeUndefined();
  });

  it("4.4: are for confidential clients alone, and only for those that may", async () => {
    const bed = await createOAuthBed();
    for (const request of [{ kind: "public" }, forPeople] as const) {
      const client = await bed.client(request);
      const { status, body } = await bed.call("POST", "/token", { form: { ...ownToken, ...client.inForm } });
      expect([status, body.error]).toEqual([400, "unauthorized_client"]);
    }
    await expect(bed.client({ kind: "public", grantTypes: ["client_credentials"] })).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("a client's own access token is refused as wrong_token_type wherever a person is asked for, and changes nothing", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client({ scope: "a" });
    const { access_token: token } = (await bed.post("/token", ownToken, client)).body;
    const before = bed.store.statistics.transactions;
    for (const [method, path, json] of [
      ["GET", "/auth/me", undefined],
      ["GET", "/auth/sessions", undefined],
      ["DELETE", `/auth/sessions/${"A".repeat(22)}`, undefined],
      ["POST", "/auth/logout-all", undefined],
      ["POST", "/auth/reauthenticate", { password: PASSWORD }],
      ["POST", "/auth/password", { current_password: PASSWORD, new_password: `${PASSWORD}!` }],
      ["GET", "/auth/admin/metrics", undefined],
      ["POST", "/auth/refresh", undefined],
    ] as const) {
      const { status, body, headers } = await bed.call(method, path, { bearer: token, json });
      expect([path, status, body.error]).toEqual([path, 401, "wrong_token_type"]);
      expect(headers.get("www-authenticate")).toContain('error="invalid_token"');
    }
    expect((await bed.call("POST", "/auth/logout", { bearer: token })).status).toBe(204);
    expect((await bed.issuer.verifyAny(token)).sub).toBe(client.id);
    expect(bed.store.statistics.transactions).toBe(before);
    await expect(bed.issuer.verify(token)).rejects.toMatchObject({ code: "wrong_token_type" });
  });

  it("disabling the client ends its own access tokens at once, for every process, and enabling it again revives none", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    const issue = async () => (await bed.post("/token", ownToken, client)).body.access_token as string;
    const old = await issue();
    await bed.issuer.clients.disable(client.id);
    await expect(bed.issuer.verifyAny(old)).rejects.toMatchObject({ code: "invalid_access_token", status: 401 });
    await bed.issuer.clients.enable(client.id);
    await expect(bed.issuer.verifyAny(old)).rejects.toMatchObject({ code: "invalid_access_token" });
    expect((await bed.issuer.verifyAny(await issue())).sub).toBe(client.id);
    expect(bed.events.map(({ type }) => type).filter((type) => type.startsWith("client."))).toEqual([
      "client.created",
      "client.token_issued",
      "client.disabled",
      "client.enabled",
      "client.token_issued",
    ]);
  });
});

/** A public and a confidential client, each with a session of ada's, and one of the first party's. */
async function threeSessions(bed: OAuthBed) {
  const clients = [
    await bed.client({ ...forPeople, scope: "read write" }),
    await bed.client({ ...forPeople, kind: "public" }),
  ];
  const pairs = [];
  for (const client of [...clients, undefined]) pairs.push({ client, pair: await bed.signIn(client) });
  return pairs;
}

/** The refresh token as its cookie, with the CSRF token that belongs to it. */
function withCookies(bed: OAuthBed, pair: Pair): CallRequest {
  const csrfToken = bed.issuer.csrfToken(pair.session_id);
  return {
    headers: {
      cookie: `latchkey-refresh=${pair.refresh_token}; latchkey-csrf=${csrfToken}`,
      "x-csrf-token": csrfToken,
      "sec-fetch-site": "same-origin",
    },
  };
}

describe("RFC 6749 section 6: refreshing", () => {
  it("SECURITY 68: a refresh token is invalid_grant for any other client, without a write or an event, and stays good", async () => {
    const bed = await createOAuthBed();
    const sessions = await threeSessions(bed);
    const told = bed.events.length;
    for (const owner of sessions) {
      for (const { client } of sessions.filter((other) => other !== owner)) {
        const { status, body } = await bed.post("/token", refreshOf(owner.pair.refresh_token), client);
        expect([status, body.error]).toEqual([400, "invalid_grant"]);
        expect(body.error_description).toMatch(/^invalid_refresh_token: /);
      }
    }
    expect([bed.store.statistics.sessionWrites, bed.events.length]).toEqual([0, told]);
    for (const { client, pair } of sessions) {
      expect((await bed.post("/token", refreshOf(pair.refresh_token), client)).status).toBe(200);
    }
  });

  it("SECURITY 68: a client's refresh token is invalid_refresh_token at first-party routes, unwritten, and stays good", async () => {
    const bed = await createOAuthBed();
    const [confidential, open] = await threeSessions(bed);
    const told = bed.events.length;
    for (const { pair } of [confidential!, open!]) {
      const { refresh_token: token } = pair;
      for (const request of [{ json: { refresh_token: token } }, { bearer: token }, withCookies(bed, pair)]) {
        const { status, body } = await bed.call("POST", "/auth/refresh", request);
        expect([status, body.error]).toEqual([401, "invalid_refresh_token"]);
      }
      await expect(bed.issuer.refresh(token)).rejects.toMatchObject({ code: "invalid_refresh_token" });
    }
    expect([bed.store.statistics.sessionWrites, bed.events.length]).toEqual([0, told]);
    for (const { client, pair } of [confidential!, open!]) {
      expect((await bed.post("/token", refreshOf(pair.refresh_token), client)).status).toBe(200);
    }
  });

  it("CVE-2026-53512: a confidential client's refresh token needs its secret, and trying without it logs nobody out", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(forPeople);
    const pair = await bed.signIn(client);
    const attempts: [Readonly<Record<string, string>>, TestClient["basic"]][] = [
      [{}, {}],
      [{ client_id: "first-party" }, {}],
      [{ client_id: client.id }, {}],
      [{ client_id: client.id, client_secret: "lks_wrong" }, {}],
      [{}, basic(client.id, "")],
      [{}, basic(client.id, "lks_wrong")],
    ];
    for (let round = 0; round < 3; round++) {
      for (const [form, headers] of attempts) {
        const { status, body } = await bed.call("POST", "/token", {
          form: { ...refreshOf(pair.refresh_token), ...form },
          headers,
        });
        expect([400, 401]).toContain(status);
        expect(body.access_token).toBeUndefined();
      }
      bed.clock.advanceSeconds(60);
    }
    expect((await bed.post("/token", refreshOf(pair.refresh_token), client)).status).toBe(200);
    expect(bed.events.some(({ type }) => type === "refresh_token.reused")).toBe(false);
  });

  it("an old copy is refused to another client, and is no reuse to its own, which has proved who it is", async () => {
    const bed = await createOAuthBed();
    const [client, other] = [await bed.client(forPeople), await bed.client(forPeople)];
    const first = await bed.signIn(client);
    const second = (await bed.post("/token", refreshOf(first.refresh_token), client)).body;
    const third = (await bed.post("/token", refreshOf(second.refresh_token), client)).body;
    expect((await bed.post("/token", refreshOf(first.refresh_token), other)).body.error).toBe("invalid_grant");
    expect((await bed.post("/token", refreshOf(third.refresh_token), client)).status).toBe(200);
    const caughtUp = await bed.post("/token", refreshOf(first.refresh_token), client);
    expect(caughtUp.status).toBe(200);
    expect(bed.events).toContainEqual(expect.objectContaining({ type: "session.caught_up", generation: 1, known: 4 }));
  });

  it("an old copy is reuse to a public client, which has nothing to prove", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client({ ...forPeople, kind: "public" });
    const first = await bed.signIn(client);
    const second = (await bed.post("/token", refreshOf(first.refresh_token), client)).body;
    await bed.post("/token", refreshOf(second.refresh_token), client);
    const reused = await bed.post("/token", refreshOf(first.refresh_token), client);
    expect(reused.body.error_description).toMatch(/^refresh_token_reused/);
  });

  it("the scope requested is part of the session's, for one access token; more is invalid_scope and rotates nothing", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client({ ...forPeople, scope: "read write" });
    const pair = await bed.signIn(client);
    const more = await bed.post("/token", { ...refreshOf(pair.refresh_token), scope: "read admin" }, client);
    refused(more, 400, "invalid_scope");
    const less = (await bed.post("/token", { ...refreshOf(pair.refresh_token), scope: "read" }, client)).body;
    expect((await bed.issuer.verify(less.access_token)).scope).toBe("read");
    const all = (await bed.post("/token", refreshOf(less.refresh_token), client)).body;
    expect((await bed.issuer.verify(all.access_token)).scope).toBe("read write");
    // Section 5.1: the answer states what was granted.
    expect([less.scope, all.scope]).toEqual(["read", "read write"]);
  });

  it("is unauthorized_client for a client that may not refresh", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    const { refreshToken } = await bed.issuer.issue({ subject: bed.userId, clientId: client.id });
    expect((await bed.post("/token", refreshOf(refreshToken), client)).body.error).toBe("unauthorized_client");
  });

  it("a session that the application opens for a client is bound to it in the same way", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(forPeople);
    const { refreshToken } = await bed.issuer.issue({ subject: bed.userId, clientId: client.id });
    await expect(bed.issuer.refresh(refreshToken)).rejects.toMatchObject({ code: "invalid_refresh_token" });
    const pair = await bed.issuer.refresh(refreshToken, {}, { clientId: client.id });
    expect((await bed.post("/token", refreshOf(pair.refreshToken), client)).status).toBe(200);
    const own = await bed.issuer.issue({ subject: bed.userId, clientId: "kiosk" });
    expect((await bed.issuer.refresh(own.refreshToken, {}, { clientId: "kiosk" })).sessionId).toBe(own.sessionId);
    await expect(bed.issuer.issue({ subject: client.id })).rejects.toThrow(TypeError);
  });

  it("disabling a client ends its sessions, and those of no other", async () => {
    const bed = await createOAuthBed();
    const sessions = await threeSessions(bed);
    const [{ client, pair }, ...others] = sessions as [(typeof sessions)[0], ...typeof sessions];
    await bed.issuer.clients.disable(client!.id);
    await expect(bed.issuer.verify(pair.access_token)).rejects.toMatchObject({ code: "session_revoked" });
    expect((await bed.post("/token", refreshOf(pair.refresh_token), client)).body.error).toBe("invalid_client");
    await bed.issuer.clients.enable(client!.id);
    const after = await bed.post("/token", refreshOf(pair.refresh_token), client);
    expect(after.body.error_description).toMatch(/^session_revoked/);
    for (const other of others) {
      expect((await bed.post("/token", refreshOf(other.pair.refresh_token), other.client)).status).toBe(200);
    }
    expect(bed.events).toContainEqual(
      expect.objectContaining({ type: "session.revoked", sessionId: pair.session_id, reason: "client_disabled" }),
    );
  });
});

describe("RFC 6749 section 5.2: error responses", () => {
  it("an unknown grant_type is unsupported_grant_type, and so is the password grant where it is off", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    for (const grantType of ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "__proto__"]) {
      const { status, body } = await bed.post("/token", { grant_type: grantType }, client);
      expect([status, body.error]).toEqual([400, "unsupported_grant_type"]);
    }
  });
});
