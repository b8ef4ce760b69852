import { type DerivedKeys, hmacSha256, isMadeUnderEither, type RootKeys } from "./root-secret.ts";

const DOMAIN_LABEL = "latchkey csrf token\0";

/** The CSRF token of a session: bound to it by a MAC, so that no other session's and none from before the sign-in will do. */
export function createCsrfToken(keys: DerivedKeys, sessionId: string): string {
  return hmacSha256(keys.csrfKey, DOMAIN_LABEL, sessionId).toString("base64url");
}

/** Whether the token is the session's, also one made under the root secret before. Compared in constant time. */
export function isCsrfToken(keys: RootKeys, sessionId: string, token: string): boolean {
  return isMadeUnderEither(keys, Buffer.from(token), (candidate) => Buffer.from(createCsrfToken(candidate, sessionId)));
}
