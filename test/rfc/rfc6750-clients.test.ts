import { describe, expect, it } from "vitest";
import { createGuard, type Guard } from "../../src/index.ts";
import { createOAuthBed } from "../support/oauth-server.ts";
import { createTestBed, reply } from "../support/test-bed.ts";

const URL_OF_API = "https://api.example.com/reports";

async function answer(guard: Guard, headers: Readonly<Record<string, string>>, url = URL_OF_API) {
  const guarded = guard.protect((_, { auth }) => Response.json({ sub: auth.sub, sid: auth.sid ?? null }));
  const { status, body, headers: sent } = await reply(await guarded(new Request(url, { headers })));
  return { status, body, challenge: sent.get("www-authenticate") };
}

describe("RFC 6750", () => {
  it("section 2.1: the token stands after the word Bearer, in any case, and one space or more", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const guard = createGuard(bed.issuer);
    for (const authorization of [`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}`]) {
      expect((await answer(guard, { authorization })).status).toBe(200);
    }
    for (const authorization of [`Bearer${token}`, `Token ${token}`, token]) {
      expect((await answer(guard, { authorization })).body.error).toBe("missing_token");
    }
  });

  it("SECURITY 50, section 2.3: a token in the query is refused, and so is one that stands in two places (section 2)", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const guard = createGuard(bed.issuer);
    const inQuery = await answer(guard, {}, `${URL_OF_API}?access_token=${token}`);
    expect([inQuery.status, inQuery.body.error]).toEqual([400, "token_in_query"]);
    const either = createGuard(bed.issuer, { locations: ["header", "query"] });
    const twice = await answer(either, { authorization: `Bearer ${token}` }, `${URL_OF_API}?access_token=${token}`);
    expect([twice.status, twice.body.error]).toEqual([400, "invalid_request"]);
  });

  it("SECURITY 50, section 3: the challenge has no error without a token, invalid_token with 401, insufficient_scope with 403", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const guard = createGuard(bed.issuer, { scope: "reports:read" });
    expect(await answer(guard, {})).toMatchObject({ status: 401, challenge: 'Bearer realm="latchkey"' });
    const bad = await answer(guard, { authorization: "Bearer x" });
    expect(bad).toMatchObject({
      status: 401,
      challenge: expect.stringMatching(/^Bearer realm="latchkey", error="invalid_token", /),
    });
    const lacking = await answer(guard, { authorization: `Bearer ${token}` });
    expect([lacking.status, lacking.body.error]).toEqual([403, "insufficient_scope"]);
    expect(lacking.challenge).toMatch(/^Bearer realm="latchkey", error="insufficient_scope", .*'reports:read'/);
  });

  it("section 3.1: a client's own access token passes a guard whose scope it has, and is 401 at guards without a scope", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client({ scope: "reports:read" });
    const { access_token: token } = (await bed.post("/token", { grant_type: "client_credentials" }, client)).body;
    const headers = { authorization: `Bearer ${token}` };
    for (const scope of ["reports:read", { all: ["reports:read"] }, { any: ["x", "reports:read"] }]) {
      const { status, body } = await answer(createGuard(bed.issuer, { scope }), headers);
      expect([status, body]).toEqual([200, { sub: client.id, sid: null }]);
    }
    const lacking = await answer(createGuard(bed.issuer, { scope: "reports:write" }), headers);
    expect([lacking.status, lacking.body.error]).toEqual([403, "insufficient_scope"]);
    for (const options of [
      {},
      { role: "admin" },
      { optional: false },
      { scope: {} },
      { scope: { all: [] } },
      { freshForSeconds: 60 },
    ]) {
      const { status, body } = await answer(createGuard(bed.issuer, options), headers);
      expect([status, body.error]).toEqual([401, "wrong_token_type"]);
    }
    const fresh = await answer(createGuard(bed.issuer, { scope: "reports:read", freshForSeconds: 60 }), headers);
    expect([fresh.status, fresh.body.error]).toEqual([401, "token_not_fresh"]);
    const inCookie = await answer(createGuard(bed.issuer, { scope: "reports:read" }), {
      cookie: `latchkey-access=${token}`,
    });
    expect([inCookie.status, inCookie.body.error]).toEqual([401, "wrong_token_type"]);
    await bed.issuer.clients.disable(client.id);
    const disabled = await answer(createGuard(bed.issuer, { scope: "reports:read" }), headers);
    expect([disabled.status, disabled.body.error]).toEqual([401, "invalid_access_token"]);
  });
});
