import { describe, expect, it } from "vitest";
import { SqliteDatabase } from "../../src/store/sqlite/database.ts";
import { basic, createOAuthBed, forPeople } from "../support/oauth-server.ts";
import { newPath } from "../support/places.ts";

describe("RFC 7009", () => {
  it.each(["refresh_token", "access_token"] as const)(
    "section 2.1: a client's %s ends its session: both kinds of token, whatever the hint says",
    async (kind) => {
      for (const hint of [
        {},
        { token_type_hint: kind },
        { token_type_hint: "refresh_token" },
        { token_type_hint: "nonsense" },
      ]) {
        const bed = await createOAuthBed();
        const client = await bed.client(forPeople);
        const [pair, untouched] = [await bed.signIn(client), await bed.signIn(client)];
        const { status, text, headers } = await bed.post("/revoke", { token: pair[kind], ...hint }, client);
        expect([status, text, headers.get("cache-control")]).toEqual([200, "{}", "no-store"]);
        await expect(bed.issuer.verify(pair.access_token)).rejects.toMatchObject({ code: "session_revoked" });
        const refresh = { grant_type: "refresh_token", refresh_token: pair.refresh_token };
        expect((await bed.post("/token", refresh, client)).body.error_description).toMatch(/^session_revoked/);
        expect(await bed.issuer.verify(untouched.access_token)).toMatchObject({ sid: untouched.session_id });
        expect(bed.events.filter(({ type }) => type === "session.logged_out")).toHaveLength(1);
      }
    },
  );

  it("section 2.1: the first-party client, which authenticates by nothing, revokes its own tokens", async () => {
    const bed = await createOAuthBed();
    const pair = await bed.signIn();
    expect((await bed.post("/revoke", { token: pair.refresh_token })).status).toBe(200);
    await expect(bed.issuer.verify(pair.access_token)).rejects.toMatchObject({ code: "session_revoked" });
  });

  it("section 2.1: a refresh token of any generation, and an access token that has expired, still end the session", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(forPeople);
    const [first, other] = [await bed.signIn(client), await bed.signIn(client)];
    await bed.post("/token", { grant_type: "refresh_token", refresh_token: first.refresh_token }, client);
    await bed.post("/revoke", { token: first.refresh_token }, client);
    bed.clock.advanceSeconds(5000);
    await bed.post("/revoke", { token: other.access_token }, client);
    for (const { session_id: id } of [first, other]) {
      expect((await bed.store.findSession(id))?.revokedFor).toBe("logout");
    }
  });

  it("section 2.1: a token of another client is refused and not revoked", async () => {
    const bed = await createOAuthBed();
    const clients = [await bed.client(forPeople), await bed.client(forPeople), undefined];
    for (const owner of clients) {
      const pair = await bed.signIn(owner);
      for (const other of clients.filter((client) => client !== owner)) {
        for (const token of [pair.refresh_token, pair.access_token]) {
          const { status, body } = await bed.post("/revoke", { token }, other);
          expect([status, body.error]).toEqual([400, "unauthorized_client"]);
        }
      }
      expect((await bed.issuer.verify(pair.access_token)).sid).toBe(pair.session_id);
    }
  });

  it("section 2.1: whoever is no client is 401 invalid_client, and nothing is revoked", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(forPeople);
    const pair = await bed.signIn(client);
    for (const [form, headers] of [
      [{}, basic(client.id, "lks_wrong")],
      [{ client_id: client.id }, {}],
      [{}, { authorization: `Bearer ${pair.access_token}` }],
    ] as const) {
      const { status, body } = await bed.call("POST", "/revoke", {
        form: { token: pair.refresh_token, ...form },
        headers,
      });
      expect([status, body.error]).toEqual([401, "invalid_client"]);
    }
    expect((await bed.issuer.verify(pair.access_token)).sid).toBe(pair.session_id);
  });

  it("SECURITY 70, section 2.2: an unknown, forged, malformed or revoked token gets the same 200", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client(forPeople);
    const pair = await bed.signIn(client);
    await bed.post("/revoke", { token: pair.refresh_token }, client);
    for (const token of [
      pair.refresh_token,
      pair.access_token,
      `${pair.refresh_token.slice(0, -4)}AAAA`,
      `${pair.access_token.slice(0, -4)}AAAA`,
      "lkr_x",
      "x",
      "eyJ.e.x",
    ]) {
      expect(await bed.post("/revoke", { token }, client)).toMatchObject({ status: 200, text: "{}" });
    }
    expect(bed.events.filter(({ type }) => type === "session.logged_out")).toHaveLength(1);
  });

  it("SECURITY 70, CVE-2020-15223: section 2.2.1: a storage error is 503, never 200, and the token stays good", async () => {
    const path = newPath();
    const bed = await createOAuthBed({ path });
    const client = await bed.client(forPeople);
    const pair = await bed.signIn(client);
    const other = new SqliteDatabase(path);
    other.execute("BEGIN IMMEDIATE");
    for (const [request, url] of [
      [{ form: { token: pair.refresh_token }, headers: client.basic }, "/revoke"],
      [{ json: { refresh_token: pair.refresh_token } }, "/auth/logout"],
    ] as const) {
      const { status, headers } = await bed.call("POST", url, request);
      expect([url, status]).toEqual([url, 503]);
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    }
    other.execute("ROLLBACK");
    other.close();
    expect((await bed.issuer.verify(pair.access_token)).sid).toBe(pair.session_id);
    expect((await bed.post("/revoke", { token: pair.refresh_token }, client)).status).toBe(200);
    await expect(bed.issuer.verify(pair.access_token)).rejects.toMatchObject({ code: "session_revoked" });
  });

  it("section 2.2.1: a client's own access token is unsupported_token_type, since no session is behind it", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    const { access_token: token } = (await bed.post("/token", { grant_type: "client_credentials" }, client)).body;
    const { status, body } = await bed.post("/revoke", { token }, client);
    expect([status, body.error]).toEqual([400, "unsupported_token_type"]);
    expect((await bed.issuer.verifyAny(token)).sub).toBe(client.id);
  });

  it("section 2.1: without a token it is invalid_request", async () => {
    const bed = await createOAuthBed();
    const { status, body } = await bed.post("/revoke", { token: "" }, await bed.client());
    expect([status, body.error]).toEqual([400, "invalid_request"]);
  });
});
