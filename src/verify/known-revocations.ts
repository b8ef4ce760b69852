import { isJsonObject } from "../strict-json.ts";

const ID_PATTERN = /^[A-Za-z0-9_-]{22}$/;

/** What has been revoked, each for as long as an access token of it can live. */
export interface KnownRevocations {
  has(id: string): boolean;
  /** Takes in one entry of the feed. @throws Error for what is none. */
  learn(entry: unknown): void;
  readonly size: number;
}

/** Knows nothing at first. */
export function createKnownRevocations(now: () => number): KnownRevocations {
  // In order of the feed, which is the order of expiry but for moments, so forgetting stops at the first that still matters.
  const expiresAt = new Map<string, number>();

  function forget(): void {
    for (const [id, at] of expiresAt) {
      if (at >= now()) return;
      expiresAt.delete(id);
    }
  }

  return {
    has: (id) => expiresAt.has(id),
    learn(entry) {
      const { session_id: id, expires_at: expires } = isJsonObject(entry) ? entry : {};
      const at = typeof expires === "string" ? Date.parse(expires) : Number.NaN;
      if (typeof id !== "string" || !ID_PATTERN.test(id) || Number.isNaN(at)) {
        throw new Error("The feed tells something that is no revocation.");
      }
      forget();
      expiresAt.set(id, at);
    },
    get size() {
      return expiresAt.size;
    },
  };
}
