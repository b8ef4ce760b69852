import { type AnyAccessTokenClaims, isCovered } from "../access-token/claims.ts";
import { isJsonObject } from "../json.ts";

const ID_PATTERN = /^[A-Za-z0-9_-]{22}$/;

/** What has been revoked. Each entry is kept for as long as an access token that it concerns can live. */
export interface KnownRevocations {
  covers(claims: Pick<AnyAccessTokenClaims, "jti" | "sid" | "iat">): boolean;
  /** Adds one entry of the feed. @throws Error for a value that is not an entry. */
  learn(entry: unknown): void;
  readonly size: number;
}

/** Starts empty. */
export function createKnownRevocations(now: () => number): KnownRevocations {
  // In the order of the feed, which is the order of expiry to within moments, so forgetting stops at the first entry
  // that still matters.
  const known = new Map<string, { readonly revokedAt: number; readonly expiresAt: number }>();

  function forget(): void {
    for (const [id, { expiresAt }] of known) {
      if (expiresAt >= now()) return;
      known.delete(id);
    }
  }

  return {
    covers: (claims) => isCovered(claims, (id) => known.get(id)?.revokedAt),
    learn(entry) {
      const { session_id: id, revoked_at: revoked, expires_at: expires } = isJsonObject(entry) ? entry : {};
      const [revokedAt, expiresAt] = [readInstant(revoked), readInstant(expires)];
      if (typeof id !== "string" || !ID_PATTERN.test(id) || Number.isNaN(revokedAt + expiresAt)) {
        throw new Error("The feed sent something that is not a revocation.");
      }
      forget();
      // If a server that knows only shorter lifetimes sends it again, it is still remembered as long as before.
      known.set(id, { revokedAt, expiresAt: Math.max(expiresAt, known.get(id)?.expiresAt ?? expiresAt) });
    },
    get size() {
      return known.size;
    },
  };
}

function readInstant(text: unknown): number {
  return typeof text === "string" ? Date.parse(text) : Number.NaN;
}
