import type { TokenPair } from "../engine/token-pair.ts";
import type { Call } from "./endpoint.ts";
import { tokenPairBody } from "./token-pair-json.ts";

/** How the tokens of a pair are sent: in the body, or as cookies with a body that contains none. */
export type Transport = "body" | "cookie";

/** What a response may contain in addition to the pair. */
export interface PairAnswer {
  readonly status?: 200 | 201;
  readonly beside?: Readonly<Record<string, unknown>>;
}

/**
 * Answers with a pair (RFC 6749 section 5.1). If a pair does not fit into cookies, its session is ended rather than
 * left open.
 */
export async function answerPair(
  { issuer, cookies, respond, origin }: Pick<Call<unknown, unknown>, "issuer" | "cookies" | "respond" | "origin">,
  pair: TokenPair,
  transport: Transport,
  { status = 200, beside = {} }: PairAnswer = {},
): Promise<Response> {
  if (transport === "body") return respond.json({ ...beside, ...tokenPairBody(pair) }, status);
  const csrfToken = issuer.csrfToken(pair.sessionId);
  const device = pair.deviceToken === undefined ? [] : [cookies.setDevice(pair.deviceToken)];
  try {
    const setCookies = [...cookies.set(pair, csrfToken), ...device];
    return respond.json({ ...beside, ...cookieBody(pair, csrfToken) }, status, {}, setCookies);
  } catch (error) {
    await issuer.logout(pair.refreshToken, origin);
    throw error;
  }
}

function cookieBody(pair: TokenPair, csrfToken: string) {
  return {
    expires_in: pair.expiresInSeconds,
    refresh_expires_in: pair.refreshExpiresInSeconds,
    session_id: pair.sessionId,
    csrf_token: csrfToken,
  };
}
