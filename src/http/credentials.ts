import { type ChallengeScheme, LatchkeyError } from "../errors.ts";

const TOKEN = /^\S+ +([A-Za-z0-9\-._~+/]+=*)$/;
const QUERY_TOKEN_NAME = /^(?:access_?token|refresh_?token|id_?token|client_?secret|token|bearer|jwt)$/i;
const TOKEN_VALUE = /^(?:lk[rs]_|eyJ[\w-]+\.)/;

/**
 * The token of `Authorization: Bearer` (RFC 6750 section 2.1), or `undefined` where the header is absent or of another scheme.
 * A bearer header that holds no well-formed token gives the empty text, which no token is.
 */
export function bearerToken(headers: Headers): string | undefined {
  return tokenOf(headers, "Bearer");
}

/** The same of `Authorization: DPoP` (RFC 9449 section 7.1). */
export function dpopToken(headers: Headers): string | undefined {
  return tokenOf(headers, "DPoP");
}

/** Whether `Authorization` is of the scheme, whatever the rest of it is. */
export function hasScheme(headers: Headers, scheme: ChallengeScheme): boolean {
  const [given] = headers.get("authorization")?.split(/\s/, 1) ?? [];
  return given?.toLowerCase() === scheme.toLowerCase();
}

function tokenOf(headers: Headers, scheme: ChallengeScheme): string | undefined {
  return hasScheme(headers, scheme) ? (TOKEN.exec(headers.get("authorization") ?? "")?.[1] ?? "") : undefined;
}

/** @throws LatchkeyError `token_in_query` when the query string names or holds a token. */
export function refuseTokenInQuery(url: string): void {
  const query = url.indexOf("?");
  if (query === -1) return;
  for (const [name, value] of new URLSearchParams(url.slice(query + 1))) {
    if (QUERY_TOKEN_NAME.test(name) || TOKEN_VALUE.test(value)) throw new LatchkeyError("token_in_query");
  }
}

/** The token of `?access_token=` (RFC 6750 section 2.3) or `?token=`, for where a guard has opted in: WebSocket handshakes. */
export function queryToken(url: string): string | undefined {
  const query = url.indexOf("?");
  if (query === -1) return undefined;
  const parameters = new URLSearchParams(url.slice(query + 1));
  return onlyOne(...parameters.getAll("access_token"), ...parameters.getAll("token"));
}

/** The one of several places in which a token stands. @throws LatchkeyError `invalid_request` when it stands in two (RFC 6750 section 2). */
export function onlyOne(...found: readonly (string | undefined)[]): string | undefined {
  const present = found.filter((token) => token !== undefined);
  if (present.length > 1) {
    throw new LatchkeyError("invalid_request", {
      description: "A token stands in two places. Send it in the header or in the body, not in both.",
    });
  }
  return present[0];
}
