import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.ts";
import { refused } from "../support/signed-in.ts";
import { createTestBed, ISSUER, reply } from "../support/test-bed.ts";

const request = (bearer?: string, query = "") =>
  new Request(
    `https://api.example.com/orders${query}`,
    bearer === undefined ? {} : { headers: { authorization: bearer } },
  );

describe("createGuard", () => {
  it("PARITY 26: works on its own: 401 is 401 with a challenge, and no error handler is registered anywhere", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const guarded = createGuard(bed.issuer).protect((_, { auth }) => Response.json({ sub: auth.sub }));

    const missing = await reply(await guarded(request()));
    refused(missing, 401, "missing_token");
    expect(missing.headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
    expect(missing.headers.get("cache-control")).toBe("no-store");

    const good = await reply(await guarded(request(`Bearer ${pair.access_token}`)));
    expect([good.status, good.body]).toEqual([200, { sub: (await bed.issuer.verify(pair.access_token)).sub }]);
  });

  it("PARITY 15: a refresh token on a guarded route is wrong_token_type", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const guarded = createGuard(bed.issuer).protect(() => new Response());
    for (const answer of [
      await reply(await guarded(request(`Bearer ${pair.refresh_token}`))),
      await bed.call("GET", "/auth/me", { bearer: pair.refresh_token }),
    ]) {
      refused(answer, 401, "wrong_token_type");
      expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
    }
  });

  it("PARITY 16: garbage and empty bearer tokens are invalid_access_token, other schemes are no token", async () => {
    const bed = await createTestBed();
    const guarded = createGuard(bed.issuer).protect(() => new Response());
    const answer = async (header: string) => (await reply(await guarded(request(header)))).body.error;
    for (const header of [
      "Bearer",
      "Bearer ",
      "bearer x",
      "Bearer a b",
      "Bearer é",
      "Bearer a.b.c",
      "Bearer x, Bearer y",
    ]) {
      expect([header, await answer(header)]).toEqual([header, "invalid_access_token"]);
    }
    for (const header of ["Basic YTpi", "Token x", "BearerX"])
      expect([header, await answer(header)]).toEqual([header, "missing_token"]);
  });

  it("refuses tokens in the query string and says why", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const guarded = createGuard(bed.issuer).protect(() => new Response());
    for (const query of [`?token=${token}`, `?access_token=${token}`, `?t=${token}`, "?access_token=x"]) {
      const { status, body } = await reply(await guarded(request(`Bearer ${token}`, query)));
      expect([status, body.error]).toEqual([400, "token_in_query"]);
      expect(body.error_description).toContain("logs");
    }
    expect((await guarded(request(`Bearer ${token}`, "?page=2"))).status).toBe(200);
  });

  it("asks for a role and names the one that is lacking", async () => {
    const bed = await createTestBed();
    const pair = await bed.login();
    const guarded = createGuard(bed.issuer, { role: "editor" }).protect(() => new Response());
    const { status, body, headers } = await reply(await guarded(request(`Bearer ${pair.access_token}`)));
    expect([status, body.error]).toEqual([403, "insufficient_role"]);
    expect(headers.get("www-authenticate")).toContain("'editor'");
  });

  it("throws from admit what protect would have answered", async () => {
    const bed = await createTestBed();
    await expect(createGuard(bed.issuer).admit(request())).rejects.toMatchObject({
      code: "missing_token",
      status: 401,
    });
  });
});

describe("issue", () => {
  it("PARITY 27: own claims survive every refresh, and one that would shadow a registered claim is refused when it is set", async () => {
    const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: ["customer"] }]));
    const bed = await createTestBed({ subjects });
    const claims = { tenant: "acme", plan: { seats: 3 } };
    let pair = await bed.issuer.issue({ subject: "customer-7", claims, scope: "orders:read", amr: ["hwk"] });
    for (let round = 0; round < 3; round++) {
      expect(await bed.issuer.verify(pair.accessToken)).toMatchObject({
        ...claims,
        sub: "customer-7",
        iss: ISSUER,
        roles: ["customer"],
        scope: "orders:read",
        amr: ["hwk"],
      });
      bed.clock.advanceSeconds(60);
      pair = await bed.issuer.refresh(pair.refreshToken);
    }
    for (const name of [
      "iss",
      "sub",
      "aud",
      "exp",
      "nbf",
      "iat",
      "jti",
      "sid",
      "client_id",
      "auth_time",
      "roles",
      "scope",
      "amr",
      "cnf",
    ]) {
      await expect(bed.issuer.issue({ subject: "customer-7", claims: { [name]: "x" } })).rejects.toThrow(name);
    }
  });

  it("asks the application's own user table at each refresh, once per batch, and revokes whoever is gone", async () => {
    const users = new Map([
      ["ann", { roles: ["a"] }],
      ["ben", { roles: [] as string[] }],
    ]);
    const asked: (readonly string[])[] = [];
    const bed = await createTestBed({
      subjects: async (ids) => {
        asked.push(ids);
        return new Map([...users].filter(([id]) => ids.includes(id)));
      },
    });
    const ann = await bed.issuer.issue({ subject: "ann" });
    const ben = await bed.issuer.issue({ subject: "ben" });
    asked.length = 0;
    users.set("ann", { roles: ["b"] });
    users.delete("ben");
    const [first, twin, gone] = await Promise.allSettled(
      [ann, ann, ben].map((pair) => bed.issuer.refresh(pair.refreshToken)),
    );
    expect(asked).toEqual([["ann", "ben"]]);
    expect([first?.status, twin?.status, gone?.status]).toEqual(["fulfilled", "fulfilled", "rejected"]);
    if (first?.status !== "fulfilled") throw new Error("unreachable");
    expect((await bed.issuer.verify(first.value.accessToken)).roles).toEqual(["b"]);
    await expect(bed.issuer.verify(ben.accessToken)).rejects.toMatchObject({ code: "session_revoked" });
    await expect(bed.issuer.refresh(ben.refreshToken)).rejects.toMatchObject({ code: "session_revoked" });
  });

  it("is 503 when the application's user table fails, and the refresh token stays good", async () => {
    let broken = false;
    const bed = await createTestBed({
      subjects: async (ids) => {
        if (broken) throw new Error("the user table is away");
        return new Map(ids.map((id) => [id, { roles: [] }]));
      },
    });
    const pair = await bed.issuer.issue({ subject: "ann" });
    broken = true;
    await expect(bed.issuer.refresh(pair.refreshToken)).rejects.toMatchObject({
      code: "store_unavailable",
      status: 503,
    });
    broken = false;
    bed.clock.advanceSeconds(3600);
    await expect(bed.issuer.refresh(pair.refreshToken)).resolves.toMatchObject({ sessionId: pair.sessionId });
  });

  it("is refused for a subject that is no user here", async () => {
    const bed = await createTestBed();
    await expect(bed.issuer.issue({ subject: "nobody" })).rejects.toMatchObject({ code: "invalid_credentials" });
    await expect(bed.issuer.issue({ subject: "" })).rejects.toThrow(TypeError);
  });
});
