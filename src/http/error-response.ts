import { dpopAlgorithms } from "../access-token/dpop-proof.ts";
import { type ChallengeScheme, type ErrorCode, errorCatalogue, isLatchkeyError, LatchkeyError } from "../errors.ts";
import type { HeaderFields, Responder } from "./respond.ts";

/** Which form a route's errors take: Latchkey's own codes, or those of RFC 6749 section 5.2. */
export type ErrorStyle = "latchkey" | "oauth";

/**
 * The one place that turns errors into responses. Any error other than a {@link LatchkeyError} becomes an
 * `internal_error` without details.
 */
export function errorResponse(
  respond: Responder,
  thrown: unknown,
  style: ErrorStyle = "latchkey",
  headers: HeaderFields = {},
): Response {
  const error = isLatchkeyError(thrown) ? thrown : new LatchkeyError("internal_error", { cause: thrown });
  const oauth = style === "oauth";
  const body = oauth
    ? { error: error.oauthError, error_description: quotable(oauthDescription(error)) }
    : { error: error.code, error_description: error.description };
  const status = statusOf(error.code, style);
  return respond.json(body, status, {
    ...challenge(error, status),
    ...(error.retryAfterSeconds === undefined
      ? retryByDefault(status)
      : { "retry-after": String(Math.max(1, Math.ceil(error.retryAfterSeconds))) }),
    ...headers,
  });
}

/** With our own code in front where `error` does not say it: clients print the two one after the other. */
function oauthDescription({ code, oauthError, description }: LatchkeyError): string {
  return code === oauthError ? description : `${code}: ${description}`;
}

/** RFC 6749 section 5.2 and RFC 9449 section 5: the token endpoint answers 401 to clients alone. */
export function statusOf(code: ErrorCode, style: ErrorStyle = "latchkey"): number {
  const { status, oauthError } = errorCatalogue[code];
  return style === "oauth" && ["invalid_grant", "invalid_dpop_proof", "use_dpop_nonce"].includes(oauthError)
    ? 400
    : status;
}

/**
 * The scheme of an error's challenge, where another credential would help: every 401, and each 403 that another access
 * token would change. A 403 that no token would change, as with the CSRF codes, has no challenge.
 */
export function challengeScheme(
  code: ErrorCode,
  status: number,
  asked: ChallengeScheme = "Bearer",
): "Basic" | ChallengeScheme | undefined {
  if (code === "invalid_client") return "Basic";
  return status === 401 || errorCatalogue[code].oauthError === "insufficient_scope" ? asked : undefined;
}

/**
 * Adds the challenge. RFC 6750 section 3: no error code for a request without a token; RFC 6749 section 5.2: clients
 * that authenticate do so by the Basic scheme.
 */
function challenge({ code, description, challenge }: LatchkeyError, status: number): HeaderFields {
  const scheme = challengeScheme(code, status, challenge);
  if (scheme === undefined) return {};
  const realm = `realm="latchkey"${scheme === "DPoP" ? `, algs="${dpopAlgorithms.join(" ")}"` : ""}`;
  if (scheme === "Basic" || code === "missing_token" || code === "invalid_credentials") {
    return { "www-authenticate": `${scheme} ${realm}` };
  }
  const error = challengeError(code, status);
  return {
    "www-authenticate": `${scheme} ${realm}, error="${error}", error_description="${quotable(`${code}: ${description}`)}"`,
  };
}

/**
 * RFC 9470 section 3 has its own code for a token that is valid but too old: refreshing, as other codes suggest, does
 * not help. RFC 9449 section 7.1 has codes for errors in the proof only.
 */
function challengeError(code: ErrorCode, status: number): string {
  if (code === "token_not_fresh" || code === "invalid_dpop_proof" || code === "use_dpop_nonce") {
    return errorCatalogue[code].oauthError;
  }
  return status === 401 ? "invalid_token" : "insufficient_scope";
}

/**
 * RFC 6749 section 5.2 and RFC 6750 section 3 limit a description to printable ASCII without quotes and backslashes.
 */
function quotable(text: string): string {
  return text.replace(/…/g, "...").replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'");
}

function retryByDefault(status: number): HeaderFields {
  return status === 503 || status === 429 ? { "retry-after": "1" } : {};
}
