import { type ChallengeScheme, LatchkeyError } from "../../errors.ts";

/** The part of a request's headers that is read, so that callers without `Headers` need not create them. */
export type HeaderReader = Pick<Headers, "get" | "has">;

/**
 * The part of a request that is read to authenticate it: a `Request`, or an equivalent object. Its URL's origin is not
 * read.
 */
export interface AskingRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderReader;
  /** Whether the client has disconnected meanwhile. */
  readonly signal?: Pick<AbortSignal, "aborted">;
  /** The request itself, if each guard receives an object of its own. Default: this object. */
  readonly message?: object | undefined;
}

/** A token as `Authorization` carries it. */
export interface AuthorizationToken {
  readonly scheme: ChallengeScheme;
  /** The empty string, which is never a token, if the value there is not well-formed. */
  readonly token: string;
}

const PLAIN_BEARER = "Bearer ";
const SCHEME = /^(Bearer|DPoP)(?:\s|$)/i;
const SCHEME_AND_TOKEN = /^(Bearer|DPoP) +([A-Za-z0-9\-._~+/]+=*)$/i;
const QUERY_TOKEN_NAME = /^(?:access_?token|refresh_?token|id_?token|client_?secret|token|bearer|jwt)$/i;
const TOKEN_VALUE = /^(?:lk[rs]_|eyJ[\w-]+\.)/;

/**
 * The token of `Authorization: Bearer` (RFC 6750 section 2.1) or `Authorization: DPoP` (RFC 9449 section 7.1);
 * `undefined` if the header is absent or has another scheme.
 */
export function authorizationToken(headers: HeaderReader): AuthorizationToken | undefined {
  const header = headers.get("authorization") ?? "";
  const [, name, token] = SCHEME_AND_TOKEN.exec(header) ?? SCHEME.exec(header) ?? [];
  return name === undefined ? undefined : { scheme: schemeNamed(name), token: token ?? "" };
}

/** The token of `Authorization: Bearer` alone, or `undefined`. */
export function bearerToken(headers: HeaderReader): string | undefined {
  const sent = authorizationToken(headers);
  return sent?.scheme === "Bearer" ? sent.token : undefined;
}

/**
 * The text after `Bearer` in its most common spelling, not checked: for callers that know that the text is a token. Any
 * other spelling returns `undefined`, and may still be a token.
 */
export function plainBearerToken(headers: HeaderReader): string | undefined {
  const header = headers.get("authorization");
  return header?.startsWith(PLAIN_BEARER) ? header.slice(PLAIN_BEARER.length) : undefined;
}

/** Whether `Authorization` has the scheme, regardless of the rest. */
export function hasScheme(headers: HeaderReader, scheme: ChallengeScheme): boolean {
  const [, name] = SCHEME.exec(headers.get("authorization") ?? "") ?? [];
  return name !== undefined && schemeNamed(name) === scheme;
}

function schemeNamed(name: string): ChallengeScheme {
  return name.toLowerCase() === "dpop" ? "DPoP" : "Bearer";
}

/** @throws LatchkeyError `token_in_query` when the query string names or contains a token. */
export function refuseTokenInQuery(url: string): void {
  const query = url.indexOf("?");
  if (query === -1) return;
  for (const [name, value] of new URLSearchParams(url.slice(query + 1))) {
    if (QUERY_TOKEN_NAME.test(name) || TOKEN_VALUE.test(value)) throw new LatchkeyError("token_in_query");
  }
}

/**
 * The token of `?access_token=` (RFC 6750 section 2.3) or `?token=`, for guards that have opted in: WebSocket
 * handshakes.
 */
export function queryToken(url: string): string | undefined {
  const query = url.indexOf("?");
  if (query === -1) return undefined;
  const parameters = new URLSearchParams(url.slice(query + 1));
  return onlyOne(...parameters.getAll("access_token"), ...parameters.getAll("token"));
}

/**
 * The one of several places in which a token appears. @throws LatchkeyError `invalid_request` when it appears in two
 * (RFC 6750 section 2).
 */
export function onlyOne(...found: readonly (string | undefined)[]): string | undefined {
  const present = found.filter((token) => token !== undefined);
  if (present.length > 1) {
    throw new LatchkeyError("invalid_request", {
      description: "The request carries two tokens. Send one, in the header or in the body.",
    });
  }
  return present[0];
}
