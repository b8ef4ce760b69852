import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions, type IssuerOptions } from "../../src/index.ts";
import { createTestBed } from "../support/test-bed.ts";

const URL_OF_API = "https://api.example.com/orders";
const USER_AND_ADMIN = ["user", "admin"];

const asking = (accessToken: string, { url = URL_OF_API, scheme = "Bearer" } = {}) =>
  new Request(url, { headers: { authorization: `${scheme} ${accessToken}`, cookie: "theme=dark" } });

/** A bed, and a pair of somebody whose access token has been verified before. */
async function seen(options: Partial<IssuerOptions> = {}) {
  const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: USER_AND_ADMIN }]));
  const bed = await createTestBed({ subjects, ...options });
  const pair = await bed.issuer.issue({ subject: "somebody" });
  await bed.issuer.verify(pair.accessToken);
  return { bed, pair };
}

describe("a guard that is asked for what is certain at once", () => {
  it.each<[string, GuardOptions]>([
    ["nothing more", {}],
    ["a role", { role: "admin" }],
    ["a fresh token", { freshForSeconds: 60 }],
    ["nobody in particular", { optional: true }],
  ])("gives for a token that has been seen before what admit gives: asking for %s", async (_, options) => {
    const { bed, pair } = await seen();
    const guard = createGuard(bed.issuer, options);
    const atOnce = guard.admitAtOnce(asking(pair.accessToken));
    expect(atOnce).toEqual(await guard.admit(asking(pair.accessToken)));
    expect(atOnce).toMatchObject({ auth: { sub: "somebody" }, setCookies: [], cookieHeader: "theme=dark" });
  });

  it("leaves a token to admit that it sees for the first time, and one that cookies or nobody brings", async () => {
    const { bed, pair } = await seen();
    const guard = createGuard(bed.issuer);
    const another = await bed.issuer.issue({ subject: "somebody" });
    expect(guard.admitAtOnce(asking(another.accessToken))).toBeUndefined();
    expect(guard.admitAtOnce(new Request(URL_OF_API))).toBeUndefined();
    const cookie = `latchkey-access=${pair.accessToken}`;
    expect(guard.admitAtOnce(new Request(URL_OF_API, { headers: { cookie } }))).toBeUndefined();
  });

  it("lets nobody in whom admit refuses: revoked, expired, replaced, or by a scheme that is not its own", async () => {
    const { bed, pair } = await seen({ revokeReplacedAccessTokens: true });
    const guard = createGuard(bed.issuer);
    const outcome = async (request: Request) => {
      expect(guard.admitAtOnce(request)).toBeUndefined();
      return guard.admit(request).then(
        () => "admitted",
        (error: { code: string }) => error.code,
      );
    };
    expect(await outcome(asking(pair.accessToken, { scheme: "DPoP" }))).toBe("invalid_access_token");
    const next = await bed.issuer.refresh(pair.refreshToken);
    expect(await outcome(asking(pair.accessToken))).toBe("access_token_expired");
    expect(await bed.issuer.verify(next.accessToken)).toMatchObject({ sub: "somebody" });
    expect(guard.admitAtOnce(asking(next.accessToken))).toBeDefined();
    await bed.issuer.logout(next.refreshToken);
    expect(await outcome(asking(next.accessToken))).toBe("session_revoked");
    const other = await bed.issuer.issue({ subject: "somebody" });
    await bed.issuer.verify(other.accessToken);
    bed.clock.advanceSeconds(24 * 3600);
    expect(await outcome(asking(other.accessToken))).toBe("access_token_expired");
  });

  it("says no with the error of admit where the token lacks what the guard asks for, or stands in two places", async () => {
    const { bed, pair } = await seen();
    const same = async (options: GuardOptions, request: Request, code: string) => {
      const guard = createGuard(bed.issuer, options);
      expect(() => guard.admitAtOnce(request)).toThrow(expect.objectContaining({ code }));
      await expect(guard.admit(request)).rejects.toMatchObject({ code });
    };
    await same({ role: "owner" }, asking(pair.accessToken), "insufficient_role");
    await same({ scope: "orders:read" }, asking(pair.accessToken), "insufficient_scope");
    await same({}, asking(pair.accessToken, { url: `${URL_OF_API}?token=${pair.accessToken}` }), "token_in_query");
    bed.clock.advanceSeconds(61);
    await same({ freshForSeconds: 60 }, asking(pair.accessToken), "token_not_fresh");
  });

  it("leaves to admit what takes the application's word", async () => {
    const { bed, pair } = await seen();
    const guards: GuardOptions[] = [{ policy: () => "deny" }, { isRevoked: () => true }, { loadUser: () => undefined }];
    for (const options of guards) {
      const guard = createGuard(bed.issuer, options);
      expect(guard.admitAtOnce(asking(pair.accessToken))).toBeUndefined();
      await expect(guard.admit(asking(pair.accessToken))).rejects.toThrow();
    }
  });

  it("leaves it to admit to refuse a second token, in a body or in a query that the guard reads", async () => {
    const { bed, pair } = await seen();
    const inBody = createGuard(bed.issuer, { locations: ["header", "body"] });
    const sent = { accessToken: pair.accessToken };
    expect(inBody.admitAtOnce(asking(pair.accessToken), {})).toBeDefined();
    expect(inBody.admitAtOnce(asking(pair.accessToken), sent)).toBeUndefined();
    await expect(inBody.admit(asking(pair.accessToken), sent)).rejects.toMatchObject({ code: "invalid_request" });
    const inQuery = createGuard(bed.issuer, { locations: ["header", "query"] });
    const twice = () => asking(pair.accessToken, { url: `${URL_OF_API}?token=${pair.accessToken}` });
    expect(inQuery.admitAtOnce(twice())).toBeUndefined();
    await expect(inQuery.admit(twice())).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("takes a client's own token only where a scope is asked for", async () => {
    const { bed } = await seen();
    const { client, secret } = await bed.issuer.clients.create({
      name: "robot",
      kind: "confidential",
      grantTypes: ["client_credentials"],
      scope: "orders:read",
    });
    const form = {
      grant_type: "client_credentials",
      scope: "orders:read",
      client_id: client.id,
      client_secret: `${secret}`,
    };
    const token = String((await bed.call("POST", "/token", { form })).body.access_token);
    await bed.issuer.verifyAny(token);
    expect(createGuard(bed.issuer).admitAtOnce(asking(token))).toBeUndefined();
    expect(createGuard(bed.issuer, { scope: "orders:read" }).admitAtOnce(asking(token))).toMatchObject({
      auth: { client_id: client.id },
    });
  });
});
