import { describe, expect, it } from "vitest";
import { createTestBed, PASSWORD, type Reply, type TestBed } from "../support/test-bed.ts";

const token = (bed: TestBed, form: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) =>
  bed.call("POST", "/token", { form, headers });

async function setUp(handlerOptions = {}) {
  const bed = await createTestBed({}, handlerOptions);
  const pair = await bed.login();
  return { bed, pair, refresh: { grant_type: "refresh_token", refresh_token: pair.refresh_token } };
}

describe("RFC 6749 section 3.2, the token endpoint", () => {
  it("takes POST only", async () => {
    const { bed } = await setUp();
    for (const method of ["GET", "PUT", "DELETE"]) {
      const { status, headers } = await bed.call(method, "/token?grant_type=refresh_token");
      expect([method, status, headers.get("allow")]).toEqual([method, 405, "POST"]);
    }
  });

  it("treats parameters without a value as left out, ignores unknown ones, and refuses those that come twice", async () => {
    const { bed, refresh } = await setUp();
    const lenient = {
      ...refresh,
      scope: "",
      client_id: "",
      client_secret: "",
      username: "",
      audience: "x",
      resource: "y",
    };
    expect((await token(bed, lenient)).status).toBe(200);
    const empty = await token(bed, { grant_type: "refresh_token", refresh_token: "" });
    expect([empty.status, empty.body.error]).toEqual([400, "invalid_request"]);
    const body = `grant_type=refresh_token&refresh_token=${refresh.refresh_token}&grant_type=refresh_token`;
    const request = new Request("http://127.0.0.1:4000/token", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body,
    });
    const twice = await bed.handler.fetch(request);
    expect([twice.status, ((await twice.json()) as { error: string }).error]).toEqual([400, "invalid_request"]);
  });
});

describe("RFC 6749 section 4.3, the password grant", () => {
  it("gives a pair where it is switched on, and invalid_grant for credentials that are wrong", async () => {
    const { bed } = await setUp({ passwordGrant: true });
    const grant = { grant_type: "password", username: "ada" };
    expect((await token(bed, { ...grant, password: PASSWORD })).status).toBe(200);
    const wrong = await token(bed, { ...grant, password: "not her password" });
    expect([wrong.status, wrong.body.error]).toEqual([400, "invalid_grant"]);
    const missing = await token(bed, grant);
    expect([missing.status, missing.body.error]).toEqual([400, "invalid_request"]);
    expect(missing.body.error_description).toContain("'password'");
  });
});

describe("RFC 6749 section 5.1, the successful response", () => {
  it("has the fields that are asked for, as JSON, and may not be stored", async () => {
    const { bed, refresh } = await setUp();
    const { status, headers, body } = await token(bed, refresh);
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: "Bearer", expires_in: 900, access_token: expect.any(String) });
    expect(headers.get("content-type")).toMatch(/^application\/json(;|$)/);
    expect([headers.get("cache-control"), headers.get("pragma")]).toEqual(["no-store", "no-cache"]);
  });
});

describe("RFC 6749 section 5.2, the error response", () => {
  const isText = expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);

  async function refusals(): Promise<readonly (readonly [expected: string, status: number, answer: Reply])[]> {
    const { bed, pair, refresh } = await setUp();
    const basic = { authorization: `Basic ${Buffer.from("client:secret").toString("base64")}` };
    return [
      ["invalid_request", 400, await token(bed, {})],
      ["invalid_request", 400, await token(bed, { grant_type: "refresh_token" })],
      ["invalid_request", 400, await bed.call("POST", `/token?access_token=${pair.access_token}`, { form: refresh })],
      ["invalid_request", 415, await bed.call("POST", "/token", { json: refresh })],
      ["invalid_client", 401, await token(bed, refresh, basic)],
      ["invalid_client", 401, await token(bed, { ...refresh, client_id: "somebody", client_secret: "x" })],
      ["invalid_grant", 400, await token(bed, { ...refresh, refresh_token: `lkr_${"A".repeat(76)}` })],
      ["invalid_grant", 400, await token(bed, { ...refresh, refresh_token: pair.access_token })],
      [
        "unsupported_grant_type",
        400,
        await token(bed, { grant_type: "password", username: "ada", password: PASSWORD }),
      ],
      ["unsupported_grant_type", 400, await token(bed, { grant_type: "authorization_code", code: "x" })],
      ["invalid_scope", 400, await token(bed, { ...refresh, scope: "admin" })],
    ];
  }

  it("has the error of this section, a description in its characters, and may not be stored", async () => {
    for (const [error, status, answer] of await refusals()) {
      expect([answer.status, answer.body]).toEqual([status, { error, error_description: isText }]);
      expect(answer.headers.get("cache-control")).toBe("no-store");
    }
  });

  it("challenges a client that tried to authenticate with the scheme that clients authenticate by", async () => {
    for (const [error, , { headers }] of await refusals()) {
      expect([error, headers.get("www-authenticate")]).toEqual([
        error,
        error === "invalid_client" ? 'Basic realm="latchkey"' : null,
      ]);
    }
  });
});

describe("RFC 6749 section 6, refreshing", () => {
  it("replaces the refresh token, and ends the session where a replaced one comes back", async () => {
    const { bed, refresh } = await setUp();
    const second = (await token(bed, refresh)).body;
    const third = (await token(bed, { ...refresh, refresh_token: second.refresh_token })).body;
    const reused = await token(bed, refresh);
    expect([reused.status, reused.body.error]).toEqual([400, "invalid_grant"]);
    expect(reused.body.error_description).toMatch(/^refresh_token_reused: /);
    const after = await token(bed, { ...refresh, refresh_token: third.refresh_token });
    expect([after.status, after.body.error_description.split(":")[0]]).toEqual([400, "session_revoked"]);
  });
});
