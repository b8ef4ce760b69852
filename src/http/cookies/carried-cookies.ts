import type { AskingRequest } from "../request/credentials.ts";
import { sameRequest } from "../request/request-record.ts";

/** The cookies of a guard, for the request and the response. */
export interface CarriedCookies {
  readonly setCookies: readonly string[];
  readonly setCookiesOnError: readonly string[];
  readonly cookieHeader: string | null;
}

/** What some cache goes by beside or before `Cache-Control` (RFC 9111 section 5.3, RFC 9213, and what servers and networks have of their own). */
const CACHE_FIELD = /^(?:expires|surrogate-control|x-accel-expires|(?:[a-z]+-)*cdn-cache-control)$/i;

/** Whether a field of a response lets a cache store it, so that it must not be sent with session cookies. */
export function letsCache(field: string): boolean {
  return field.toLowerCase() === "cache-control" || CACHE_FIELD.test(field);
}

/** The `Set-Cookie` values that a response still lacks: none if it sets or deletes the session's cookies itself. */
export function missingCookies(already: readonly string[], setCookies: readonly string[]): readonly string[] {
  const names = new Set(setCookies.map(nameOf));
  return already.some((line) => names.has(nameOf(line))) ? [] : setCookies;
}

/**
 * The request with the new cookies. The same object if its headers can be changed, since no copy has everything: a body
 * that has been read or wrapped, or additions of a framework.
 */
export function carryingCookies<Asking extends Request>(
  request: Asking,
  { setCookies, cookieHeader }: CarriedCookies,
  copy: (request: Asking, headers: Headers) => Asking = copied,
): Asking {
  if (setCookies.length === 0 || cookieHeader === null || request.headers.get("cookie") === cookieHeader)
    return request;
  try {
    request.headers.set("cookie", cookieHeader);
    if (request.headers.get("cookie") === cookieHeader) return request;
  } catch {
    // Some runtimes keep the headers of a request immutable.
  }
  const headers = new Headers(request.headers);
  headers.set("cookie", cookieHeader);
  return sameRequest(copy(request, headers), request as AskingRequest);
}

function copied<Asking extends Request>(request: Asking, headers: Headers): Asking {
  const { url, method, signal, bodyUsed, body } = request;
  const content = bodyUsed ? { body: "" } : body === null ? {} : { body, duplex: "half" };
  return asUsed(new Request(url, { method, headers, signal, ...content } as RequestInit) as Asking, bodyUsed);
}

/** A copy of a request whose body has been read counts as read too, rather than as empty. */
export function asUsed<Copy extends Request>(copy: Copy, bodyUsed: boolean): Copy {
  if (bodyUsed) void copy.text();
  return copy;
}

/**
 * The response with the cookies, which no cache may store. A copy: headers may be immutable, and an application may
 * answer many requests with one object.
 */
export function settingCookies(response: Response, setCookies: readonly string[]): Response {
  if (setCookies.length === 0) return response;
  // A protocol switch cannot be copied, and is never shared between requests.
  const copy = response.status < 200 ? response : new Response(response.body, response);
  addCookies(copy.headers, setCookies);
  return copy;
}

/** Adds the `Set-Cookie` values that headers lack, and forbids every cache to store the response. */
export function addCookies(headers: Headers, setCookies: readonly string[]): void {
  for (const value of missingCookies(headers.getSetCookie(), setCookies)) headers.append("set-cookie", value);
  for (const name of [...headers.keys()]) if (letsCache(name)) headers.delete(name);
  headers.set("cache-control", "no-store");
}

function nameOf(setCookie: string): string {
  return setCookie.slice(0, setCookie.indexOf("="));
}
