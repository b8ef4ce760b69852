import { isJsonObject, parseJson } from "../json.ts";
import { decodeCanonical } from "./compact-jws.ts";

/** The prefix of every refresh token. */
export const REFRESH_TOKEN_PREFIX = "lkr_";

/** Whether a text claims to be a refresh token. Distinguishes token kinds; proves nothing. */
export function looksLikeRefreshToken(text: string): boolean {
  return text.startsWith(REFRESH_TOKEN_PREFIX);
}

/** Whether a text claims to be an access token, a JWT. Distinguishes token kinds; proves nothing. */
export function looksLikeAccessToken(text: string): boolean {
  return /^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/.test(text);
}

/**
 * Whether a text claims to be a token that Latchkey issues, of either kind: of JWTs, those of type `at+jwt` (RFC 9068
 * section 2.1). Distinguishes other systems' tokens; proves nothing.
 */
export function claimsToBeOurs(text: string): boolean {
  if (looksLikeRefreshToken(text)) return true;
  if (!looksLikeAccessToken(text)) return false;
  const header = decodeCanonical(text.slice(0, text.indexOf(".")));
  const members = header && parseJson(header);
  return isJsonObject(members) && members.typ === "at+jwt";
}
