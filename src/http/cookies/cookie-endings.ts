import { type ErrorCode, isLatchkeyError } from "../../errors.ts";
import { couldBeRefreshToken } from "../../secrets/refresh-token.ts";
import type { PresentedCookies, SessionCookies } from "./cookies.ts";

/** The store itself says that the session is over. Every other error may be this server's own lack of knowledge. */
const ENDED: ReadonlySet<ErrorCode> = new Set(["session_revoked", "session_expired", "refresh_token_reused"]);

/** Whether the store says that the session is over, so that not even a good access token of it counts. */
export function hasEnded(error: unknown): boolean {
  return isLatchkeyError(error) && ENDED.has(error.code);
}

/** The cookies of a request, and what is known of them. */
export interface RefusedCookies {
  readonly presented: Pick<PresentedCookies, "access" | "refresh">;
  /** What a refresh with the refresh cookie came to; `undefined` where none was tried. */
  readonly refreshError?: unknown;
  /** Whether the access cookie is good by itself, so that it must stay. Default: false. */
  readonly accessIsGood?: boolean;
}

/**
 * The `Set-Cookie` values that delete what no later request can use. Deleted are a refresh cookie that cannot be a token, all cookies
 * of a session that the store says is revoked, expired or reused, and an access cookie that is not good where no renewal came. A
 * well-formed refresh cookie that this server does not know is kept, as at 429 and 503: a wrong secret or a restored backup must
 * not sign everybody out for good.
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

/** Has the answer to an error set cookies, those that delete or, in strict mode, those of a rotation. Returns the error, to be thrown. */
export function withSetCookies<Thrown>(error: Thrown, setCookies: readonly string[]): Thrown {
  if (typeof error === "object" && error !== null && setCookies.length > 0) setCookiesByError.set(error, setCookies);
  return error;
}

/** The `Set-Cookie` values that the answer to an error carries. */
export function setCookiesOf(error: unknown): readonly string[] {
  return (typeof error === "object" && error !== null && setCookiesByError.get(error)) || [];
}
