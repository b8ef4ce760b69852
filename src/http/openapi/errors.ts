import type { RouteConfig } from "@hono/zod-openapi";
import { type ErrorCode, errorCatalogue } from "../../errors.ts";
import { isUnsafe } from "../csrf.ts";
import {
  type Endpoint,
  letsChooseTransport,
  scopeOf,
  takesAccessToken,
  takesCookies,
  takesProof,
} from "../endpoint.ts";
import { challengeScheme, statusOf } from "../error-response.ts";
import * as schemas from "../schemas.ts";

/** Response headers, as OpenAPI describes them. */
type DescribedHeaders = Record<string, { description: string; schema: { type: "string" } }>;

const accessTokenErrors: readonly ErrorCode[] = [
  "missing_token",
  "invalid_access_token",
  "access_token_expired",
  "access_token_replaced",
  "wrong_token_type",
  "session_revoked",
];
const implicitRefreshErrors: readonly ErrorCode[] = [
  "invalid_refresh_token",
  "refresh_token_reused",
  "session_expired",
  "too_many_requests",
];
const csrfErrors: readonly ErrorCode[] = ["csrf_token_missing", "csrf_token_invalid"];
const proofErrors: readonly ErrorCode[] = ["invalid_dpop_proof", "use_dpop_nonce", "server_busy"];
const bodyErrors: readonly ErrorCode[] = ["invalid_request", "payload_too_large", "unsupported_media_type"];

/** The codes that a route can answer: its own, and those that follow from its access, its body and its cookies. */
function errorCodes(route: Endpoint): ReadonlySet<ErrorCode> {
  const { access, body, query, errors = [] } = route;
  const needsToken = takesAccessToken(access);
  const when = (applies: boolean, ...codes: readonly ErrorCode[]) => (applies ? codes : []);
  return new Set<ErrorCode>([
    ...errors,
    "token_in_query",
    ...when(needsToken, ...accessTokenErrors),
    ...when(access === "admin", "insufficient_role"),
    ...when(scopeOf(access) !== undefined, "insufficient_scope"),
    ...when(needsToken && takesCookies(route), ...implicitRefreshErrors),
    ...when(takesProof(route), ...proofErrors),
    ...when(asksForProof(route), ...csrfErrors),
    // A safe one too, where it asks for an upgrade: that is how another site's page begins a WebSocket.
    ...when(letsChooseTransport(route) || takesCookies(route), "cross_site_request"),
    ...when(setsCookies(route), "token_too_large"),
    ...when(query !== undefined, "invalid_request"),
    ...when(body !== undefined, ...bodyErrors),
    ...when(access !== "public", "store_unavailable"),
  ]);
}

/** Whether success may bring a pair as cookies. */
function setsCookies(route: Endpoint): boolean {
  return letsChooseTransport(route) || (takesCookies(route) && route.endsSession !== true);
}

/** What can go wrong, by status. */
export function errorResponses(route: Endpoint): RouteConfig["responses"] {
  const byStatus = new Map<number, ErrorCode[]>();
  const isOauth = route.errorStyle === "oauth";
  for (const code of errorCodes(route)) {
    const sent = statusOf(code, route.errorStyle);
    byStatus.set(sent, [...(byStatus.get(sent) ?? []), code]);
  }
  const line = (code: ErrorCode) => {
    const { oauthError, description } = errorCatalogue[code];
    return `- ${isOauth ? `\`${oauthError}\` (\`${code}\`)` : `\`${code}\``}: ${description}`;
  };
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map(line).join("\n"),
        ...errorHeaders(status, codes),
        content: { "application/json": { schema: schemas.error } },
      },
    ]),
  );
}

function errorHeaders(status: number, codes: readonly ErrorCode[]): { headers?: DescribedHeaders } {
  if (codes.some((code) => challengeScheme(code, status) !== undefined)) {
    return header(
      "WWW-Authenticate",
      "The challenge (RFC 6750 section 3, RFC 9449 section 7.1, RFC 6749 section 5.2).",
    );
  }
  if (status === 429 || status === 503) return header("Retry-After", "Seconds to wait.");
  return {};
}

/** Whether a request that the cookies speak for has to prove that a page of ours sent it. */
export function asksForProof(route: Endpoint): boolean {
  return takesCookies(route) && isUnsafe(route.method.toUpperCase());
}

/** One header of a response. */
export function header(name: string, description: string): { headers: DescribedHeaders } {
  return { headers: { [name]: { description, schema: { type: "string" } } } };
}
