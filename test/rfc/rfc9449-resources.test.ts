import { createHmac, hkdfSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../../src/index.ts";
import { boundTo, createProofKey, type ProofParts, proofBy } from "../support/dpop-proofs.ts";
import {
  createTestBed,
  createTestClock,
  ISSUER,
  PASSWORD,
  reply,
  SECRET,
  type TestBedOptions,
} from "../support/test-bed.ts";
import { outcome, serveBed } from "../support/verifiers.ts";

const ALGORITHMS = "ES256 ES384 Ed25519 EdDSA PS256 RS256";

/** A test bed where ada has signed in with a key, and requests that she makes with it. */
async function setUp(options: TestBedOptions = {}) {
  const bed = await createTestBed(options);
  const key = await createProofKey();
  await bed.login();
  const nonce = bed.issuer.dpopNonce();
  const dpop = await proofBy(key, bed.clock, { path: "/auth/login", nonce });
  const json = { username: "ada", password: PASSWORD };
  const pair = (await bed.call("POST", "/auth/login", { json, headers: { dpop } })).body;
  const headersFor = (path: string, method = "GET", parts: ProofParts = {}, token: string = pair.access_token) =>
    boundTo(key, bed.clock, token, method, path, parts);
  const me = async (parts: ProofParts = {}, token: string = pair.access_token) =>
    bed.call("GET", "/auth/me", { headers: await headersFor("/auth/me", "GET", parts, token) });
  return { ...bed, key, pair, headersFor, me };
}

describe("RFC 9449, protected resources", () => {
  it("section 7.1: every route that takes an access token takes a bound one with its proof, in any case of the scheme", async () => {
    const { call, me, headersFor } = await setUp();
    expect([(await me()).status, (await me()).body.username]).toEqual([200, "ada"]);
    for (const scheme of ["dpop", "DPOP"]) {
      const headers = await headersFor("/auth/me");
      headers.authorization = headers.authorization!.replace("DPoP", scheme);
      expect((await call("GET", "/auth/me", { headers })).status).toBe(200);
    }
    expect((await call("GET", "/auth/sessions?x=1", { headers: await headersFor("/auth/sessions") })).status).toBe(200);
  });

  it("section 7.1: a proof that is missing, another's, of another request or of another token is invalid_dpop_proof", async () => {
    const { call, me, pair, key, clock, issuer, headersFor } = await setUp();
    const thief = await createProofKey();
    const own = await headersFor("/auth/me");
    const other = await issuer.issue({
      subject: (await issuer.verify(pair.access_token, { dpop: presentedIn(await headersFor("/x")) })).sub,
      dpop: { proof: await proofBy(key, clock, { path: "/y" }), method: "POST", url: `${ISSUER}/y` },
    });
    for (const [headers, said] of [
      [{ authorization: own.authorization! }, "has no 'DPoP' header"],
      [{ ...own, dpop: "" }, "has no 'DPoP' header"],
      [
        await boundTo(thief, clock, pair.access_token, "GET", "/auth/me"),
        "not the one that the access token is bound to",
      ],
      [await headersFor("/auth/sessions"), "'htu'"],
      [await headersFor("/auth/me", "POST"), "'htm'"],
      [{ ...(await headersFor("/auth/me", "GET", {}, other.accessToken)), authorization: own.authorization! }, "'ath'"],
      [{ ...own, dpop: await proofBy(key, clock, { method: "GET", path: "/auth/me" }) }, "'ath'"],
    ] as const) {
      const { status, body, headers: answered } = await call("GET", "/auth/me", { headers });
      expect([said, status, body.error]).toEqual([said, 401, "invalid_dpop_proof"]);
      expect(body.error_description).toContain(said);
      expect(answered.get("www-authenticate")).toMatch(
        `DPoP realm="latchkey", algs="${ALGORITHMS}", error="invalid_dpop_proof", error_description="invalid_dpop_proof: `,
      );
    }
    expect((await me()).status).toBe(200);
  });

  it("section 7.1: a proof is good once, whichever route it was for", async () => {
    const { call, headersFor, clock } = await setUp();
    const headers = await headersFor("/auth/me");
    const again = async () => (await call("GET", "/auth/me", { headers })).body.error_description;
    expect(await again()).toBeUndefined();
    for (const seconds of [0, 30, 30]) {
      clock.advanceSeconds(seconds);
      expect(await again()).toContain("It has been used before.");
    }
    clock.advanceSeconds(1);
    expect(await again()).toContain("'iat'");
    const claims = { jti: "same" };
    expect((await call("GET", "/auth/me", { headers: await headersFor("/auth/me", "GET", { claims }) })).status).toBe(
      200,
    );
    const elsewhere = await headersFor("/auth/sessions", "GET", { claims });
    expect((await call("GET", "/auth/sessions", { headers: elsewhere })).status).toBe(401);
  });

  it("section 7.1: of a hundred that race with one proof exactly one gets through", async () => {
    const { call, headersFor } = await setUp();
    const headers = await headersFor("/auth/me");
    const answers = await Promise.all(Array.from({ length: 100 }, () => call("GET", "/auth/me", { headers })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.error === "invalid_dpop_proof")).toHaveLength(99);
  });

  it("section 7.1: a good proof does not make a bad token good, and the challenge asks for DPoP", async () => {
    const { me, clock, pair, issuer } = await setUp();
    const refusedWith = async (code: string) => {
      const { status, body, headers } = await me();
      expect([status, body.error]).toEqual([401, code]);
      expect(headers.get("www-authenticate")).toMatch(/^DPoP realm="latchkey", algs="ES256 .*error="invalid_token"/);
    };
    await issuer.logout(pair.access_token);
    await refusedWith("session_revoked");
    clock.advanceSeconds(906);
    await refusedWith("access_token_expired");
  });

  it("section 7.1: what else the route asks for is asked in the same scheme", async () => {
    const { call, headersFor } = await setUp();
    const headers = await headersFor("/auth/admin/metrics");
    const answer = await call("GET", "/auth/admin/metrics", { headers });
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
      403,
      expect.stringMatching(/^DPoP .*error="insufficient_scope"/),
    ]);
  });

  it("section 7.2: a bound token as a bearer token, in a cookie or in the body is refused, with and without a proof beside it", async () => {
    const { call, headersFor, pair, issuer } = await setUp();
    const { dpop } = await headersFor("/auth/me");
    for (const proof of [{}, { dpop: dpop! }]) {
      for (const where of [
        { authorization: `Bearer ${pair.access_token}` },
        { cookie: `latchkey-access=${pair.access_token}` },
      ]) {
        const answer = await call("GET", "/auth/me", { headers: { ...proof, ...where } });
        expect([answer.status, answer.body.error]).toEqual([401, "invalid_access_token"]);
        expect(answer.headers.get("www-authenticate")).toMatch(/^DPoP .*algs="ES256 .*error="invalid_token"/);
        expect(answer.body.error_description).toContain("bound to a key");
      }
    }
    const guard = createGuard(issuer, { locations: ["header", "body", "query"] });
    const token = pair.access_token;
    for (const [url, known] of [
      [`${ISSUER}/x`, { accessToken: token }],
      [`${ISSUER}/x?access_token=${token}`, {}],
    ] as const) {
      const given = new Request(url, { headers: { dpop: dpop! } });
      expect(await outcome(guard.admit(given, known))).toBe("invalid_access_token");
    }
    for (let round = 0; round < 3; round++) {
      expect(await outcome(issuer.verify(token))).toBe("invalid_access_token");
      expect(await outcome(issuer.verifyAny(token))).toBe("invalid_access_token");
    }
  });

  it("section 7.2: a token that is bound to no key is refused under the DPoP scheme", async () => {
    const bed = await setUp();
    const { access_token: token } = await bed.login();
    const { status, body, headers } = await bed.me({}, token);
    expect([status, body.error]).toEqual([401, "invalid_access_token"]);
    expect(body.error_description).toContain("not bound to a key");
    expect(headers.get("www-authenticate")).toMatch(/^DPoP /);
    expect((await bed.call("GET", "/auth/me", { bearer: token })).status).toBe(200);
  });

  it("section 7.2: two tokens, or two schemes, are refused", async () => {
    const { call, headersFor, issuer } = await setUp();
    const headers = await headersFor("/auth/me");
    const both = { ...headers, authorization: `${headers.authorization}, Bearer x.y.z` };
    expect((await call("GET", "/auth/me", { headers: both })).status).toBe(401);
    const guard = createGuard(issuer, { locations: ["header", "body"] });
    const given = new Request(`${ISSUER}/auth/me`, { headers });
    expect(await outcome(guard.admit(given, { accessToken: "a.b.c" }))).toBe("invalid_request");
  });

  it("section 7: reauthentication keeps the token bound to its key", async () => {
    const { call, headersFor, key, me } = await setUp();
    const path = "/auth/reauthenticate";
    const { status, body } = await call("POST", path, {
      json: { password: PASSWORD },
      headers: await headersFor(path, "POST"),
    });
    expect([status, body.token_type]).toEqual([200, "DPoP"]);
    expect(key.jkt).toBe(JSON.parse(Buffer.from(body.access_token.split(".")[1], "base64url").toString()).cnf.jkt);
    expect((await me({}, body.access_token)).status).toBe(200);
  });

  it("section 7: forward auth refuses bound tokens in either scheme and says who can verify them", async () => {
    const { call, headersFor, pair } = await setUp();
    const forwarded = {
      "x-forwarded-proto": "http",
      "x-forwarded-host": "127.0.0.1:4000",
      "x-forwarded-uri": "/orders",
      "x-forwarded-method": "GET",
    };
    for (const path of ["/orders", "/auth/verify"]) {
      const headers = { ...forwarded, ...(await headersFor(path)) };
      const answer = await call("GET", "/auth/verify", { headers });
      expect([answer.status, answer.body.error]).toEqual([401, "invalid_access_token"]);
      expect(answer.body.error_description).toContain("The service that receives the request must verify the token.");
      expect(answer.headers.get("x-auth-subject")).toBeNull();
    }
    expect((await call("GET", "/auth/verify", { bearer: pair.access_token })).status).toBe(401);
  });
});

/** What stands in the headers that {@link boundTo} makes for `/x`. */
function presentedIn(headers: Record<string, string>) {
  return { proof: headers.dpop, method: "GET", url: `${ISSUER}/x` };
}

describe("RFC 9449, guards", () => {
  const guarded = async (options: GuardOptions = {}, bedOptions: TestBedOptions = {}) => {
    const bed = await setUp(bedOptions);
    const guard = createGuard(bed.issuer, options);
    const get = async (url: string, headers: Record<string, string>) =>
      reply(await guard.protect((_, { auth }) => Response.json({ sub: auth?.sub }))(new Request(url, { headers })));
    return { ...bed, guard, get };
  };

  it("hold a proof against the issuer's origin and the request's path", async () => {
    const { get, headersFor } = await guarded();
    expect((await get(`${ISSUER}/orders/1?page=2`, await headersFor("/orders/1"))).status).toBe(200);
    const { status, body, headers } = await get(`${ISSUER}/orders/1`, await headersFor("/orders/2"));
    expect([status, body.error]).toEqual([401, "invalid_dpop_proof"]);
    expect(headers.get("www-authenticate")).toMatch(/^DPoP /);
  });

  it("do not believe the request's Host: a proof that was made for another server is not good here", async () => {
    const { get, headersFor } = await guarded();
    const claims = { htu: "https://evil.example/orders" };
    const stolen = { ...(await headersFor("/orders", "GET", { claims })), host: "evil.example" };
    expect((await get("https://evil.example/orders", stolen)).body.error).toBe("invalid_dpop_proof");
    // And behind a proxy that speaks http to the inside, under another name, a good one is.
    expect((await get("http://10.0.0.1:3000/orders", await headersFor("/orders"))).status).toBe(200);
  });

  it("take 'publicUrl' for an application that clients reach elsewhere, with the path that its proxy takes away", async () => {
    const { get, headersFor } = await guarded({ publicUrl: "https://api.example.com/v1" });
    const claims = { htu: "https://api.example.com/v1/orders" };
    expect((await get("http://10.0.0.1/orders", await headersFor("/", "GET", { claims }))).status).toBe(200);
    expect((await get("http://10.0.0.1/orders", await headersFor("/orders"))).status).toBe(401);
  });

  it.each([
    "",
    "api.example.com",
    "ftp://a.example",
    "https://a.example/",
    "https://a.example/v1/",
    "https://a.example?x",
    "https://u@a.example",
    1,
  ])("name 'publicUrl' in a TypeError when it is %j", async (publicUrl) => {
    const { issuer } = await setUp();
    expect(() => createGuard(issuer, { publicUrl } as never)).toThrow(/^Option 'publicUrl' must be an absolute/);
  });

  it("ask for their scopes and freshness in the scheme of the request", async () => {
    const { get, headersFor } = await guarded({ scope: "orders:write" });
    const lacking = await get(`${ISSUER}/orders`, await headersFor("/orders"));
    expect([lacking.status, lacking.headers.get("www-authenticate")]).toEqual([403, expect.stringMatching(/^DPoP /)]);
  });

  it("give a nonce with their refusal, with which the next proof is good", async () => {
    const { get, headersFor } = await guarded({}, { dpopNonce: "required" });
    const refused = await get(`${ISSUER}/orders`, await headersFor("/orders"));
    expect([refused.status, refused.body.error]).toEqual([401, "use_dpop_nonce"]);
    expect(refused.headers.get("www-authenticate")).toMatch(/^DPoP .*error="use_dpop_nonce"/);
    const nonce = refused.headers.get("dpop-nonce")!;
    expect((await get(`${ISSUER}/orders`, await headersFor("/orders", "GET", { nonce }))).status).toBe(200);
  });
});

describe("RFC 9449, latchkey/verify", () => {
  /** Another service, which holds no issuer. */
  async function service() {
    const bed = await serveBed();
    const key = await createProofKey("Ed25519");
    const issued = await bed.issuer.issue({
      subject: "ada",
      dpop: { proof: await proofBy(key, bed.clock), method: "POST", url: `${ISSUER}/token` },
    });
    const url = "https://orders.example.com/orders";
    const dpop = async (parts: ProofParts = {}, by = key) => ({
      proof: await proofBy(by, bed.clock, {
        method: "GET",
        accessToken: issued.accessToken,
        ...parts,
        claims: { htu: url, ...parts.claims },
      }),
      method: "GET",
      url: `${url}?page=1`,
    });
    return { ...bed, key, token: issued.accessToken, plain: () => bed.token(), dpop };
  }

  it("verifies a bound token with its proof, once", async () => {
    const { verifier, token, dpop, key } = await service();
    const { verify } = verifier();
    const presented = { dpop: await dpop() };
    expect((await verify(token, presented)).cnf).toEqual({ jkt: key.jkt });
    expect(await outcome(verify(token, presented))).toBe("invalid_dpop_proof");
    expect(await outcome(verify(token, { dpop: await dpop() }))).toBe("good");
  });

  it("cannot be made to forget the proof: a bound token without one is refused, also when it is remembered", async () => {
    const { verifier, token, dpop } = await service();
    const { verify, verifyAny } = verifier();
    for (let round = 0; round < 3; round++) {
      for (const attempt of [
        () => verify(token),
        () => verifyAny(token),
        () => verify(token, {}),
        () => verify(token, { dpop: undefined }),
      ]) {
        const error = await attempt().catch((thrown) => thrown);
        expect([error.code, error.challenge]).toEqual(["invalid_access_token", "DPoP"]);
      }
      for (const proof of [null, undefined, ""]) {
        const presented = { dpop: { ...(await dpop()), proof } };
        expect(await outcome(verify(token, presented))).toBe("invalid_dpop_proof");
      }
      expect(await outcome(verify(token, { dpop: await dpop() }))).toBe("good");
    }
  });

  it("refuses a token that is bound to no key under the DPoP scheme, and the proof of another key or token", async () => {
    const { verifier, token, plain, dpop } = await service();
    const { verify } = verifier();
    const unbound = await plain();
    const proof = await dpop({ accessToken: unbound });
    expect(await outcome(verify(unbound, { dpop: proof }))).toBe("invalid_access_token");
    expect(await outcome(verify(unbound))).toBe("good");
    const thief = await createProofKey();
    expect(await outcome(verify(token, { dpop: await dpop({}, thief) }))).toBe("invalid_dpop_proof");
    expect(await outcome(verify(token, { dpop: proof }))).toBe("invalid_dpop_proof");
  });
});

describe("RFC 9449, nonces", () => {
  it("section 8: none is asked for and none given unless the option says so", async () => {
    const { me, issuer } = await setUp();
    expect((await me()).headers.get("dpop-nonce")).toBeNull();
    expect(issuer.dpopNonce()).toBeUndefined();
  });

  it("section 8: the token endpoint asks for one with 400 use_dpop_nonce, and takes the proof that has it", async () => {
    const bed = await createTestBed({ dpopNonce: "required" }, { passwordGrant: true });
    await bed.login();
    const key = await createProofKey();
    const form = { grant_type: "password", username: "ada", password: PASSWORD };
    const sessions = (await bed.store.count(bed.clock.now())).liveSessions;
    const first = await bed.call("POST", "/token", { form, headers: { dpop: await proofBy(key, bed.clock) } });
    expect([first.status, first.body.error, first.headers.get("www-authenticate")]).toEqual([
      400,
      "use_dpop_nonce",
      null,
    ]);
    expect((await bed.store.count(bed.clock.now())).liveSessions).toBe(sessions);
    const nonce = first.headers.get("dpop-nonce")!;
    const dpop = await proofBy(key, bed.clock, { nonce });
    const second = await bed.call("POST", "/token", { form, headers: { dpop } });
    expect([second.status, second.body.token_type, second.headers.get("dpop-nonce")]).toEqual([200, "DPoP", nonce]);
    // Whoever makes no proofs is told nothing of nonces, and needs none.
    const plain = await bed.call("POST", "/token", { form });
    expect([plain.status, plain.headers.get("dpop-nonce")]).toEqual([200, null]);
  });

  it("section 9: resources ask for one with 401 use_dpop_nonce, and hand out the next before the old one is over", async () => {
    const { me, clock, issuer } = await setUp({ dpopNonce: "required" });
    const refused = await me();
    expect([refused.status, refused.body.error]).toEqual([401, "use_dpop_nonce"]);
    expect(refused.headers.get("www-authenticate")).toMatch(/^DPoP .*algs=".*", error="use_dpop_nonce"/);
    const nonce = refused.headers.get("dpop-nonce")!;
    expect(nonce).toBe(issuer.dpopNonce());
    expect((await me({ nonce })).status).toBe(200);
    clock.advanceSeconds(60);
    const later = await me({ nonce });
    expect([later.status, later.headers.get("dpop-nonce") === nonce]).toEqual([200, false]);
    clock.advanceSeconds(60);
    expect((await me({ nonce })).body.error).toBe("use_dpop_nonce");
    expect((await me({ nonce: later.headers.get("dpop-nonce")! })).status).toBe(200);
  });

  it("section 8: nonces are nobody else's, and every process with the same root secret, or the one before it, takes them", async () => {
    const NEW_SECRET = "Zs0pW8dK3vXn7bQy2mRf6tLh1cJg9uEa5iToVwYx4CN";
    const { me, issuer, clock } = await setUp({ dpopNonce: "required" });
    const theirs = createHmac("sha256", Buffer.alloc(32)).update("1").digest("base64url").slice(0, 24);
    const flipped = issuer.dpopNonce()!.replace(/^./, (first) => (first === "A" ? "B" : "A"));
    for (const nonce of [theirs, flipped, "", issuer.dpopNonce()!.slice(0, 23), `${issuer.dpopNonce()}A`]) {
      expect([nonce, (await me({ nonce })).body.error]).toEqual([nonce, "use_dpop_nonce"]);
    }
    const key = hkdfSync("sha256", SECRET, "latchkey", "dpop nonce v1", 32);
    const span = String(Math.floor(clock.now() / 60_000));
    const expected = createHmac("sha256", Buffer.from(key)).update(span).digest().subarray(0, 18);
    expect(issuer.dpopNonce()).toBe(expected.toString("base64url"));

    const beds = await Promise.all([
      setUp({ dpopNonce: "required" }),
      setUp({ dpopNonce: "required", secret: NEW_SECRET, previousSecret: SECRET }),
    ]);
    for (const other of beds) expect((await other.me({ nonce: issuer.dpopNonce()! })).status).toBe(200);
    // Of a process whose clock is ahead by no more than a minute.
    const ahead = await createTestBed({ dpopNonce: "required" }, {}, createTestClock(clock.now() + 60_000));
    expect((await me({ nonce: ahead.issuer.dpopNonce()! })).status).toBe(200);
    ahead.clock.advanceSeconds(60);
    expect((await me({ nonce: ahead.issuer.dpopNonce()! })).body.error).toBe("use_dpop_nonce");
    const unrelated = await setUp({ dpopNonce: "required", secret: NEW_SECRET });
    expect((await unrelated.me({ nonce: issuer.dpopNonce()! })).body.error).toBe("use_dpop_nonce");
  });

  it("section 8: pages of allowed origins may send proofs and read nonces", async () => {
    const origin = "https://app.example.com";
    const bed = await createTestBed({ dpopNonce: "required" }, { allowedOrigins: [origin] });
    const preflight = await bed.call("OPTIONS", "/auth/me", {
      headers: {
        origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,dpop",
      },
    });
    expect(preflight.headers.get("access-control-allow-headers")).toContain("DPoP");
    const answer = await bed.call("GET", "/auth/me", { headers: { origin, dpop: "x" } });
    expect(answer.headers.get("access-control-expose-headers")).toContain("DPoP-Nonce");
    expect(answer.headers.get("dpop-nonce")).toBe(bed.issuer.dpopNonce());
  });
});
