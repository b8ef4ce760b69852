import { describe, expect, it } from "vitest";
import { createTestBed } from "../support/test-bed.ts";

describe("RFC 6750 section 2, sending the access token", () => {
  it("is by the Authorization header, whose scheme may stand in any case (RFC 9110 section 11.1)", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    for (const authorization of [`Bearer ${token}`, `bearer ${token}`, `BEARER ${token}`, `Bearer   ${token}`]) {
      expect((await bed.call("GET", "/auth/me", { headers: { authorization } })).status).toBe(200);
    }
    for (const authorization of [
      `Bearer\t${token}`,
      `Bearer ${token} `,
      `Bearer ${token}.`,
      `Bearer ${token},`,
      `Bearer "${token}"`,
    ]) {
      const { status } = await bed.call("GET", "/auth/me", { headers: { authorization } });
      // White space around a header's value is no part of it (RFC 9110 section 5.5).
      expect([authorization, status]).toEqual([authorization, authorization.endsWith(" ") ? 200 : 401]);
    }
  });

  it("is by one method at a time: a refresh token in the header and in the body is invalid_request", async () => {
    const bed = await createTestBed();
    const { refresh_token: token } = await bed.login();
    for (const path of ["/auth/refresh", "/auth/logout"]) {
      const { status, body } = await bed.call("POST", path, { bearer: token, json: { refresh_token: token } });
      expect([path, status, body.error]).toEqual([path, 400, "invalid_request"]);
      expect(body.error_description).toContain("two tokens");
    }
    expect((await bed.call("POST", "/auth/refresh", { bearer: token })).status).toBe(200);
  });
});

describe("RFC 6750 section 2.3, the query parameter", () => {
  it("is not taken, whatever its name, and whatever else the request holds", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    for (const name of ["access_token", "ACCESS_TOKEN", "accessToken", "token", "bearer", "jwt", "id_token", "x"]) {
      const { status, body } = await bed.call("GET", `/auth/me?${name}=${token}`, { bearer: token });
      expect([name, status, body.error]).toEqual([name, 400, "token_in_query"]);
    }
  });
});

describe("RFC 6750 section 3, the WWW-Authenticate challenge", () => {
  const challengeOf = async (bearer?: string, path = "/auth/me", advanceSeconds = 0) => {
    const bed = await createTestBed();
    const pair = await bed.login();
    bed.clock.advanceSeconds(advanceSeconds);
    const token = bearer === "access" ? pair.access_token : bearer === "refresh" ? pair.refresh_token : bearer;
    const { headers } = await bed.call("GET", path, token === undefined ? {} : { bearer: token });
    return headers.get("www-authenticate");
  };

  it("has no error for whoever brought no token", async () => {
    expect(await challengeOf()).toBe('Bearer realm="latchkey"');
  });

  it("has invalid_token for a token that is expired, revoked, malformed or of another kind, and says which", async () => {
    for (const [token, advanceSeconds, code] of [
      ["garbage", 0, "invalid_access_token"],
      ["access", 906, "access_token_expired"],
      ["refresh", 0, "wrong_token_type"],
    ] as const) {
      expect(await challengeOf(token, "/auth/me", advanceSeconds)).toMatch(
        `Bearer realm="latchkey", error="invalid_token", error_description="${code}: `,
      );
    }
  });

  it("has insufficient_scope, with 403, for a token that may not", async () => {
    expect(await challengeOf("access", "/auth/admin/metrics")).toMatch(
      /^Bearer realm="latchkey", error="insufficient_scope", /,
    );
  });

  it("stands with no 403 that another token would not change", async () => {
    const bed = await createTestBed();
    const json = { username: "ada", password: "correct horse battery staple" };
    for (const [path, body] of [
      ["/auth/register", json],
      ["/auth/setup", { ...json, setup_token: "x" }],
    ] as const) {
      const { status, headers } = await bed.call("POST", path, { json: body });
      expect([path, status, headers.get("www-authenticate")]).toEqual([path, 403, null]);
    }
  });

  it("keeps its description to the characters of section 3, whatever the text", async () => {
    for (const token of [undefined, "garbage", "refresh"]) {
      const challenge = (await challengeOf(token))!;
      const description = /error_description="([^"]*)"$/.exec(challenge)?.[1] ?? "";
      expect(description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]*$/);
    }
  });
});

describe("RFC 6750 section 5.3, responses that hold tokens", () => {
  it("may not be stored", async () => {
    const bed = await createTestBed();
    const { refresh_token: bearer } = await bed.login();
    expect((await bed.call("POST", "/auth/refresh", { bearer })).headers.get("cache-control")).toBe("no-store");
  });
});
