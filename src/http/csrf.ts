import { LatchkeyError } from "../errors.ts";
import type { Issuer } from "../issuer.ts";
import type { AskingRequest } from "./request/credentials.ts";
import { isOtherSite, isOwnOrigin } from "./request/origins.ts";

/** The header that carries the CSRF token of a request authenticated by a cookie. */
export const CSRF_HEADER = "x-csrf-token";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request may change something, so that a cookie alone must not authenticate it. */
export function isUnsafe(method: string): boolean {
  return !SAFE_METHODS.has(method);
}

/**
 * Whether a request is a WebSocket handshake (RFC 6455 section 4.1): a GET that any page may send and that no page can
 * add a header to, so that its origin is all that it proves. A proxy that only asks whether to admit it, such as nginx,
 * drops `Upgrade`, which is for one connection (RFC 9110 section 7.8), but passes `Sec-WebSocket-Key` on.
 */
function isHandshake({ headers }: AskingRequest): boolean {
  return headers.has("upgrade") || headers.has("sec-websocket-key");
}

/**
 * Refuses a request that another site made the browser send. `Sec-Fetch-Site` and `Origin` are the browser's statement
 * of where it comes from; a client that sends neither is not a browser.
 * @throws LatchkeyError `cross_site_request`.
 */
export function refuseCrossSite(
  { headers }: AskingRequest,
  ownOrigin: string,
  allowedOrigins: readonly string[],
): void {
  const origin = headers.get("origin");
  if (origin !== null && origin !== "null" && (isOwnOrigin(origin, ownOrigin) || allowedOrigins.includes(origin)))
    return;
  const site = headers.get("sec-fetch-site");
  if (origin !== null || (site !== null && site !== "same-origin" && site !== "none")) {
    throw new LatchkeyError("cross_site_request", { description: refusalOf(ownOrigin) });
  }
}

/**
 * Refuses a sign-in with cookies whose cookies the browser would drop: one from an allowed origin of another site,
 * where SameSite blocks them. If the response were 200, the page would believe that the person is signed in.
 * @throws LatchkeyError `cross_site_request`.
 */
export function refuseDroppedCookies(
  { headers }: AskingRequest,
  ownOrigin: string,
  sameSite: "lax" | "strict" | "none",
): void {
  const source = { origin: headers.get("origin"), secFetchSite: headers.get("sec-fetch-site") };
  if (sameSite === "none" || !isOtherSite(source, ownOrigin)) return;
  throw new LatchkeyError("cross_site_request", {
    description:
      `The page is on another site than ${ownOrigin}, so the browser drops cookies with SameSite=${sameSite === "lax" ? "Lax" : "Strict"}. ` +
      "Serve both under one domain, set the cookie option sameSite to 'none', or request the tokens in the body." +
      (isLocal(ownOrigin) ? " localhost and 127.0.0.1 are two sites: use the same one for both." : ""),
  });
}

/** Names the setting, and in development the two names of one machine, which look like one place and are two origins. */
function refusalOf(ownOrigin: string): string {
  const hint = isLocal(ownOrigin)
    ? ` localhost and 127.0.0.1 are different origins: open the page under the listed one, or list the other as well.`
    : "";
  return (
    `Another site sent this request. Cookies are accepted only from pages of ${ownOrigin} and of the allowed origins ` +
    `(LATCHKEY_ALLOWED_ORIGINS, or the option 'allowedOrigins').${hint}`
  );
}

/** Plain http is for an issuer of this machine alone. */
function isLocal(ownOrigin: string): boolean {
  return ownOrigin.startsWith("http:");
}

/**
 * Whether a page of this same origin sent the request although it does not say so: its referrer policy is
 * `no-referrer`, which causes browsers to send `Origin: null`. Any sandboxed frame sends that too, so `Sec-Fetch-Site`
 * must state it, and the CSRF token must prove it.
 */
export function hidesOwnOrigin(request: AskingRequest): boolean {
  const { headers } = request;
  return headers.get("origin") === "null" && headers.get("sec-fetch-site") === "same-origin" && !isHandshake(request);
}

/**
 * Refuses an unsafe request that is authenticated by a cookie and has no proof that a page of ours sent it: a
 * session-bound double submit in addition to {@link refuseCrossSite}. A WebSocket handshake must only pass the second
 * (RFC 6455 section 10.2).
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
  if ((isChange || isHandshake(request)) && !(isChange && hidesOwnOrigin(request))) {
    refuseCrossSite(request, issuer.origin, allowedOrigins);
  }
  if (!isChange) return;
  const token = request.headers.get(CSRF_HEADER) ?? formToken;
  if (token === undefined) throw new LatchkeyError("csrf_token_missing");
  if (!issuer.isCsrfToken(sessionId, token)) throw new LatchkeyError("csrf_token_invalid");
}
