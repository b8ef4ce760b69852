import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions, type IssueRequest, type TokenPair } from "../../src/index.ts";
import { createTestBed, PASSWORD, reply } from "../support/test-bed.ts";

const URL_OF_API = "https://api.example.com/orders";

async function bedFor(roles: readonly string[] = []) {
  const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles }]));
  const bed = await createTestBed({ subjects });
  return {
    bed,
    issue: (request: Partial<IssueRequest> = {}) => bed.issuer.issue({ subject: "somebody", ...request }),
    async answer(options: GuardOptions, pair: TokenPair | undefined, path = "") {
      const guarded = createGuard(bed.issuer, options).protect(() => new Response("in"));
      const headers = pair === undefined ? {} : { authorization: `Bearer ${pair.accessToken}` };
      const { status, body, headers: sent } = await reply(await guarded(new Request(URL_OF_API + path, { headers })));
      return { status, code: body?.error as string | undefined, challenge: sent.get("www-authenticate") };
    },
  };
}

describe("createGuard", () => {
  it("PARITY 14: no token 401; in the header 200; in JSON where the guard allows it; in ?token= only where it opts in", async () => {
    const { bed, issue, answer } = await bedFor();
    const pair = await issue();
    expect((await answer({}, undefined)).code).toBe("missing_token");
    expect((await answer({}, pair)).status).toBe(200);

    const request = new Request(URL_OF_API, { method: "POST" });
    const body = { accessToken: pair.accessToken };
    await expect(createGuard(bed.issuer).admit(request, body)).rejects.toMatchObject({ code: "missing_token" });
    await expect(createGuard(bed.issuer, { locations: ["body"] }).admit(request, body)).resolves.toMatchObject({
      auth: { sub: "somebody" },
    });

    for (const name of ["token", "access_token"]) {
      const query = `?${name}=${pair.accessToken}`;
      expect((await answer({}, undefined, query)).code).toBe("token_in_query");
      expect((await answer({ locations: ["query"] }, undefined, query)).status).toBe(200);
      expect((await answer({ locations: ["query"] }, undefined, `?${name}=${pair.refreshToken}`)).code).toBe(
        "wrong_token_type",
      );
      expect((await answer({ locations: ["header", "query"] }, pair, query)).code).toBe("invalid_request");
    }
  });

  it("PARITY 18: a fresh guard takes a token from login or reauthenticate within freshForSeconds, and none from a refresh", async () => {
    const bed = await createTestBed();
    const fresh = createGuard(bed.issuer, { freshForSeconds: 300 });
    const admits = (accessToken: string) =>
      fresh.admit(new Request(URL_OF_API, { headers: { authorization: `Bearer ${accessToken}` } })).then(
        () => "admitted",
        (error: { code: string }) => error.code,
      );
    const pair = await bed.login();
    expect(await admits(pair.access_token)).toBe("admitted");
    const refreshed = await bed.issuer.refresh(pair.refresh_token);
    expect(await admits(refreshed.accessToken)).toBe("token_not_fresh");
    bed.clock.advanceSeconds(299);
    expect(await admits(pair.access_token)).toBe("admitted");
    bed.clock.advanceSeconds(1);
    expect(await admits(pair.access_token)).toBe("token_not_fresh");
    const again = await bed.call("POST", "/auth/reauthenticate", {
      bearer: refreshed.accessToken,
      json: { password: PASSWORD },
    });
    expect(await admits(again.body.access_token)).toBe("admitted");
    const refusal = fresh.refuse(
      await fresh
        .admit(new Request(URL_OF_API, { headers: { authorization: `Bearer ${refreshed.accessToken}` } }))
        .catch((error: unknown) => error),
    );
    expect([refusal.status, refusal.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining("token_not_fresh"),
    ]);
  });

  it("PARITY 19: scopes: all, any, and admin:* covering admin:users:read; roles; what is lacking is named in the challenge", async () => {
    const { issue, answer } = await bedFor(["editor", "author"]);
    const pair = await issue({ scope: "orders:read admin:* profile" });
    const let_in: GuardOptions[] = [
      { scope: "orders:read" },
      { scope: { all: ["orders:read", "profile"] } },
      { scope: { any: ["orders:write", "profile"] } },
      { scope: "admin:users:read" },
      { scope: "admin:*" },
      { role: "editor" },
      { role: { all: ["editor", "author"] } },
      { role: { any: ["owner", "author"] } },
    ];
    for (const options of let_in) expect([options, (await answer(options, pair)).status]).toEqual([options, 200]);
    const kept_out: [GuardOptions, string, string][] = [
      [{ scope: "orders" }, "insufficient_scope", "'orders'"],
      [{ scope: "orders:read:all" }, "insufficient_scope", "'orders:read:all'"],
      [{ scope: "administrators" }, "insufficient_scope", "'administrators'"],
      [{ scope: { all: ["profile", "orders:write"] } }, "insufficient_scope", "'orders:write'"],
      [{ scope: { any: ["a", "b"] } }, "insufficient_scope", "'a' or 'b'"],
      [{ role: "owner" }, "insufficient_role", "'owner'"],
      [{ role: { any: ["owner", "admin"] } }, "insufficient_role", "'owner' or 'admin'"],
    ];
    for (const [options, code, named] of kept_out) {
      const { status, code: given, challenge } = await answer(options, pair);
      expect([status, given]).toEqual([403, code]);
      expect(challenge).toContain(`error="insufficient_scope"`);
      expect(challenge).toContain(named);
    }
    expect((await answer({ scope: "anything" }, await issue())).code).toBe("insufficient_scope");
  });

  it("PARITY 20: a policy function: deny wins, default deny, and a throwing policy denies", async () => {
    const { bed, issue } = await bedFor();
    const pair = await issue();
    const allow = () => "allow" as const;
    const deny = async () => "deny" as const;
    const silent = () => undefined;
    const throws = () => {
      throw new Error("the policy store is away");
    };
    const decide = (policy: GuardOptions["policy"]) =>
      createGuard(bed.issuer, { policy, action: "read" })
        .admit(new Request(URL_OF_API, { headers: { authorization: `Bearer ${pair.accessToken}` } }), {
          resource: { owner: "somebody" },
        })
        .then(
          () => "admitted",
          (error: { code: string }) => error.code,
        );
    expect(await decide(allow)).toBe("admitted");
    expect(await decide([silent, allow])).toBe("admitted");
    for (const policy of [deny, silent, throws, [allow, deny], [deny, allow], [allow, throws]]) {
      expect(await decide(policy)).toBe("denied_by_policy");
    }
    const asked: unknown[] = [];
    await decide((question) => {
      asked.push(question);
      return (question.resource as { owner: string }).owner === question.auth.sub ? "allow" : "deny";
    });
    expect(asked).toEqual([
      { auth: expect.objectContaining({ sub: "somebody" }), action: "read", resource: { owner: "somebody" } },
    ]);
  });

  it("PARITY 21: an optional guard: no token passes with no subject, and a bad token is still 401", async () => {
    const { bed, issue, answer } = await bedFor();
    const guard = createGuard(bed.issuer, { optional: true });
    expect((await guard.admit(new Request(URL_OF_API))).auth).toBeUndefined();
    expect((await answer({ optional: true }, await issue())).status).toBe(200);
    for (const token of ["garbage", "", `${(await issue()).accessToken.slice(0, -4)}AAAA`]) {
      const request = new Request(URL_OF_API, { headers: { authorization: `Bearer ${token}` } });
      await expect(guard.admit(request)).rejects.toMatchObject({ code: "invalid_access_token", status: 401 });
    }
  });

  it("PARITY 22: a current-user loader, sync or async; one that finds nobody is 401", async () => {
    const { bed, issue, answer } = await bedFor();
    const pair = await issue();
    const request = () => new Request(URL_OF_API, { headers: { authorization: `Bearer ${pair.accessToken}` } });
    const sync = createGuard(bed.issuer, { loadUser: ({ sub }) => ({ name: sub }) });
    const async = createGuard(bed.issuer, { loadUser: async ({ sub }) => ({ name: sub }) });
    for (const guard of [sync, async]) expect((await guard.admit(request())).user.name).toBe("somebody");
    for (const loadUser of [() => null, async () => undefined]) {
      expect(await answer({ loadUser }, pair)).toMatchObject({ status: 401, code: "invalid_access_token" });
    }
  });

  it("PARITY 23: a revocation callback is asked after the signature, with the verified payload, and never for a bad token", async () => {
    const { issue, answer } = await bedFor();
    const pair = await issue();
    const asked: string[] = [];
    const isRevoked = async ({ jti }: { readonly jti: string }) => {
      asked.push(jti);
      return true;
    };
    expect(await answer({ isRevoked }, pair)).toMatchObject({ status: 401, code: "session_revoked" });
    expect(asked).toEqual([expect.stringMatching(`^${pair.sessionId}\\.1\\.`)]);
    const forged = { ...pair, accessToken: `${pair.accessToken.slice(0, -4)}AAAA` };
    expect((await answer({ isRevoked }, forged)).code).toBe("invalid_access_token");
    expect(asked).toHaveLength(1);
    expect((await answer({ isRevoked: () => false }, pair)).status).toBe(200);
  });

  it("refuses an option that it does not know, with the right name, and wrong values", async () => {
    const { bed } = await bedFor();
    const make = (options: object) => () => createGuard(bed.issuer, options);
    expect(make({ roles: "admin" })).toThrow("Unknown option 'roles'. Did you mean 'role'?");
    expect(make({ freshForSeconds: 0 })).toThrow("'freshForSeconds'");
    for (const locations of [[], ["headers"], "header"]) expect(make({ locations })).toThrow("'locations'");
    // Taken for nothing to ask for, each of them would let everybody in.
    for (const wrong of [
      null,
      "",
      ["admin"],
      [],
      true,
      { all: "admin" },
      { al: ["admin"] },
      { any: [""] },
      { any: [] },
      { all: [1] },
    ]) {
      expect(make({ role: wrong })).toThrow("'role'");
      expect(make({ scope: wrong })).toThrow("'scope'");
    }
    for (const policy of [null, [], [undefined], "deny", {}]) expect(make({ policy })).toThrow("'policy'");
    // A text has every part of itself "among" its origins.
    for (const allowedOrigins of ["https://app.example.com", [1], null]) {
      expect(make({ allowedOrigins })).toThrow("'allowedOrigins'");
    }
    for (const isRevoked of [true, null]) expect(make({ isRevoked })).toThrow("'isRevoked'");
    for (const optional of ["no", 0, null]) expect(make({ optional })).toThrow("'optional'");
  });
});
