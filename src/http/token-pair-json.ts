import type { TokenPair } from "../engine/token-pair.ts";

/** A pair as it is sent (RFC 6749 section 5.1). */
export function tokenPairBody(pair: TokenPair) {
  return {
    access_token: pair.accessToken,
    token_type: pair.tokenType,
    expires_in: pair.expiresInSeconds,
    refresh_token: pair.refreshToken,
    refresh_expires_in: pair.refreshExpiresInSeconds,
    session_id: pair.sessionId,
    ...(pair.deviceToken === undefined ? {} : { device_token: pair.deviceToken }),
  };
}
