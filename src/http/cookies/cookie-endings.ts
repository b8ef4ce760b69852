import { type ErrorCode, isLatchkeyError } from "../../errors.ts";
import { couldBeRefreshToken } from "../../secrets/refresh-token.ts";
import type { PresentedCookies, SessionCookies } from "./cookies.ts";

/**
 * The store itself reports that the session has ended. Any other error may be due to this server's own lack of
 * knowledge.
 */
const ENDED: ReadonlySet<ErrorCode> = new Set(["session_revoked", "session_expired", "refresh_token_reused"]);

/** Whether the store reports that the session has ended, so that not even a valid access token of it counts. */
export function hasEnded(error: unknown): boolean {
  return isLatchkeyError(error) && ENDED.has(error.code);
}

/** The cookies of a request, and what is known about them. */
export interface RefusedCookies {
  readonly presented: Pick<PresentedCookies, "access" | "refresh">;
  /** The result of a refresh with the refresh cookie; `undefined` if none was tried. */
  readonly refreshError?: unknown;
  /** Whether the access cookie is valid by itself, so that it must be kept. Default: false. */
  readonly accessIsGood?: boolean;
}

/**
 * The `Set-Cookie` values that delete cookies which no later request can use: a refresh cookie that cannot be a token,
 * all cookies of a session that the store reports as revoked, expired or reused, and an access cookie that is not valid
 * and was not renewed. A well-formed refresh cookie that this server does not know is kept, as at 429 and 503: a wrong
 * secret or a restored backup must not sign everyone out for good.
 */
export function deletedCookies(
  cookies: SessionCookies,
  { presented: { access, refresh }, refreshError, accessIsGood = false }: RefusedCookies,
): readonly string[] {
  if (hasEnded(refreshError)) return cookies.clear();
  const isUnknown = isLatchkeyError(refreshError) && (refreshError.status === 429 || refreshError.status >= 500);
  const endsAccess = access !== undefined && !accessIsGood && !isUnknown;
  const endsRefresh = refresh !== undefined && !couldBeRefreshToken(refresh);
  if (!endsRefresh) return endsAccess ? cookies.clear(["access"]) : [];
  return accessIsGood ? cookies.clear(["refresh"]) : cookies.clear();
}

/** Beside the errors, not in them: an error may be logged, and a cookie must not be. */
const setCookiesByError = new WeakMap<object, readonly string[]>();

/**
 * Attaches cookies to the response for an error: deletions or, in strict mode, those of a rotation. Returns the error,
 * to be thrown.
 */
export function withSetCookies<Thrown>(error: Thrown, setCookies: readonly string[]): Thrown {
  if (typeof error === "object" && error !== null && setCookies.length > 0) setCookiesByError.set(error, setCookies);
  return error;
}

/** The `Set-Cookie` values of the response for an error. */
export function setCookiesOf(error: unknown): readonly string[] {
  return (typeof error === "object" && error !== null && setCookiesByError.get(error)) || [];
}
