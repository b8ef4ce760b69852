/** What a catalogue entry defines for its code: the HTTP status, the OAuth 2.0 error, and the public text. */
interface CatalogueEntry {
  readonly status: number;
  /** The `error` that OAuth endpoints (RFC 6749 section 5.2) and bearer challenges (RFC 6750 section 3.1) use. */
  readonly oauthError: string;
  /** The default `error_description`: what was wrong and what to do. Never contains what the caller sent. */
  readonly description: string;
}

/** Every error that Latchkey answers or throws on purpose, by code. Callers rely on the codes. */
export const errorCatalogue = {
  invalid_request: {
    status: 400,
    oauthError: "invalid_request",
    description: "The request is not valid for this endpoint.",
  },
  token_in_query: {
    status: 400,
    oauthError: "invalid_request",
    description:
      "Tokens are not accepted in the query string, because URLs end up in logs and histories. Send the token in the Authorization header or in the body.",
  },
  unsupported_grant_type: {
    status: 400,
    oauthError: "unsupported_grant_type",
    description: "This grant_type is not supported here.",
  },
  unauthorized_client: {
    status: 400,
    oauthError: "unauthorized_client",
    description: "The client is not allowed to do this.",
  },
  unsupported_token_type: {
    status: 400,
    oauthError: "unsupported_token_type",
    description:
      "A client's own access token cannot be revoked alone. It expires soon. To revoke it at once, disable the client.",
  },
  invalid_scope: {
    status: 400,
    oauthError: "invalid_scope",
    description: "The requested scope exceeds what can be granted. Request less, or omit 'scope'.",
  },
  invalid_client: {
    status: 401,
    oauthError: "invalid_client",
    description:
      "The client is unknown or disabled, or its authentication failed. The first-party client sends no client_id and no client authentication.",
  },
  missing_token: {
    status: 401,
    oauthError: "invalid_token",
    description: "An access token is required. Send it as 'Authorization: Bearer …'.",
  },
  invalid_access_token: {
    status: 401,
    oauthError: "invalid_token",
    description: "The access token is not valid here. Request a new one.",
  },
  invalid_dpop_proof: {
    status: 401,
    oauthError: "invalid_dpop_proof",
    description: "The DPoP proof is not valid.",
  },
  use_dpop_nonce: {
    status: 401,
    oauthError: "use_dpop_nonce",
    description:
      "The DPoP proof must contain the nonce from the DPoP-Nonce header. Create a new proof with it, then try again.",
  },
  access_token_expired: {
    status: 401,
    oauthError: "invalid_token",
    description: "The access token has expired. Refresh, then try again.",
  },
  access_token_replaced: {
    status: 401,
    oauthError: "invalid_token",
    description: "The access token has been replaced by a refresh. Use the newer one.",
  },
  wrong_token_type: {
    status: 401,
    oauthError: "invalid_grant",
    description: "The token is of the wrong type for this endpoint.",
  },
  invalid_refresh_token: {
    status: 401,
    oauthError: "invalid_grant",
    description: "The refresh token is unknown or malformed. Sign in again.",
  },
  refresh_token_reused: {
    status: 401,
    oauthError: "invalid_grant",
    description:
      "The refresh token was already replaced, so a copy of it is in use. The session has been ended. Sign in again.",
  },
  session_revoked: {
    status: 401,
    oauthError: "invalid_grant",
    description: "The session has been ended. Sign in again.",
  },
  session_expired: { status: 401, oauthError: "invalid_grant", description: "The session has expired. Sign in again." },
  invalid_credentials: {
    status: 401,
    oauthError: "invalid_grant",
    description: "The username or the password is wrong.",
  },
  wrong_password: {
    status: 403,
    oauthError: "access_denied",
    description: "The password is wrong. Enter the current password of this account, then retry.",
  },
  token_too_large: {
    status: 422,
    oauthError: "invalid_request",
    description:
      "The token does not fit in a cookie: its subject has too many roles or claims. Request the tokens in the body instead.",
  },
  cross_site_request: {
    status: 403,
    oauthError: "invalid_request",
    description:
      "Another site sent this request. Cookies are accepted only from pages of this site and of the allowed origins.",
  },
  csrf_token_missing: {
    status: 403,
    oauthError: "invalid_request",
    description: "A request that a cookie authenticates requires the CSRF token in the X-CSRF-Token header.",
  },
  csrf_token_invalid: {
    status: 403,
    oauthError: "invalid_request",
    description: "The CSRF token does not belong to this session. Read it again from the CSRF cookie.",
  },
  token_not_fresh: {
    status: 401,
    oauthError: "insufficient_user_authentication",
    description: "A recent sign-in is required. Confirm your password at /auth/reauthenticate, then retry.",
  },
  insufficient_scope: {
    status: 403,
    oauthError: "insufficient_scope",
    description: "The access token's scope does not cover this request.",
  },
  denied_by_policy: {
    status: 403,
    oauthError: "insufficient_scope",
    description: "The subject is not allowed to do this.",
  },
  insufficient_role: {
    status: 403,
    oauthError: "insufficient_scope",
    description: "The subject is not allowed to do this.",
  },
  registration_closed: {
    status: 403,
    oauthError: "access_denied",
    description: "Registration is closed. Ask an administrator for an account.",
  },
  setup_closed: {
    status: 403,
    oauthError: "access_denied",
    description: "The set-up link is not valid, has expired, or has already been used.",
  },
  not_found: { status: 404, oauthError: "invalid_request", description: "Not found. Check the URL and the ids in it." },
  method_not_allowed: {
    status: 405,
    oauthError: "invalid_request",
    description: "This endpoint does not accept this method. The Allow header lists those that it accepts.",
  },
  username_taken: {
    status: 409,
    oauthError: "invalid_request",
    description: "This username is taken. Choose another.",
  },
  last_administrator: {
    status: 409,
    oauthError: "invalid_request",
    description:
      "This is the last administrator who can sign in. Give another user the role 'admin' first, then try again.",
  },
  signing_key_too_new: {
    status: 409,
    oauthError: "invalid_request",
    description: "Verifiers may not have the next signing key yet. Wait, or force the rotation.",
  },
  payload_too_large: {
    status: 413,
    oauthError: "invalid_request",
    description: "The body is larger than 64 KiB. Send a smaller one.",
  },
  unsupported_media_type: {
    status: 415,
    oauthError: "invalid_request",
    description: "This endpoint does not accept the body's content type.",
  },
  invalid_username: {
    status: 422,
    oauthError: "invalid_request",
    description: "The username is not accepted. Choose another.",
  },
  password_rejected: {
    status: 422,
    oauthError: "invalid_request",
    description: "The password is not accepted. Choose another.",
  },
  too_many_requests: {
    status: 429,
    oauthError: "temporarily_unavailable",
    description: "Too many attempts. Wait for the time in Retry-After, then try again.",
  },
  internal_error: {
    status: 500,
    oauthError: "server_error",
    description: "The server failed. Report the X-Request-Id of this response to its operator.",
  },
  server_busy: {
    status: 503,
    oauthError: "temporarily_unavailable",
    description: "The server is busy, and nothing was changed. Wait for the time in Retry-After, then try again.",
  },
  store_unavailable: {
    status: 503,
    oauthError: "temporarily_unavailable",
    description:
      "The session store cannot be reached. The refresh token stays valid. Wait for the time in Retry-After, then try again.",
  },
  verifier_unavailable: {
    status: 503,
    oauthError: "temporarily_unavailable",
    description:
      "Access tokens cannot be verified now. The access token stays valid. Wait for the time in Retry-After, then try again.",
  },
  store_unusable: {
    status: 503,
    oauthError: "server_error",
    description: "The session store cannot be used. The server's log names the cause.",
  },
} as const satisfies Record<string, CatalogueEntry>;

/** A code of {@link errorCatalogue}. */
export type ErrorCode = keyof typeof errorCatalogue;

/** The codes whose HTTP status is one of `Status`. */
type CodeWithStatus<Status extends number> = {
  [Code in ErrorCode]: (typeof errorCatalogue)[Code]["status"] extends Status ? Code : never;
}[ErrorCode];

/** The codes that may include how long to wait. */
type CodeToRetry = CodeWithStatus<429 | 503> | "signing_key_too_new";
type RetryAfterSeconds<Code extends ErrorCode> = Code extends CodeToRetry ? number | undefined : undefined;

/** Details of an error, typed by its code. No field may ever contain a token, a password, a cookie or a hash. */
export interface ErrorDetails<Code extends ErrorCode = ErrorCode> {
  /** Replaces the catalogue's public text if it can be more specific. */
  readonly description?: string;
  /** For the operator's log only; never sent. */
  readonly detail?: string | undefined;
  readonly cause?: unknown;
  /** The `sub` of the person concerned, for the operator's events only; never sent. */
  readonly subject?: string | undefined;
  /** Whole seconds; becomes `Retry-After`. Only for codes with status 429 or 503, and `signing_key_too_new`. */
  readonly retryAfterSeconds?: RetryAfterSeconds<Code>;
  /**
   * The scheme that the `WWW-Authenticate` challenge requests. Only for codes with status 401.
   * Default: as the code has it.
   */
  readonly challenge?: Code extends CodeWithStatus<401> ? ChallengeScheme | undefined : undefined;
}

/** An HTTP authentication scheme for access tokens (RFC 6750, RFC 9449 section 7.1). */
export type ChallengeScheme = "Bearer" | "DPoP";

const brand = Symbol.for("latchkey.error");

/**
 * The one error class: a code of the catalogue, what the public sees, what the operator sees, and the cause. Its fields are
 * typed by its code, which {@link isLatchkeyError} narrows.
 */
export class LatchkeyError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "LatchkeyError";
  readonly [brand] = true;
  readonly code: Code;
  readonly status: (typeof errorCatalogue)[Code]["status"];
  readonly oauthError: string;
  /** What the public sees, as `error_description`. */
  readonly description: string;
  /** What the operator sees; never sent. */
  readonly detail: string | undefined;
  /** The `sub` of the person concerned; never sent. */
  readonly subject: string | undefined;
  /** Whole seconds to wait: for codes with status 429 or 503, and `signing_key_too_new`. */
  readonly retryAfterSeconds: RetryAfterSeconds<Code>;
  /** The scheme that the `WWW-Authenticate` challenge requests, where access tokens are required. */
  readonly challenge: ChallengeScheme;

  constructor(code: Code, details: ErrorDetails<Code> = {}) {
    const entry: CatalogueEntry = errorCatalogue[code];
    const description = details.description ?? entry.description;
    super(
      `${code}: ${details.detail ?? description}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.status = errorCatalogue[code].status;
    this.oauthError = entry.oauthError;
    this.description = description;
    this.detail = details.detail;
    this.subject = details.subject;
    this.retryAfterSeconds = details.retryAfterSeconds as RetryAfterSeconds<Code>;
    this.challenge =
      details.challenge ?? (code === "invalid_dpop_proof" || code === "use_dpop_nonce" ? "DPoP" : "Bearer");
  }
}

/**
 * Whether `value` is a {@link LatchkeyError}, and of the given code if one is given; TypeScript then knows the code,
 * the status and everything that depends on it. It also recognises errors from another copy of this module, where
 * `instanceof` fails.
 * @example
 * ```ts
 * import { isLatchkeyError } from "latchkey";
 *
 * try {
 *   await issuer.verify("eyJ…");
 * } catch (error) {
 *   if (isLatchkeyError(error, "too_many_requests")) console.log(`Wait ${error.retryAfterSeconds ?? 1} s.`);
 *   else if (isLatchkeyError(error)) console.log(error.code, error.status, error.description);
 *   else throw error;
 * }
 * ```
 */
export function isLatchkeyError(value: unknown): value is LatchkeyError;
export function isLatchkeyError<Code extends ErrorCode>(value: unknown, code: Code): value is LatchkeyError<Code>;
export function isLatchkeyError(value: unknown, code?: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const error = value as { readonly [brand]?: unknown; readonly code?: unknown };
  // As a callback of `filter` or `some` it receives an index there, which is not a code.
  return error[brand] === true && (typeof code !== "string" || error.code === code);
}
