import type { HeaderFields } from "./respond.ts";

/** Which other origins' pages may read answers (the CORS protocol of the Fetch standard). */
export interface CrossOrigin {
  /** What every answer to a request with these headers carries. */
  headers(asking: Headers): HeaderFields;
  /** What answers the request where it is a preflight of an origin that may ask; `undefined` for every other request. */
  preflight(request: Request): HeaderFields | undefined;
}

const nobody: CrossOrigin = { headers: () => ({}), preflight: () => undefined };

/**
 * Lets in exactly these origins, compared byte for byte. Any other, `null` among them, is answered as if it had not asked.
 * Without any, no answer says a word about origins.
 */
export function createCrossOrigin(allowedOrigins: readonly string[]): CrossOrigin {
  if (allowedOrigins.length === 0) return nobody;
  const allowed = new Set(allowedOrigins);

  function headers(asking: Headers): HeaderFields {
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
    preflight(request) {
      const isPreflight = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
      const origin = request.headers.get("origin");
      if (!isPreflight || origin === null || !allowed.has(origin)) return undefined;
      return {
        "access-control-allow-methods": "GET, POST, DELETE",
        "access-control-allow-headers": "Authorization, Content-Type, DPoP, X-CSRF-Token, X-Request-Id",
        "access-control-max-age": "600",
      };
    },
  };
}
