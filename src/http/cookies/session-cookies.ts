import type { TokenPair } from "../../engine/token-pair.ts";
import type { Issuer } from "../../issuer.ts";
import { createSessionCookies } from "./cookies.ts";

/**
 * The `Set-Cookie` values that send a pair to a browser, as a sign-in with `"transport": "cookie"` does: for the
 * application's own routes that open or continue a session with `issue` or `refresh`. Such a route must itself refuse
 * requests from pages of other sites.
 * @throws LatchkeyError `token_too_large` when one would exceed 4,096 bytes, which browsers drop silently.
 */
export function sessionCookies(issuer: Issuer, pair: TokenPair): readonly string[] {
  return createSessionCookies(issuer.options).set(pair, issuer.csrfToken(pair.sessionId));
}
