import { LatchkeyError } from "../errors.ts";
import type { Issuer } from "../issuer.ts";
import type { AskingRequest } from "./credentials.ts";

/** The header that carries the CSRF token of a request that a cookie authenticates. */
export const CSRF_HEADER = "x-csrf-token";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request may change something, so that a cookie alone must not authenticate it. */
export function isUnsafe(method: string): boolean {
  return !SAFE_METHODS.has(method);
}

/**
 * Whether a request is a WebSocket handshake (RFC 6455 section 4.1): a GET that any page may send and that no page can add a
 * header to, so that its origin is all that it proves. A proxy that only asks about it, such as nginx, drops `Upgrade`, which is
 * for one connection (RFC 9110 section 7.8), but passes `Sec-WebSocket-Key` on.
 */
function isHandshake({ headers }: AskingRequest): boolean {
  return headers.has("upgrade") || headers.has("sec-websocket-key");
}

/**
 * Refuses a request that another site made the browser send. `Sec-Fetch-Site` and `Origin` are what the browser says of where
 * it comes from; a client that sends neither is no browser.
 * @throws LatchkeyError `cross_site_request`.
 */
export function refuseCrossSite(
  { headers }: AskingRequest,
  ownOrigin: string,
  allowedOrigins: readonly string[],
): void {
  const origin = headers.get("origin");
  if (origin !== null && (origin === ownOrigin || allowedOrigins.includes(origin))) return;
  const site = headers.get("sec-fetch-site");
  if (origin !== null || (site !== null && site !== "same-origin" && site !== "none")) {
    throw new LatchkeyError("cross_site_request");
  }
}

/**
 * Refuses an unsafe request that a cookie authenticates and that does not prove that a page of ours made it: a session-bound
 * double submit beside {@link refuseCrossSite}. A WebSocket handshake has to stand the second alone (RFC 6455 section 10.2).
 * @throws LatchkeyError `cross_site_request`, `csrf_token_missing`, `csrf_token_invalid`.
 */
export function refuseForgery(
  issuer: Issuer,
  request: AskingRequest,
  sessionId: string,
  {
    allowedOrigins,
    formToken,
    methods = [request.method],
  }: {
    readonly allowedOrigins: readonly string[];
    readonly formToken?: string | undefined;
    readonly methods?: readonly string[] | undefined;
  },
): void {
  const isChange = methods.some(isUnsafe);
  if (isChange || isHandshake(request)) refuseCrossSite(request, new URL(issuer.options.issuer).origin, allowedOrigins);
  if (!isChange) return;
  const token = request.headers.get(CSRF_HEADER) ?? formToken;
  if (token === undefined) throw new LatchkeyError("csrf_token_missing");
  if (!issuer.isCsrfToken(sessionId, token)) throw new LatchkeyError("csrf_token_invalid");
}
