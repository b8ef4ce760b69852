import type { HeaderFields } from "../respond.ts";

/** Which other origins' pages may read answers (the CORS protocol of the Fetch standard). */
export interface CrossOrigin {
  /** What every answer to a request with these headers carries. */
  headers(asking: Headers): HeaderFields;
  /** What answers the request where it is a preflight of an origin that may ask; `undefined` for every other request. */
  preflight(request: Request): HeaderFields | undefined;
}

/** What lets pages of every origin read an answer. Where an allowed origin asks, its own headers take their place. */
export const PUBLIC_HEADERS: HeaderFields = { "access-control-allow-origin": "*" };

// Tracing puts the last three on every request of a page (W3C Trace Context, W3C Baggage).
const ALLOWED_HEADERS =
  "Authorization, Content-Type, DPoP, X-CSRF-Token, X-Request-Id, traceparent, tracestate, baggage";

/**
 * Lets in exactly these origins, compared byte for byte. Any other, `null` among them, is answered as if it had not asked, but for
 * the public paths, which every page may read. Without any, no other answer says a word about origins.
 */
export function createCrossOrigin(
  allowedOrigins: readonly string[],
  isPublic: (pathname: string) => boolean,
): CrossOrigin {
  const allowed = new Set(allowedOrigins);

  function headers(asking: Headers): HeaderFields {
    if (allowed.size === 0) return {};
    const origin = asking.get("origin");
    // A cache must not hand to one origin what was answered to another, or to none.
    if (origin === null || !allowed.has(origin)) return { vary: "Origin" };
    return {
      vary: "Origin",
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
      "access-control-expose-headers": "DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id",
    };
  }

  return {
    headers,
    preflight({ method, headers: asking, url }) {
      const origin = asking.get("origin");
      if (method !== "OPTIONS" || !asking.has("access-control-request-method") || origin === null) return undefined;
      const granted = { "access-control-allow-headers": ALLOWED_HEADERS, "access-control-max-age": "600" };
      if (allowed.has(origin)) return { "access-control-allow-methods": "GET, POST, DELETE", ...granted };
      if (!isPublic(new URL(url).pathname)) return undefined;
      return { ...PUBLIC_HEADERS, "access-control-allow-methods": "GET", ...granted };
    },
  };
}
