import { describe, expect, it } from "vitest";
import { CookieJar } from "../cookie-jar.ts";
import { type CallRequest, createTestBed, PASSWORD, type Reply, type TestBed } from "../harness.ts";

async function signIn(bed: TestBed): Promise<{ readonly jar: CookieJar; readonly answer: Reply }> {
  if ((await bed.store.findUserByUsername("ada")) === null) {
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
  }
  const json = { username: "ada", password: PASSWORD, transport: "cookie" };
  const answer = await bed.call("POST", "/auth/login", { json });
  return { jar: new CookieJar().take(answer.headers), answer };
}

const withCsrf = (jar: CookieJar): CallRequest => ({ headers: { ...jar.header(), "x-csrf-token": jar.get("csrf") } });

describe("cookies at the end of a session", () => {
  it("are deleted by a logout though they name no session: forged, of another secret, ended, or no more than an access cookie", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    const stranger = (await signIn(await createTestBed({ secret: "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN" }))).jar;
    const ended = (await signIn(bed)).jar;
    await bed.issuer.logout(ended.get("refresh"));
    for (const cookie of [
      "latchkey-refresh=x; latchkey-access=y; latchkey-csrf=z",
      "latchkey-access=y",
      `latchkey-access=${jar.get("refresh")}`,
      `latchkey-access=${ended.get("access")}`,
      stranger.header().cookie,
      "",
    ]) {
      const answer = await bed.call("POST", "/auth/logout", { headers: { cookie } });
      const deleted = answer.headers.getSetCookie().filter((line) => line.includes("Max-Age=0"));
      expect([cookie, answer.status, deleted.length]).toEqual([cookie, 204, 3]);
    }
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).status).toBe(200);
  });

  it("end the session by whichever of them names it, with its CSRF token alone", async () => {
    for (const broken of ["refresh", "access"]) {
      const bed = await createTestBed();
      const { jar } = await signIn(bed);
      jar.set(broken, "x");
      const refused = await bed.call("POST", "/auth/logout", { headers: jar.header() });
      expect([refused.status, refused.body.error]).toEqual([403, "csrf_token_missing"]);
      expect((await bed.call("POST", "/auth/logout", withCsrf(jar))).status).toBe(204);
      expect(bed.events.at(-1)).toMatchObject({ type: "session.logged_out" });
    }
  });

  it("end the session by an access cookie alone that has expired, with its CSRF token, and once only", async () => {
    for (const revokeReplacedAccessTokens of [false, true]) {
      const bed = await createTestBed({ revokeReplacedAccessTokens });
      const { jar } = await signIn(bed);
      const refreshToken = jar.get("refresh");
      const successor = await bed.call("POST", "/auth/refresh", { json: { refresh_token: refreshToken } });
      bed.clock.advanceSeconds(1000);
      const request = withCsrf(jar.drop("refresh"));
      const forged = await bed.call("POST", "/auth/logout", { headers: jar.header() });
      expect([forged.status, forged.body.error]).toEqual([403, "csrf_token_missing"]);
      for (let time = 0; time < 2; time++) {
        expect((await bed.call("POST", "/auth/logout", request)).status).toBe(204);
        expect(bed.events.filter(({ type }) => type === "session.logged_out")).toHaveLength(1);
      }
      const after = await bed.call("POST", "/auth/refresh", {
        json: { refresh_token: successor.body.refresh_token },
      });
      expect(after.body.error).toBe("session_revoked");
    }
  });

  it("another site can neither end the session nor have them deleted, not even by a request that carries none", async () => {
    const bed = await createTestBed();
    const { jar } = await signIn(bed);
    // SameSite keeps the cookies from being sent with such a form, not from being deleted by what answers it.
    for (const cookies of [{}, jar.header(), { cookie: "latchkey-refresh=x" }]) {
      for (const from of [{ origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site" }]) {
        const { status, body, headers } = await bed.call("POST", "/auth/logout", {
          headers: { ...cookies, ...(from as Record<string, string>) },
        });
        expect([from, status, body?.error, headers.getSetCookie()]).toEqual([from, 403, "cross_site_request", []]);
      }
    }
  });

  it("are deleted where one ends one's own session by its id, and only there", async () => {
    for (const seconds of [0, 1000]) {
      const bed = await createTestBed();
      const { jar, answer } = await signIn(bed);
      const other = await bed.login();
      bed.clock.advanceSeconds(seconds);
      const end = (id: string, request: CallRequest) => bed.call("DELETE", `/auth/sessions/${id}`, request);
      const theOther = await end(other.session_id, withCsrf(jar));
      expect([theOther.status, theOther.headers.getSetCookie().length]).toEqual([204, seconds === 0 ? 0 : 3]);
      jar.take(theOther.headers);
      expect(jar.get("refresh")).not.toBe("");
      if (seconds > 0) jar.drop("access");
      const own = await end(answer.body.session_id, withCsrf(jar));
      expect([own.status, own.headers.getSetCookie().length]).toEqual([204, 3]);
      expect(jar.take(own.headers).drop("device").header().cookie).toBe("");
    }
    const bed = await createTestBed();
    const { session_id: id, access_token: bearer } = await bed.login();
    const own = await bed.call("DELETE", `/auth/sessions/${id}`, { bearer });
    expect([own.status, own.headers.getSetCookie()]).toEqual([204, []]);
  });
});
