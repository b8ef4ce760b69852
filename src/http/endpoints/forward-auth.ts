import type { AnyAccessTokenClaims } from "../../access-token/claims.ts";
import type { TokenPair } from "../../engine/token-pair.ts";
import { LatchkeyError } from "../../errors.ts";
import { type Call, endpoint } from "../endpoint.ts";
import { requireRoles, requireScopes } from "../guard/require-claims.ts";
import { headerList, headerText } from "../header-value.ts";
import type { HeaderFields } from "../respond.ts";
import * as schemas from "../schemas.ts";

/**
 * Where proxies write the method of the request that they ask about: Traefik and Caddy the first, nginx the one that it
 * is configured to use.
 */
const METHOD_HEADERS = ["x-forwarded-method", "x-original-method"];

/**
 * With this header a proxy requests each `Set-Cookie` value in a separate header. The name begins with `Sec-` because
 * no page can set such a header (Fetch standard, "forbidden request-header"): otherwise a script could read the refresh
 * token there.
 */
const SEPARATE_COOKIES_HEADER = "sec-latchkey-set-cookie";

/** For proxies that ask before they admit a request. */
export const forwardAuthEndpoints = [
  endpoint({
    method: "get",
    path: "/auth/verify",
    access: "access_token",
    // The URL of the request that it is asked about is known from headers alone, which a proxy may pass on as the client wrote them.
    dpop: "refused",
    tag: "Sessions",
    summary: "Tell a proxy who sends a request",
    description:
      "For nginx (`auth_request`), Traefik (`forwardAuth`) and Caddy (`forward_auth`). The answer names the person in `X-Auth-Subject`, " +
      "`X-Auth-Roles` (comma-separated), `X-Auth-Session`, `X-Auth-Client` and `X-Auth-Scope`. Each is always present, may be empty, and is " +
      "percent-encoded where it contains anything but visible ASCII. Cookies are renewed as on every other route. With " +
      "`Sec-Latchkey-Set-Cookie: separate` each new cookie is also in `X-Auth-Set-Cookie-Access`, `-Refresh` or `-Csrf`. A request whose " +
      "method is unsafe by `X-Forwarded-Method` or `X-Original-Method` requires the CSRF token where a cookie authenticates it.",
    query: schemas.forwardAuthQuery,
    terms: ({ url, method, headers }) => ({
      // All of them together, so that anyone who can write such a header can only make it stricter.
      methods: [method, ...METHOD_HEADERS.map((name) => headers.get(name))].filter((named) => named !== null),
      // As in the library's guards: where a scope is required, a client may act on its own behalf.
      clients: new URL(url).searchParams.has("scope"),
    }),
    success: { status: 204, description: "The request may pass." },
    errors: [
      "insufficient_role",
      "insufficient_scope",
      "cross_site_request",
      "csrf_token_missing",
      "csrf_token_invalid",
    ],
    handle(call) {
      const { respond, request, query, renewed } = call;
      const auth: AnyAccessTokenClaims = call.auth;
      requireRoles(auth, { all: query.role === undefined ? [] : [query.role] });
      requireScopes(auth, { all: query.scope?.split(" ") });
      return respond.noContent({
        ...identityHeaders(auth),
        ...(wantsSeparateCookies(request.headers) && renewed !== undefined ? separateCookies(call, renewed) : {}),
      });
    },
  }),
];

/** Every one of them is always there: some proxies would pass on a client's own header if ours were missing. */
function identityHeaders({ sub, roles, sid, client_id: client, scope }: AnyAccessTokenClaims): HeaderFields {
  return {
    "x-auth-subject": headerText(sub),
    "x-auth-roles": headerList(roles),
    "x-auth-session": sid ?? "",
    "x-auth-client": headerText(client),
    "x-auth-scope": scope?.split(" ").map(headerText).join(" ") ?? "",
  };
}

function wantsSeparateCookies(headers: Headers): boolean {
  const asked = headers.get(SEPARATE_COOKIES_HEADER);
  if (asked === null || asked === "separate") return asked !== null;
  throw new LatchkeyError("invalid_request", {
    description: "The only valid value of Sec-Latchkey-Set-Cookie is 'separate'.",
  });
}

/** The `Set-Cookie` values one by one, for proxies that cannot pass on several header lines of one name. */
function separateCookies(
  { issuer, cookies }: Pick<Call<unknown, unknown>, "issuer" | "cookies">,
  renewed: TokenPair,
): HeaderFields {
  const lines = cookies.set(renewed, issuer.csrfToken(renewed.sessionId));
  return Object.fromEntries(
    Object.entries(cookies.names).map(([kind, name]) => [
      `x-auth-set-cookie-${kind}`,
      lines.find((line) => line.startsWith(`${name}=`)) ?? "",
    ]),
  );
}
