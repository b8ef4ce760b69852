import { serialize } from "hono/utils/cookie";
import type { ResolvedOptions } from "../../engine/options.ts";
import type { TokenPair } from "../../engine/token-pair.ts";
import { LatchkeyError } from "../../errors.ts";
import { DEVICE_TOKEN_TTL_SECONDS } from "../../secrets/device-token.ts";
import type { HeaderReader } from "../request/credentials.ts";
import { cookieNamed, withCookiesFirst } from "./cookie-header.ts";

/** What browsers keep of one cookie, name, value and attributes together (RFC 6265 section 6.1). */
const COOKIE_MAX_BYTES = 4096;
/** Browsers keep no cookie for longer (RFC 6265bis section 5.5). */
const MAX_AGE_LIMIT_SECONDS = 400 * 86_400;

/** Latchkey's cookies of a request. */
export interface PresentedCookies {
  readonly access: string | undefined;
  readonly refresh: string | undefined;
  /** The token that identifies the browser at a sign-in. It authenticates no one. */
  readonly device: string | undefined;
}

/** The cookies that a session's end deletes. */
export type SessionCookieName = "access" | "refresh" | "csrf";

/**
 * Reads, sets and clears the three cookies of a session, setting and clearing with the same names and attributes; and
 * keeps a fourth, which identifies the browser when a person signs in again, and therefore outlives sessions.
 */
export interface SessionCookies {
  readonly names: {
    readonly access: string;
    readonly refresh: string;
    readonly csrf: string;
    readonly device: string;
  };
  read(headers: HeaderReader): PresentedCookies;
  /**
   * The `Set-Cookie` values for a pair.
   * @throws LatchkeyError `token_too_large` when one would exceed 4,096 bytes, which browsers drop silently.
   */
  set(pair: TokenPair, csrfToken: string): readonly string[];
  /** The `Set-Cookie` value for a device token. Nothing deletes it. */
  setDevice(deviceToken: string): string;
  /** The `Set-Cookie` values that delete what {@link SessionCookies.set} has set. Default: all of it. */
  clear(which?: readonly SessionCookieName[]): readonly string[];
  /**
   * A request's `Cookie` header as it will be once the pair's cookies are set: they come first and once, followed by
   * every other cookie as it was sent.
   */
  replacedIn(headers: HeaderReader, pair: TokenPair, csrfToken: string): string;
}

/**
 * The cookies of one issuer: `__Host-` and Secure, except for an issuer on plain http, which can only be a loopback
 * address. All are HttpOnly except the CSRF cookie, which the page must read.
 */
export function createSessionCookies(options: Pick<ResolvedOptions, "issuer" | "cookies">): SessionCookies {
  const secure = options.issuer.startsWith("https:");
  const { name, sameSite } = options.cookies;
  const prefix = `${secure ? "__Host-" : ""}${name}`;
  const names = {
    access: `${prefix}-access`,
    refresh: `${prefix}-refresh`,
    csrf: `${prefix}-csrf`,
    device: `${prefix}-device`,
  };

  function cookie(which: keyof typeof names, value: string, maxAgeSeconds: number): string {
    const text = serialize(names[which], value, {
      path: "/",
      secure,
      httpOnly: which !== "csrf",
      sameSite,
      maxAge: Math.min(maxAgeSeconds, MAX_AGE_LIMIT_SECONDS),
    });
    if (Buffer.byteLength(text) > COOKIE_MAX_BYTES) {
      throw new LatchkeyError("token_too_large", {
        detail: `The ${names[which]} cookie would be ${Buffer.byteLength(text)} bytes.`,
      });
    }
    return text;
  }

  return {
    names,
    read(headers) {
      const header = headers.get("cookie") ?? "";
      const named = (name: string) => cookieNamed(header, name) || undefined;
      return { access: named(names.access), refresh: named(names.refresh), device: named(names.device) };
    },
    set: (pair, csrfToken) => [
      cookie("access", pair.accessToken, pair.expiresInSeconds),
      cookie("refresh", pair.refreshToken, pair.refreshExpiresInSeconds),
      cookie("csrf", csrfToken, pair.refreshExpiresInSeconds),
    ],
    setDevice: (deviceToken) => cookie("device", deviceToken, DEVICE_TOKEN_TTL_SECONDS),
    clear: (which = ["access", "refresh", "csrf"]) => which.map((one) => cookie(one, "", 0)),
    replacedIn: (headers, { accessToken, refreshToken }, csrfToken) =>
      withCookiesFirst(headers.get("cookie") ?? "", [
        [names.access, accessToken],
        [names.refresh, refreshToken],
        [names.csrf, csrfToken],
      ]),
  };
}
