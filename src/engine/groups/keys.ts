import type { KeyRing } from "../../signing/key-ring.ts";

/** The signing keys, as an operator or a verifier may see them: nothing private. */
export interface Keys {
  /** The public signing keys (RFC 7517), those that are about to sign and those that no longer do included. */
  jwks: KeyRing["jwks"];
  /** Every key, newest first. */
  list: KeyRing["list"];
  /** Makes the next signing key current. Throws `signing_key_too_new` while verifiers may not have it yet, unless forced. */
  rotate: KeyRing["rotate"];
  /**
   * Removes a signing key at once, for one that has leaked, and describes it. The access tokens that it has signed are refused: here
   * from now on, by other processes within ten seconds, and by verifiers once their copy of the JWKS has expired. Sessions stay:
   * the next refresh is signed with another key. Where it was the current key, the next one signs from now on.
   * @throws LatchkeyError `not_found`.
   */
  remove: KeyRing["remove"];
}

/** What of the ring is for the application. */
export function createKeys(ring: KeyRing): Keys {
  return {
    jwks: () => ring.jwks(),
    list: () => ring.list(),
    rotate: (request) => ring.rotate(request),
    remove: (kid) => ring.remove(kid),
  };
}
