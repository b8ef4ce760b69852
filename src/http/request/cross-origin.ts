import type { HeaderFields } from "../respond.ts";

/** Which other origins' pages may read responses (the CORS protocol of the Fetch standard). */
export interface CrossOrigin {
  /** The headers of every response to a request with these headers. */
  headers(asking: Headers): HeaderFields;
  /** The response to a preflight request of an allowed origin; `undefined` for every other request. */
  preflight(request: Request): HeaderFields | undefined;
}

/** The headers that let pages of every origin read a response. For an allowed origin, its own headers replace them. */
export const PUBLIC_HEADERS: HeaderFields = { "access-control-allow-origin": "*" };

// Tracing puts the last three on every request of a page (W3C Trace Context, W3C Baggage).
const ALLOWED_HEADERS =
  "Authorization, Content-Type, DPoP, X-CSRF-Token, X-Request-Id, traceparent, tracestate, baggage";

/**
 * Allows exactly these origins, compared byte for byte. Any other origin, including `null`, is answered without CORS
 * headers, except for the public paths, which every page may read. If no origin is allowed, no other response mentions
 * origins.
 */
export function createCrossOrigin(
  allowedOrigins: readonly string[],
  isPublic: (pathname: string) => boolean,
): CrossOrigin {
  const allowed = new Set(allowedOrigins);

  function headers(asking: Headers): HeaderFields {
    if (allowed.size === 0) return {};
    const origin = asking.get("origin");
    // A cache must not serve to one origin a response to another origin, or to none.
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
