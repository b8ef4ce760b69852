import type { TokenPair } from "../../engine/token-pair.ts";
import type { Issuer } from "../../issuer.ts";
import { createSessionCookies } from "./cookies.ts";

/**
 * The `Set-Cookie` values that hand a pair to a browser, as a sign-in with `"transport": "cookie"` does: for routes of the
 * application's own that open or take over a session with `issue` or `refresh`. Such a route must itself refuse what pages of
 * other sites send.
 * @throws LatchkeyError `token_too_large` when one would pass 4,096 bytes, which browsers drop without a word.
 */
export function sessionCookies(issuer: Issuer, pair: TokenPair): readonly string[] {
  return createSessionCookies(issuer.options).set(pair, issuer.csrfToken(pair.sessionId));
}
