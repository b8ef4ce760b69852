/** What every refresh token begins with. */
export const REFRESH_TOKEN_PREFIX = "lkr_";

/** Whether a text claims to be a refresh token; tells token kinds apart, proves nothing. */
export function looksLikeRefreshToken(text: string): boolean {
  return text.startsWith(REFRESH_TOKEN_PREFIX);
}

/** Whether a text claims to be an access token, a JWT; tells token kinds apart, proves nothing. */
export function looksLikeAccessToken(text: string): boolean {
  return /^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/.test(text);
}
