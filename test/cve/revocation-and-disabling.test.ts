import { describe, expect, it } from "vitest";
import { createOAuthBed, forPeople } from "../support/oauth-server.ts";
import { newPath } from "../support/places.ts";
import { fieldsOf, methodOf, nameOf, pathOf, routesWithBody } from "../support/route-table.ts";
import { createTestBed, createTestClock, PASSWORD, type TestBed } from "../support/test-bed.ts";

const NEW_PASSWORD = "another horse, another battery";

const refresh = async (bed: TestBed, refresh_token: string) =>
  (await bed.call("POST", "/auth/refresh", { json: { refresh_token } })).body;
const logIn = (bed: TestBed, password: string) =>
  bed.call("POST", "/auth/login", { json: { username: "ada", password } });

describe("a user who is disabled", () => {
  it("CVE-2023-22492 ZITADEL: refreshes no session, on any process, and none of them comes back when they are enabled again", async () => {
    const [path, clock] = [newPath(), createTestClock()];
    const [bed, elsewhere] = [await createTestBed({ path }, {}, clock), await createTestBed({ path }, {}, clock)];
    const [pair, other] = [await bed.login(), await bed.login()];
    await elsewhere.issuer.users.disable("ada");
    expect((await refresh(bed, pair.refresh_token)).error).toBe("session_revoked");
    await elsewhere.issuer.users.enable("ada");
    expect((await refresh(bed, pair.refresh_token)).error).toBe("session_revoked");
    expect((await refresh(elsewhere, other.refresh_token)).error).toBe("session_revoked");
  });

  it("CVE-2026-43983 Pocket ID: refreshes through no OAuth client either, and introspection calls the token inactive", async () => {
    const bed = await createOAuthBed();
    const [client, asker] = [await bed.client(forPeople), await bed.client()];
    const { refresh_token } = await bed.signIn(client);
    await bed.issuer.users.disable("ada");
    const { status, body } = await bed.post("/token", { grant_type: "refresh_token", refresh_token }, client);
    expect([status, body.error, body.access_token]).toEqual([400, "invalid_grant", undefined]);
    for (const who of [client, asker]) {
      expect((await bed.post("/introspect", { token: refresh_token }, who)).body).toEqual({ active: false });
    }
  });

  it("CVE-2026-78357 OTRS: has no working access token left, from that moment here and within seconds elsewhere", async () => {
    const path = newPath();
    const clock = createTestClock();
    const [bed, elsewhere] = [await createTestBed({ path }, {}, clock), await createTestBed({ path }, {}, clock)];
    const { access_token: bearer } = await bed.login();
    expect((await elsewhere.call("GET", "/auth/me", { bearer })).status).toBe(200);
    await bed.issuer.users.disable("ada");
    expect((await bed.call("GET", "/auth/me", { bearer })).body.error).toBe("session_revoked");
    await expect
      .poll(async () => (await elsewhere.call("GET", "/auth/me", { bearer })).body.error, { timeout: 5000 })
      .toBe("session_revoked");
  });
});

describe("ending all sessions", () => {
  it("CVE-2026-8922 Keycloak: holds for every session from before, and those of the same instant, at every process", async () => {
    const [path, clock] = [newPath(), createTestClock()];
    const [bed, elsewhere] = [await createTestBed({ path }, {}, clock), await createTestBed({ path }, {}, clock)];
    const pairs = [await bed.login(), await elsewhere.login(), await bed.login()];
    await bed.call("POST", "/auth/logout-all", { bearer: pairs[0]!.access_token });
    for (const { refresh_token } of pairs) {
      for (const here of [bed, elsewhere]) expect((await refresh(here, refresh_token)).error).toBe("session_revoked");
    }
    const afterwards = await elsewhere.login();
    expect((await refresh(bed, afterwards.refresh_token)).error).toBeUndefined();
  });

  it("CVE-2026-18218 Keycloak: holds for access tokens on every route that says whose they are, introspection included", async () => {
    const bed = await createOAuthBed();
    const client = await bed.client();
    const { access_token: bearer } = await bed.login();
    const other = await bed.login();
    await bed.call("POST", "/auth/logout-all", { bearer: other.access_token });
    for (const path of ["/auth/me", "/auth/verify", "/auth/sessions"]) {
      expect([path, (await bed.call("GET", path, { bearer })).body.error]).toEqual([path, "session_revoked"]);
    }
    expect((await bed.post("/introspect", { token: bearer }, client)).body).toEqual({ active: false });
  });
});

describe("a password", () => {
  it("CVE-2026-81826 Flowintel: that is changed ends every session at once, refresh and access tokens alike", async () => {
    const bed = await createTestBed();
    const [own, stolen] = [await bed.login(), await bed.login()];
    const json = { current_password: PASSWORD, new_password: NEW_PASSWORD };
    const changed = await bed.call("POST", "/auth/password", { json, bearer: own.access_token });
    expect(changed.status).toBe(200);
    for (const { access_token: bearer, refresh_token } of [own, stolen]) {
      expect((await refresh(bed, refresh_token)).error).toBe("session_revoked");
      expect((await bed.call("GET", "/auth/me", { bearer })).body.error).toBe("session_revoked");
    }
    expect((await refresh(bed, changed.body.refresh_token)).error).toBeUndefined();
  });

  it("CVE-2026-18963 Keycloak: is changed by no route without the current one, whichever step is left out", async () => {
    const bed = await createTestBed({ registration: "open" });
    const { access_token: bearer } = await bed.login();
    await bed.issuer.users.setRoles("ada", ["admin"]);
    const routes = routesWithBody.filter((route) => Object.keys(fieldsOf(route)).some((name) => /password/.test(name)));
    expect(routes.map(nameOf)).toContain("POST /auth/password");
    for (const route of routes) {
      for (const current of [undefined, "", null, NEW_PASSWORD, "x", [PASSWORD], { $ne: null }]) {
        const fields: Record<string, unknown> = {
          username: "ada",
          new_password: NEW_PASSWORD,
          password: NEW_PASSWORD,
          current_password: current,
          setup_token: "A".repeat(54),
          grant_type: "password",
        };
        const known = Object.fromEntries(Object.keys(fieldsOf(route)).map((name) => [name, fields[name]]));
        const form = Object.fromEntries(
          Object.entries({ ...fields, ...known }).map(([name, value]) => [name, String(value)]),
        );
        const ip = `10.1.${routes.indexOf(route)}.1`;
        const answer = await bed.call(methodOf(route), pathOf(route), {
          ...(route.body.format === "json" ? { json: known } : { form }),
          bearer,
          ip,
        });
        expect([nameOf(route), answer.status >= 400 && answer.status < 500]).toEqual([nameOf(route), true]);
      }
    }
    bed.clock.advanceSeconds(3600);
    expect((await logIn(bed, NEW_PASSWORD)).status).toBe(401);
    expect((await logIn(bed, PASSWORD)).status).toBe(200);
  });
});
