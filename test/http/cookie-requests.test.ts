import { describe, expect, it } from "vitest";
import { createGuard, type Issuer } from "../../src/index.ts";
import type { CookieJar } from "../support/cookie-jar.ts";
import { refused, signedIn, withCsrf } from "../support/signed-in.ts";
import { createTestBed, ISSUER } from "../support/test-bed.ts";

describe("requests that cookies authenticate", () => {
  /** Ends all sessions by ada's cookies and these headers. */
  async function logOutWith(headersFor: (own: CookieJar, others: CookieJar) => Record<string, string>) {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const others = (await signedIn(bed, "grace")).jar;
    return bed.call("POST", "/auth/logout-all", { headers: { ...jar.header(), ...headersFor(jar, others) } });
  }

  it("PARITY 28: GET needs no CSRF token", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).status).toBe(200);
  });

  it("PARITY 28: POST without a CSRF token is 403", async () => {
    refused(await logOutWith(() => ({})), 403, "csrf_token_missing");
  });

  it("PARITY 28: POST with another CSRF token than the session's is 403", async () => {
    const wrong: ((own: CookieJar, others: CookieJar) => string)[] = [
      () => "",
      () => "x",
      (_, others) => others.get("csrf"),
      (own) => `${own.get("csrf")}x`,
    ];
    for (const token of wrong) {
      const answer = await logOutWith((own, others) => ({ "x-csrf-token": token(own, others) }));
      refused(answer, 403, "csrf_token_invalid", String(token));
    }
  });

  it.each([
    "null",
    "https://evil.example",
    `${ISSUER}.evil.example`,
    ISSUER.replace("http:", "https:"),
    ISSUER.toUpperCase(),
  ])("POST with the session's CSRF token is 403 from the origin %s", async (origin) => {
    const answer = await logOutWith((own) => ({ "x-csrf-token": own.get("csrf"), origin }));
    refused(answer, 403, "cross_site_request");
  });

  it("PARITY 28: POST with the session's CSRF token in the header is served, from the issuer's own pages", async () => {
    const own = (jar: CookieJar) => ({
      "x-csrf-token": jar.get("csrf"),
      origin: ISSUER,
      "sec-fetch-site": "same-origin",
    });
    expect((await logOutWith(own)).status).toBe(204);
  });

  it("PARITY 28: takes the CSRF token from a form field where the caller hands it in", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const guard = createGuard(bed.issuer);
    const post = () => new Request(`${ISSUER}/orders`, { method: "POST", headers: jar.header() });
    await expect(guard.admit(post())).rejects.toMatchObject({ code: "csrf_token_missing" });
    await expect(guard.admit(post(), { csrfToken: jar.get("csrf") })).resolves.toMatchObject({
      auth: { sid: expect.any(String) },
    });
  });

  it("a refresh by cookie needs the CSRF token", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    refused(await bed.call("POST", "/auth/refresh", { headers: jar.header() }), 403, "csrf_token_missing");
  });

  it("a refresh by cookie is answered with cookies, and with no token in the body", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const answer = await bed.call("POST", "/auth/refresh", withCsrf(jar));
    expect([answer.status, Object.keys(answer.body).sort()]).toEqual([
      200,
      ["csrf_token", "expires_in", "refresh_expires_in", "session_id"],
    ]);
    expect(answer.text).not.toContain("lkr_");
    const before = jar.get("refresh");
    expect(jar.take(answer.headers).get("refresh")).not.toBe(before);
    expect((await bed.call("POST", "/auth/refresh", withCsrf(jar))).status).toBe(200);
  });

  it("a bearer token wins over the cookies that the browser sends along, and needs no CSRF token", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const grace = await bed.login("grace");
    const me = await bed.call("GET", "/auth/me", { bearer: grace.access_token, headers: jar.header() });
    expect(me.body.username).toBe("grace");
    expect(
      (await bed.call("POST", "/auth/logout-all", { bearer: grace.access_token, headers: jar.header() })).status,
    ).toBe(204);
    expect((await bed.call("GET", "/auth/me", { headers: jar.header() })).body.username).toBe("ada");
  });

  it("the CSRF token outlives a change of the root secret with the previous one given", async () => {
    const bed = await createTestBed();
    const { jar } = await signedIn(bed);
    const { createIssuer } = await import("../../src/index.ts");
    const changed = await createIssuer({
      issuer: ISSUER,
      secret: "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN",
      previousSecret: bed.issuer.options.secret,
      store: bed.store,
      environment: bed.issuer.options.environment,
    });
    const sid = changed.sessionOf(jar.get("refresh"));
    expect(changed.isCsrfToken(sid, jar.get("csrf"))).toBe(true);
    expect(changed.csrfToken(sid)).not.toBe(jar.get("csrf"));
  });
});

describe("several kinds of subject side by side", () => {
  it("PARITY 25: a token of one kind is refused by the other, and their cookies do not meet", async () => {
    const customers = await createTestBed({ issuer: `${ISSUER}/customers`, audience: "shop" });
    const staff = await createTestBed({ issuer: `${ISSUER}/staff`, audience: "office", cookies: { name: "staff" } });
    const customer = await signedIn(customers);
    const employee = await signedIn(staff);
    const admits = (issuer: Issuer, headers: Record<string, string>) =>
      createGuard(issuer)
        .admit(new Request(`${ISSUER}/orders`, { headers }))
        .then(
          () => "admitted",
          (error: { code: string }) => error.code,
        );
    const bearer = (jar: CookieJar) => ({ authorization: `Bearer ${jar.get("access")}` });
    expect(await admits(staff.issuer, bearer(customer.jar))).toBe("invalid_access_token");
    expect(await admits(customers.issuer, bearer(employee.jar))).toBe("invalid_access_token");
    expect(await admits(staff.issuer, customer.jar.header())).toBe("missing_token");
    const both = { cookie: `${customer.jar.header().cookie}; ${employee.jar.header().cookie}` };
    expect([await admits(staff.issuer, both), await admits(customers.issuer, both)]).toEqual(["admitted", "admitted"]);
  });
});
