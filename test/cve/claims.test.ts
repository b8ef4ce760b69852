import { describe, expect, it } from "vitest";
import { takesAccessToken } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import { nameOf } from "../support/route-table.ts";
import { createTestBed, PASSWORD, type Pair, type TestBed } from "../support/test-bed.ts";
import { setUp } from "../support/token-world.ts";

/** Everything that this server signs or seals and that is no access token: true ones, of an administrator. */
async function otherKinds(bed: TestBed): Promise<Readonly<Record<string, string>>> {
  const invited = (await bed.issuer.users.inviteFirstAdmin())!;
  await bed.issuer.users.create({ username: "root", password: PASSWORD, roles: ["admin"] });
  const pair: Pair = await bed.login("root");
  const { client, secret } = await bed.issuer.clients.create({ name: "worker", scope: "orders:read" });
  return {
    "a refresh token": pair.refresh_token,
    "a CSRF token": bed.issuer.csrfToken(pair.session_id),
    "a device token": await bed.issuer.users.deviceToken("root"),
    "a set-up token": invited,
    "a DPoP nonce": bed.issuer.dpopNonce()!,
    "a session's id": pair.session_id,
    "a client's id": client.id,
    "a client's secret": secret!,
    "a client's own access token": (await bed.issuer.clients.issueToken(client)).accessToken,
  };
}

describe("a token of one kind", () => {
  it("CVE-2023-48309 next-auth: that is no access token signs nobody in, in the header or in the access cookie", async () => {
    const bed = await createTestBed({ dpopNonce: "required" });
    const world = await setUp();
    for (const [kind, token] of Object.entries(await otherKinds(bed))) {
      for (const headers of [{ authorization: `Bearer ${token}` }, new CookieJar().set("access", token).header()]) {
        const { status, body } = await bed.call("GET", "/auth/me", { headers });
        expect([kind, status, body.id]).toEqual([kind, 401, undefined]);
      }
    }
    // The same over the whole table, with the kinds of a server whose users and clients are there in every state.
    const kinds = await otherKinds(await createTestBed({ dpopNonce: "required" }));
    for (const route of routes.filter(({ access }) => takesAccessToken(access))) {
      for (const [kind, token] of Object.entries(kinds)) {
        const { status } = await world.ask(route, undefined, { cookie: `latchkey-access=${token}` });
        expect([nameOf(route), kind, status]).toEqual([nameOf(route), kind, 401]);
      }
    }
  });

  it("CVE-2026-110862 Better Auth: refreshes nothing, sets up nobody and proves no CSRF where another kind is asked for", async () => {
    const bed = await createTestBed({ dpopNonce: "required" });
    const kinds = await otherKinds(bed);
    const { headers } = await bed.call("POST", "/auth/login", {
      json: { username: "root", password: PASSWORD, transport: "cookie" },
    });
    const jar = new CookieJar().take(headers);
    const all = Object.entries({ ...kinds, "an access token": jar.get("access"), "a CSRF cookie": jar.get("csrf") });
    for (const [kind, token] of all) {
      let nth = 0;
      const ask = (path: string, request: object) =>
        bed.call("POST", path, { ...request, ip: `10.2.${all.findIndex(([name]) => name === kind)}.${nth++}` });
      if (kind !== "a refresh token") {
        expect([kind, (await ask("/auth/refresh", { json: { refresh_token: token } })).status]).toEqual([kind, 401]);
        const form = { grant_type: "refresh_token", refresh_token: token };
        expect([kind, (await ask("/token", { form })).status]).toEqual([kind, 400]);
      }
      const json = { setup_token: token.slice(0, 256), username: "eve", password: PASSWORD };
      expect([kind, (await ask("/auth/setup", { json })).body.error]).toEqual([kind, "setup_closed"]);
      if (kind !== "a CSRF cookie") {
        const forged = { ...jar.header(), "x-csrf-token": token };
        const { status, body } = await ask("/auth/logout-all", { headers: forged });
        expect([kind, status, body.error]).toEqual([kind, 403, "csrf_token_invalid"]);
      }
    }
    expect(await bed.store.findUserByUsername("eve")).toBeNull();
  });
});
