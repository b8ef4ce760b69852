import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { boundTo, createProofKey, type ProofParts, proofBy } from "../support/dpop-proofs.ts";
import { createOAuthBed, forPeople } from "../support/oauth-server.ts";
import { createTestBed, PASSWORD, type TestBedOptions } from "../support/test-bed.ts";

const PERSON = { grant_type: "password", username: "ada", password: PASSWORD };

/** An OAuth bed with a key in hand, which signs ada in with proofs by it. */
async function setUp(options: TestBedOptions = {}) {
  const bed = await createOAuthBed(options);
  const key = await createProofKey();
  const token = async (form: Record<string, string>, parts: ProofParts = {}, by = key) =>
    bed.post("/token", form, undefined, { headers: { dpop: await proofBy(by, bed.clock, parts) } });
  const signIn = async () => (await token(PERSON)).body;
  const refresh = (pair: { readonly refresh_token: string }, parts: ProofParts = {}, by = key) =>
    token({ grant_type: "refresh_token", refresh_token: pair.refresh_token }, parts, by);
  return { ...bed, key, token, signPerson: signIn, refresh };
}

describe("RFC 9449, tokens", () => {
  it("section 5: a person's tokens are bound to the key of the proof, whichever route gives them, and say so", async () => {
    const bed = await setUp();
    const { status, body, headers } = await bed.token(PERSON);
    expect([status, body.token_type, headers.get("cache-control")]).toEqual([200, "DPoP", "no-store"]);
    const dpop = await proofBy(bed.key, bed.clock, { path: "/auth/login" });
    const login = await bed.call("POST", "/auth/login", {
      json: { username: "ada", password: PASSWORD },
      headers: { dpop },
    });
    expect([login.status, login.body.token_type]).toEqual([200, "DPoP"]);
    for (const pair of [body, login.body]) {
      expect(decodeJwt(pair.access_token).cnf).toEqual({ jkt: bed.key.jkt });
      expect((await bed.store.findSession(pair.session_id))?.jkt).toBe(bed.key.jkt);
    }
  });

  it("section 5: a proof opens one session, or gives one token, and no second", async () => {
    const bed = await setUp();
    const client = await bed.client();
    const path = "/auth/login";
    const json = { username: "ada", password: PASSWORD };
    const login = { json, headers: { dpop: await proofBy(bed.key, bed.clock, { path }) } };
    const own = { headers: { dpop: await proofBy(bed.key, bed.clock) } };
    const attempts = [
      () => bed.call("POST", path, login),
      () => bed.post("/token", { grant_type: "client_credentials" }, client, own),
    ];
    for (const attempt of attempts) {
      expect((await attempt()).status).toBe(200);
      expect((await attempt()).body).toMatchObject({ error: "invalid_dpop_proof" });
    }
    expect((await bed.store.count(bed.clock.now())).liveSessions).toBe(1);
    // Whoever has not shown a password or a secret uses no proof up.
    const wrong = {
      json: { ...json, password: "wrong" },
      headers: { dpop: await proofBy(bed.key, bed.clock, { path }) },
    };
    expect((await bed.call("POST", path, wrong)).body.error).toBe("invalid_credentials");
    expect((await bed.call("POST", path, { ...wrong, json })).status).toBe(200);
  });

  it("section 5: without a proof, tokens are bearer tokens as ever", async () => {
    const bed = await setUp();
    const pair = await bed.signIn();
    expect(pair.token_type).toBe("Bearer");
    expect(decodeJwt(pair.access_token)).not.toHaveProperty("cnf");
    expect((await bed.store.findSession(pair.session_id))?.jkt).toBeNull();
  });

  it("section 5: a client's own access token is bound by the same means", async () => {
    const bed = await setUp();
    const client = await bed.client({ scope: "revocations:read" });
    const headers = { dpop: await proofBy(bed.key, bed.clock) };
    const { body } = await bed.post("/token", { grant_type: "client_credentials" }, client, { headers });
    expect([body.token_type, decodeJwt(body.access_token).cnf]).toEqual(["DPoP", { jkt: bed.key.jkt }]);
    const path = "/auth/revocations";
    const good = await boundTo(bed.key, bed.clock, body.access_token, "GET", path);
    expect((await bed.call("GET", path, { headers: good })).status).toBe(200);
    expect((await bed.call("GET", path, { bearer: body.access_token })).status).toBe(401);
  });

  it("section 5: an invalid proof is refused with invalid_dpop_proof and 400, and nobody is signed in", async () => {
    const bed = await setUp();
    const before = bed.store.statistics.transactions;
    const { status, body, headers } = await bed.token(PERSON, { claims: { htm: "GET" } });
    expect([status, body.error, headers.get("www-authenticate")]).toEqual([400, "invalid_dpop_proof", null]);
    expect(body.error_description).toBe("The DPoP proof is not valid. Its 'htm' is not the method of this request.");
    expect(bed.store.statistics.transactions).toBe(before);
  });

  it("section 5: the refresh of a bound session takes a proof by its key, and gives tokens that are bound to it", async () => {
    const bed = await setUp();
    let pair = await bed.signPerson();
    for (let round = 0; round < 3; round++) {
      const { status, body } = await bed.refresh(pair);
      expect([status, body.token_type, decodeJwt(body.access_token).cnf]).toEqual([200, "DPoP", { jkt: bed.key.jkt }]);
      pair = body;
    }
    const dpop = await proofBy(bed.key, bed.clock, { path: "/auth/refresh" });
    const json = { refresh_token: pair.refresh_token };
    const { status, body } = await bed.call("POST", "/auth/refresh", { json, headers: { dpop } });
    expect([status, body.token_type]).toEqual([200, "DPoP"]);
  });

  it("section 5, SECURITY 51: a stolen refresh token without the key never changes the row and ends nothing", async () => {
    const bed = await setUp();
    const thief = await createProofKey();
    const first = await bed.signPerson();
    const second = (await bed.refresh(first)).body;
    const third = (await bed.refresh(second)).body;
    const row = await bed.store.findSession(first.session_id);
    const [writes, events] = [bed.store.statistics.sessionWrites, bed.events.length];
    for (const seconds of [0, 5, 600]) {
      bed.clock.advanceSeconds(seconds);
      for (const { refresh_token } of [first, second, third]) {
        const form = { grant_type: "refresh_token", refresh_token };
        const owners = await proofBy(bed.key, bed.clock, { path: "/auth/refresh" });
        for (const answer of [
          await bed.post("/token", form),
          await bed.token(form, {}, thief),
          await bed.post("/token", form, undefined, { headers: { dpop: owners } }),
          await bed.post("/token", form, undefined, { headers: { dpop: "" } }),
        ]) {
          expect([answer.status, answer.body.error]).toEqual([400, "invalid_dpop_proof"]);
        }
        for (const given of [{ json: { refresh_token } }, { bearer: refresh_token }]) {
          const answer = await bed.call("POST", "/auth/refresh", given);
          expect([answer.status, answer.body.error]).toEqual([401, "invalid_dpop_proof"]);
        }
        const cookie = { cookie: `latchkey-refresh=${refresh_token}` };
        const csrf = { "x-csrf-token": bed.issuer.csrfToken(first.session_id) };
        const byCookie = await bed.call("POST", "/auth/refresh", { headers: { ...cookie, ...csrf } });
        expect([byCookie.status, byCookie.body.error]).toEqual([401, "invalid_dpop_proof"]);
        const implicit = await bed.call("GET", "/auth/me", { headers: cookie });
        expect([implicit.status, implicit.body.error]).toEqual([401, "invalid_dpop_proof"]);
      }
    }
    expect([bed.store.statistics.sessionWrites, bed.events.length]).toEqual([writes, events]);
    expect(await bed.store.findSession(first.session_id)).toEqual(row);
    expect((await bed.refresh(third)).status).toBe(200);
  });

  it("section 5: a stale token with a proof of the session's key gets the newest one again, and writes nothing", async () => {
    const bed = await setUp();
    const first = await bed.signPerson();
    const second = (await bed.refresh(first)).body;
    const third = (await bed.refresh(second)).body;
    bed.clock.advanceSeconds(60);
    const before = bed.store.statistics.sessionWrites;
    for (const stale of [first, first]) {
      const caughtUp = await bed.refresh(stale);
      expect([caughtUp.status, caughtUp.body.refresh_token]).toEqual([200, third.refresh_token]);
    }
    expect(bed.store.statistics.sessionWrites).toBe(before);
    expect(bed.events).toContainEqual(expect.objectContaining({ type: "session.caught_up", generation: 1, known: 3 }));
    expect((await bed.refresh(third)).status).toBe(200);
  });

  it("section 5: with staleWithProof revoke, a client that has stolen the key as well is found out by reuse", async () => {
    const bed = await setUp({ staleWithProof: "revoke" });
    const first = await bed.signPerson();
    const second = (await bed.refresh(first)).body;
    const third = (await bed.refresh(second)).body;
    bed.clock.advanceSeconds(60);
    expect((await bed.refresh(first)).body.error_description).toMatch(/^refresh_token_reused/);
    expect((await bed.refresh(third)).body.error_description).toMatch(/^session_revoked/);
  });

  it("section 5: the same holds under strict rotation, where without a proof the token is refused for want of one", async () => {
    const bed = await setUp({ rotationGraceSeconds: 0 });
    const first = await bed.signPerson();
    const second = (await bed.refresh(first)).body;
    const again = await bed.refresh(first);
    expect([again.status, again.body.refresh_token]).toEqual([200, second.refresh_token]);
    const bare = await bed.post("/token", { grant_type: "refresh_token", refresh_token: first.refresh_token });
    expect(bare.body.error).toBe("invalid_dpop_proof");
    expect((await bed.refresh(second)).status).toBe(200);
  });

  it("section 5: racing twins and a retry after a lost response get the same successor, each with a proof of its own", async () => {
    const bed = await setUp();
    const first = await bed.signPerson();
    const twins = await Promise.all(Array.from({ length: 20 }, () => bed.refresh(first)));
    expect(new Set(twins.map(({ status }) => status))).toEqual(new Set([200]));
    const successors = new Set(twins.map(({ body }) => body.refresh_token));
    expect(successors.size).toBe(1);
    bed.clock.advanceSeconds(5);
    expect(successors).toContain((await bed.refresh(first)).body.refresh_token);
    // A twin without the key changes nothing for those that have it.
    const next = { refresh_token: [...successors][0] as string };
    const [good, bad] = await Promise.all([
      bed.refresh(next),
      bed.post("/token", { grant_type: "refresh_token", ...next }),
    ]);
    expect([good.status, bad.body.error]).toEqual([200, "invalid_dpop_proof"]);
  });

  it("section 5: the retry may not send the very same proof again", async () => {
    const bed = await setUp();
    const { refresh_token } = await bed.signPerson();
    const headers = { dpop: await proofBy(bed.key, bed.clock) };
    const form = { grant_type: "refresh_token", refresh_token };
    expect((await bed.post("/token", form, undefined, { headers })).status).toBe(200);
    const writes = bed.store.statistics.transactions;
    const again = await bed.post("/token", form, undefined, { headers });
    expect([again.status, again.body.error]).toEqual([400, "invalid_dpop_proof"]);
    expect(again.body.error_description).toContain("It has been used before.");
    expect(bed.store.statistics.transactions).toBe(writes);
  });

  it("section 5: a confidential client's session is bound to the client, its access tokens to the key of each request", async () => {
    const bed = await setUp();
    const client = await bed.client(forPeople);
    const other = await createProofKey("Ed25519");
    const signIn = { headers: { dpop: await proofBy(bed.key, bed.clock) } };
    const pair = (await bed.post("/token", PERSON, client, signIn)).body;
    expect(decodeJwt(pair.access_token).cnf).toEqual({ jkt: bed.key.jkt });
    expect((await bed.store.findSession(pair.session_id))?.jkt).toBeNull();
    const form = { grant_type: "refresh_token", refresh_token: pair.refresh_token };
    const next = await bed.post("/token", form, client, { headers: { dpop: await proofBy(other, bed.clock) } });
    expect([next.status, decodeJwt(next.body.access_token).cnf]).toEqual([200, { jkt: other.jkt }]);
    expect((await bed.post("/token", form)).body.error).toBe("invalid_grant");
  });

  it("section 5: the session of a public client is bound to the key", async () => {
    const bed = await setUp();
    const { id } = await bed.client({ ...forPeople, kind: "public" });
    const pair = (await bed.token({ ...PERSON, client_id: id })).body;
    expect((await bed.store.findSession(pair.session_id))?.jkt).toBe(bed.key.jkt);
    const form = { grant_type: "refresh_token", refresh_token: pair.refresh_token, client_id: id };
    expect((await bed.post("/token", form)).body.error).toBe("invalid_dpop_proof");
    expect((await bed.token(form)).status).toBe(200);
  });

  it("section 5: an unbound session that is refreshed with a proof stays unbound, and only that access token is bound", async () => {
    const bed = await setUp();
    const pair = await bed.signIn();
    const { body } = await bed.refresh(pair);
    expect([body.token_type, decodeJwt(body.access_token).cnf]).toEqual(["DPoP", { jkt: bed.key.jkt }]);
    expect((await bed.store.findSession(pair.session_id))?.jkt).toBeNull();
    const plain = await bed.post("/token", { grant_type: "refresh_token", refresh_token: body.refresh_token });
    expect([plain.status, plain.body.token_type]).toEqual([200, "Bearer"]);
  });

  it("section 5.1: the metadata lists the algorithms", async () => {
    const { body } = await (await createTestBed()).call("GET", "/.well-known/oauth-authorization-server");
    expect(body.dpop_signing_alg_values_supported).toEqual(["ES256", "ES384", "Ed25519", "EdDSA", "PS256", "RS256"]);
  });

  it("section 6.2: introspection names the key of an access token, and calls a bound refresh token active", async () => {
    const bed = await setUp();
    const pair = await bed.signPerson();
    const client = await bed.client();
    const asked = await bed.post("/introspect", { token: pair.access_token }, client);
    expect(asked.body).toMatchObject({ active: true, token_type: "DPoP", cnf: { jkt: bed.key.jkt } });
    const publicClient = await bed.client({ ...forPeople, kind: "confidential" });
    const own = (await bed.post("/token", PERSON, publicClient)).body;
    expect((await bed.post("/introspect", { token: own.access_token }, client)).body).toMatchObject({
      active: true,
      token_type: "Bearer",
    });
    const introspected = await bed.issuer.introspect(pair.refresh_token);
    expect(introspected).toMatchObject({ active: true, session: { jkt: bed.key.jkt } });
  });

  it("section 5: ending a session needs no proof, at /auth/logout and at /revoke", async () => {
    const bed = await setUp();
    for (const end of [
      (pair: Record<string, string>) =>
        bed.call("POST", "/auth/logout", { json: { refresh_token: pair.refresh_token } }),
      (pair: Record<string, string>) => bed.call("POST", "/auth/logout", { json: { access_token: pair.access_token } }),
      (pair: Record<string, string>) => bed.call("POST", "/auth/logout", { bearer: pair.access_token as string }),
      (pair: Record<string, string>) =>
        bed.call("POST", "/auth/logout", { headers: { authorization: `DPoP ${pair.access_token}` } }),
      (pair: Record<string, string>) => bed.post("/revoke", { token: pair.refresh_token as string }),
      (pair: Record<string, string>) => bed.post("/revoke", { token: pair.access_token as string }),
    ]) {
      const pair = await bed.signPerson();
      expect((await end(pair)).status).toBeLessThan(300);
      expect((await bed.store.findSession(pair.session_id))?.revokedFor).toBe("logout");
    }
  });

  it("section 5: proofs and cookies exclude each other, and nothing is done", async () => {
    const bed = await setUp({ registration: "open" });
    const pair = await bed.signPerson();
    const [writes, users] = [bed.store.statistics.transactions, (await bed.store.count(0)).users];
    const json = { username: "ben", password: PASSWORD, transport: "cookie" };
    const auth = (path: string) => boundTo(bed.key, bed.clock, pair.access_token, "POST", path);
    for (const [path, given] of [
      ["/auth/register", { json, headers: { dpop: await proofBy(bed.key, bed.clock, { path: "/auth/register" }) } }],
      [
        "/auth/login",
        {
          json: { ...json, username: "ada" },
          headers: { dpop: await proofBy(bed.key, bed.clock, { path: "/auth/login" }) },
        },
      ],
      [
        "/auth/reauthenticate",
        { json: { password: PASSWORD, transport: "cookie" }, headers: await auth("/auth/reauthenticate") },
      ],
    ] as const) {
      const { status, body, headers } = await bed.call("POST", path, given);
      expect([path, status, body.error]).toEqual([path, 400, "invalid_request"]);
      expect(body.error_description).toContain("Tokens in cookies cannot be bound to a key");
      expect(headers.getSetCookie()).toEqual([]);
    }
    expect([bed.store.statistics.transactions, (await bed.store.count(0)).users]).toEqual([writes, users]);
  });
});
