import { describe, expect, it } from "vitest";
import { type ErrorCode, errorCatalogue, LatchkeyError } from "../../src/errors.ts";
import { type ErrorStyle, errorResponse } from "../../src/http/error-response.ts";
import { createResponder } from "../../src/http/respond.ts";
import { reply } from "../support/test-bed.ts";

const respond = createResponder(undefined, "request-1");
const answer = (thrown: unknown, style: ErrorStyle = "latchkey") => reply(errorResponse(respond, thrown, style));
const codes = Object.keys(errorCatalogue) as ErrorCode[];

/** RFC 9449 section 7.1. */
const ofProof = (code: ErrorCode) =>
  `DPoP realm="latchkey", algs="ES256 ES384 Ed25519 EdDSA PS256 RS256", error="${code}", error_description="${code}`;
const lacking = (code: ErrorCode) => `Bearer realm="latchkey", error="insufficient_scope", error_description="${code}`;
/** The challenges that do not follow from the status. In particular none of the CSRF codes has one. */
const special: Partial<Record<ErrorCode, string>> = {
  token_not_fresh:
    'Bearer realm="latchkey", error="insufficient_user_authentication", error_description="token_not_fresh',
  // RFC 6750 section 3.1: no error for whoever brought no token.
  missing_token: 'Bearer realm="latchkey"',
  invalid_credentials: 'Bearer realm="latchkey"',
  invalid_client: 'Basic realm="latchkey"',
  invalid_dpop_proof: ofProof("invalid_dpop_proof"),
  use_dpop_nonce: ofProof("use_dpop_nonce"),
  insufficient_role: lacking("insufficient_role"),
  insufficient_scope: lacking("insufficient_scope"),
  denied_by_policy: lacking("denied_by_policy"),
};

describe("an error's response", () => {
  it("has, for every code of the catalogue, its status, code and text", async () => {
    for (const code of codes) {
      const { status, body, headers } = await answer(new LatchkeyError(code));
      const entry = errorCatalogue[code];
      expect([status, body]).toEqual([entry.status, { error: code, error_description: entry.description }]);
      expect([code, headers.get("cache-control"), headers.get("x-request-id")]).toEqual([
        code,
        "no-store",
        "request-1",
      ]);
    }
  });

  it("has OAuth's error for every code of the catalogue, and a text that begins with the code where that is another", async () => {
    for (const code of codes) {
      const { status, body } = await answer(new LatchkeyError(code), "oauth");
      const entry = errorCatalogue[code];
      // RFC 6749 section 5.2, RFC 9449 sections 5 and 8.
      const is400 = ["invalid_grant", "invalid_dpop_proof", "use_dpop_nonce"].includes(entry.oauthError);
      expect([code, status]).toEqual([code, is400 ? 400 : entry.status]);
      expect(body).toEqual({
        error: entry.oauthError,
        error_description: expect.stringMatching(
          `^${code === entry.oauthError ? `(?!${code})` : `${code}: `}[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]+$`,
        ),
      });
    }
    const { body } = await answer(
      new LatchkeyError("invalid_request", { description: 'Ä "b" \\ c …\r\n\u2028' }),
      "oauth",
    );
    expect(body.error_description).toBe("' 'b' ' c ...'''");
  });

  it("challenges with every 401, and of all the others with those 403 alone that another access token would change", async () => {
    const challengeOf = async (code: ErrorCode, style?: ErrorStyle) => {
      const { status, headers } = await answer(new LatchkeyError(code), style);
      return [status, headers.get("www-authenticate")?.replace(/: .*/, "") ?? null];
    };
    const bearer = (error: string, code: string) =>
      `Bearer realm="latchkey", error="${error}", error_description="${code}`;
    for (const code of codes) {
      const { status } = errorCatalogue[code];
      const expected = special[code] ?? (status === 401 ? bearer("invalid_token", code) : null);
      expect([code, await challengeOf(code)]).toEqual([code, [status, expected]]);
    }
    // Of a 400 a client cannot get out with another access token (RFC 6749 section 5.2).
    const asOauth = await Promise.all(
      codes.map(async (code) => [code, ...(await challengeOf(code, "oauth"))] as const),
    );
    for (const [code, status, challenge] of asOauth.filter(([, status]) => status === 400)) {
      expect([code, status, challenge]).toEqual([code, 400, null]);
    }
  });

  it("says with 429 and 503 how many whole seconds to wait, at least one", async () => {
    for (const code of codes) {
      const { status, headers } = await answer(new LatchkeyError(code));
      expect([code, headers.get("retry-after")]).toEqual([code, status === 429 || status === 503 ? "1" : null]);
    }
    for (const [seconds, expected] of [
      [0, "1"],
      [0.2, "1"],
      [1.2, "2"],
      [900, "900"],
    ] as const) {
      const { headers } = await answer(new LatchkeyError("too_many_requests", { retryAfterSeconds: seconds }));
      expect([seconds, headers.get("retry-after")]).toEqual([seconds, expected]);
    }
  });

  it("tells the public neither detail nor cause nor subject, nor anything of what is no error of ours", async () => {
    const details = { detail: "secret-1", cause: new Error("secret-2"), subject: "secret-3" };
    for (const thrown of [
      ...codes.map((code) => new LatchkeyError(code, details)),
      new Error("secret-4"),
      new TypeError("secret-5", { cause: "secret-6" }),
      "secret-7",
      { code: "not_found", status: 404, description: "secret-8", message: "secret-9" },
      undefined,
      null,
    ]) {
      const { text, headers } = await answer(thrown);
      expect(text + JSON.stringify([...headers])).not.toContain("secret-");
    }
    for (const foreign of [new Error("x"), "x", { status: 404 }, undefined, null]) {
      const { status, body } = await answer(foreign);
      expect([status, body.error]).toEqual([500, "internal_error"]);
    }
  });
});
