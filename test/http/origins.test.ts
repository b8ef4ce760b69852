import { describe, expect, it } from "vitest";
import { isExactOrigin, isOtherSite } from "../../src/http/request/origins.ts";
import { createGuard, type HandlerOptions, type IssuerOptions } from "../../src/index.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import { createTestBed, ISSUER, PASSWORD, type TestBed } from "../support/test-bed.ts";

const HTTPS_ISSUER = "https://auth.example.com";

async function signedIn(issuerOptions: Partial<IssuerOptions> = {}, handlerOptions: HandlerOptions = {}) {
  const bed = await createTestBed({ registration: "open", ...issuerOptions }, handlerOptions);
  await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
  const json = { username: "ada", password: PASSWORD, transport: "cookie" };
  const jar = new CookieJar().take((await bed.call("POST", "/auth/login", { json })).headers);
  return { bed, jar };
}

const signIn = (bed: TestBed, headers: Record<string, string>, path = "/auth/login") =>
  bed.call("POST", path, { json: { username: "ada", password: PASSWORD, transport: "cookie" }, headers });

describe("Origin: null, as pages with the referrer policy no-referrer send it", () => {
  const hidden = { origin: "null", "sec-fetch-site": "same-origin" };

  it("passes where a cookie authenticates, with its CSRF token and Sec-Fetch-Site: same-origin", async () => {
    const { bed, jar } = await signedIn();
    const headers = () => ({ ...hidden, ...jar.header(), "x-csrf-token": jar.get("csrf") });
    const refreshed = await bed.call("POST", "/auth/refresh", { headers: headers() });
    expect(refreshed.status).toBe(200);
    jar.take(refreshed.headers);
    const json = { password: PASSWORD };
    const reauthenticated = await bed.call("POST", "/auth/reauthenticate", { headers: headers(), json });
    expect(reauthenticated.status).toBe(200);
    jar.take(reauthenticated.headers);
    const guard = createGuard(bed.issuer);
    const request = new Request(`${ISSUER}/orders`, { method: "POST", headers: headers() });
    await expect(guard.admit(request)).resolves.toMatchObject({ auth: { sid: expect.any(String) } });
    expect((await bed.call("POST", "/auth/logout", { headers: headers() })).status).toBe(204);
    expect(await bed.store.listLiveSessions(bed.clock.now(), 10)).toEqual([]);
  });

  it.each([
    ["no Sec-Fetch-Site", { origin: "null" }],
    ["same-site", { origin: "null", "sec-fetch-site": "same-site" }],
    ["cross-site", { origin: "null", "sec-fetch-site": "cross-site" }],
    ["none", { origin: "null", "sec-fetch-site": "none" }],
    ["two of them", { origin: "null", "sec-fetch-site": "same-origin, same-origin" }],
    ["another spelling", { origin: "NULL", "sec-fetch-site": "same-origin" }],
    ["a handshake by Upgrade", { ...hidden, upgrade: "websocket" }],
    ["a handshake by its key", { ...hidden, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" }],
  ])("is 403 with %s, though the CSRF token is right", async (_what, sent) => {
    const { bed, jar } = await signedIn();
    for (const path of ["/auth/refresh", "/auth/logout", "/auth/logout-all"]) {
      const headers = { ...(sent as Record<string, string>), ...jar.header(), "x-csrf-token": jar.get("csrf") };
      const { status, body } = await bed.call("POST", path, { headers });
      expect([path, status, body.error]).toEqual([path, 403, "cross_site_request"]);
    }
  });

  it("is 403 without the session's CSRF token, and for cookies that name no session", async () => {
    const { bed, jar } = await signedIn();
    const post = async (path: string, headers: Record<string, string>) =>
      (await bed.call("POST", path, { headers: { ...hidden, ...headers } })).body?.error;
    for (const path of ["/auth/refresh", "/auth/logout"]) {
      expect(await post(path, jar.header())).toBe("csrf_token_missing");
      expect(await post(path, { ...jar.header(), "x-csrf-token": "x" })).toBe("csrf_token_invalid");
    }
    expect(await post("/auth/logout", {})).toBe("cross_site_request");
    expect(await post("/auth/logout", { cookie: "latchkey-refresh=x; latchkey-access=y" })).toBe("cross_site_request");
  });

  it("never signs in, is never let in at a safe handshake, and gets no CORS answer though it is asked for", async () => {
    const { bed, jar } = await signedIn({}, { allowedOrigins: ["https://app.example.com"] });
    for (const path of ["/auth/login", "/auth/register"]) {
      expect((await signIn(bed, hidden, path)).body.error).toBe("cross_site_request");
    }
    const pair = await bed.login("grace");
    const json = { password: PASSWORD, transport: "cookie" };
    const byHeader = await bed.call("POST", "/auth/reauthenticate", {
      json,
      bearer: pair.access_token,
      headers: hidden,
    });
    expect(byHeader.body.error).toBe("cross_site_request");
    const guard = createGuard(bed.issuer);
    const handshake = { ...hidden, ...jar.header(), "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    await expect(guard.admit(new Request(`${ISSUER}/socket`, { headers: handshake }))).rejects.toMatchObject({
      code: "cross_site_request",
    });
    const preflight = { ...hidden, "access-control-request-method": "POST" };
    for (const method of ["GET", "OPTIONS"]) {
      const { headers } = await bed.call(method, "/auth/login", { headers: preflight });
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
  });

  it("is never an allowed origin, not even where a guard lists it", async () => {
    const { bed, jar } = await signedIn();
    const guard = createGuard(bed.issuer, { allowedOrigins: ["null", "https://app.example.com"] });
    const headers = { origin: "null", ...jar.header(), "x-csrf-token": jar.get("csrf") };
    const request = new Request(`${ISSUER}/orders`, { method: "POST", headers });
    await expect(guard.admit(request)).rejects.toMatchObject({ code: "cross_site_request" });
  });
});

describe("in development", () => {
  it.each([
    ["http://127.0.0.1:4000", ["http://localhost:4000", "http://[::1]:4000", "http://127.0.0.1:4000"]],
    ["http://localhost:4000", ["http://127.0.0.1:4000", "http://[::1]:4000"]],
    ["http://[::1]:4000", ["http://localhost:4000"]],
    ["http://127.0.0.1", ["http://localhost"]],
  ])("the issuer %s is at home on every name of this machine, at its port", async (issuer, origins) => {
    const { bed, jar } = await signedIn({ issuer });
    for (const origin of origins) {
      expect([origin, (await signIn(bed, { origin })).status]).toEqual([origin, 200]);
      const headers = { origin, ...jar.header(), "x-csrf-token": jar.get("csrf") };
      expect([origin, (await bed.call("POST", "/auth/refresh", { headers })).status]).toEqual([origin, 200]);
    }
    for (const origin of ["http://localhost:4001", "https://localhost:4000", "http://localhost.evil.example:4000"]) {
      const { status, body } = await signIn(bed, { origin });
      expect([origin, status, body.error]).toEqual([origin, 403, "cross_site_request"]);
      expect(body.error_description).toMatch(/localhost.*127\.0\.0\.1.*|127\.0\.0\.1.*localhost/);
      expect(body.error_description).toContain("LATCHKEY_ALLOWED_ORIGINS");
      expect(body.error_description).toContain("allowedOrigins");
    }
  });

  it("an https issuer is at home on its own origin alone", async () => {
    const { bed } = await signedIn({ issuer: "https://localhost:4000" });
    for (const origin of ["https://127.0.0.1:4000", "http://localhost:4000"]) {
      const { status, body } = await signIn(bed, { origin });
      expect([origin, status]).toEqual([origin, 403]);
      expect(body.error_description).not.toContain("127.0.0.1 are");
    }
  });
});

describe("the origins of apps and extensions", () => {
  it.each([
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://11111111-2222-3333-4444-555555555555",
    "safari-web-extension://4A0C4C1E-0F3C-4C9B-8D5A-2F6E0B6F8C11",
    "app://-",
    "vscode-webview://1a2b3c",
    "capacitor-electron://-",
    "http://tauri.localhost",
    "https://app.example.com",
    "http://localhost:5173",
  ])("%s may be allowed, and is then compared exactly", async (origin) => {
    expect(isExactOrigin(origin)).toBe(true);
    const { bed } = await signedIn({}, { allowedOrigins: [origin] });
    const answer = await bed.call("GET", "/livez", { headers: { origin } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    for (const other of [`${origin}/`, `${origin}x`, `x${origin}`, origin.toUpperCase(), `${origin}:1`, "null"]) {
      const refused = await bed.call("GET", "/livez", { headers: { origin: other } });
      expect([other, refused.headers.get("access-control-allow-origin")]).toEqual([other, null]);
    }
    const { refresh_token: token } = await bed.login();
    const json = { refresh_token: token };
    expect((await bed.call("POST", "/auth/refresh", { json, headers: { origin } })).status).toBe(200);
  });

  it.each([
    "null",
    "*",
    "",
    "capacitor://",
    "capacitor://localhost/",
    "capacitor://localhost/index.html",
    "capacitor://localhost?x",
    "capacitor://*",
    "chrome-extension://*",
    "*://localhost",
    "Capacitor://localhost",
    "capacitor:localhost",
    "capacitor://user@localhost",
    "capacitor://local host",
    "capacitor://localhost:123456",
    "file://",
    "file://localhost",
    "data://x",
    "blob://x",
    "javascript://x",
    "ws://app.example.com",
    "wss://app.example.com",
    "https://",
    "https://app.example.com/",
    "https://App.example.com",
    "https://app.example.com:443",
    "://localhost",
  ])("%j is none", (origin) => {
    expect(isExactOrigin(origin)).toBe(false);
  });
});

describe("a sign-in with cookies from an allowed origin of another site", () => {
  const allowedOrigins = ["https://app.example.com", "https://other.example", "capacitor://localhost"];
  const routes = ["/auth/login", "/auth/register"];

  it.each([
    { origin: "https://app.example.com", "sec-fetch-site": "cross-site" },
    { origin: "https://other.example", "sec-fetch-site": "cross-site" },
    { origin: "https://other.example" },
    { origin: "capacitor://localhost", "sec-fetch-site": "cross-site" },
    { origin: "capacitor://localhost" },
  ])("is 403 and names SameSite, before anything is done: %j", async (headers) => {
    for (const sameSite of ["lax", "strict"] as const) {
      const { bed } = await signedIn({ issuer: HTTPS_ISSUER, cookies: { sameSite } }, { allowedOrigins });
      const events = bed.events.length;
      for (const path of routes) {
        const { status, body, headers: answered } = await signIn(bed, headers as Record<string, string>, path);
        expect([path, status, body.error, answered.getSetCookie()]).toEqual([path, 403, "cross_site_request", []]);
        expect(body.error_description).toContain(sameSite === "lax" ? "SameSite=Lax" : "SameSite=Strict");
        expect(body.error_description).toContain("sameSite");
      }
      expect(bed.events.length).toBe(events);
    }
  });

  it("is 200 where sameSite is none, and where the tokens go into the body", async () => {
    const { bed } = await signedIn({ issuer: HTTPS_ISSUER, cookies: { sameSite: "none" } }, { allowedOrigins });
    const lax = await signedIn({ issuer: HTTPS_ISSUER }, { allowedOrigins });
    for (const origin of allowedOrigins) {
      const headers = { origin, "sec-fetch-site": "cross-site" };
      expect([origin, (await signIn(bed, headers)).status]).toEqual([origin, 200]);
      const json = { username: "ada", password: PASSWORD };
      expect((await lax.bed.call("POST", "/auth/login", { json, headers })).status).toBe(200);
    }
  });

  it("is 200 from an allowed origin of the same site, whether the browser says so or not", async () => {
    const { bed } = await signedIn({ issuer: HTTPS_ISSUER }, { allowedOrigins });
    for (const headers of [
      { origin: "https://app.example.com", "sec-fetch-site": "same-site" },
      { origin: "https://app.example.com" },
      { origin: HTTPS_ISSUER, "sec-fetch-site": "same-origin" },
      {},
    ]) {
      expect((await signIn(bed, headers as Record<string, string>)).status).toBe(200);
    }
  });

  it.each([
    ["https://app.example.com", "https://auth.example.com", false],
    ["https://example.com", "https://auth.example.com", false],
    ["https://auth.example.com:8443", "https://auth.example.com", false],
    ["https://localhost:5173", "https://localhost:4000", false],
    ["http://localhost:5173", "http://127.0.0.1:4000", false],
    ["http://app.example.com", "https://auth.example.com", true],
    ["https://app.example.org", "https://auth.example.com", true],
    ["https://192.0.2.1", "https://192.0.2.2", true],
    ["https://1.2.0.2", "https://9.9.0.2", true],
    ["https://[::1]:1", "https://[::2]:1", true],
    ["https://app.localhost", "https://localhost", true],
    ["tauri://localhost", "http://127.0.0.1:4000", true],
  ])("without Sec-Fetch-Site: %s and %s are certainly two sites: %s", (origin, own, expected) => {
    expect(isOtherSite({ origin, secFetchSite: null }, own)).toBe(expected);
  });

  it.each([
    ["same-origin", false],
    ["same-site", false],
    ["none", false],
    ["cross-site", true],
  ])("Sec-Fetch-Site: %s decides by itself", (secFetchSite, expected) => {
    expect(isOtherSite({ origin: "https://app.example.com", secFetchSite }, HTTPS_ISSUER)).toBe(expected);
  });
});
