import type { KeyRing } from "../../signing/key-ring.ts";

/** The signing keys, as an operator or a verifier may see them, without private parts. */
export interface Keys {
  /** The public signing keys (RFC 7517), including those that will sign next and those that no longer sign. */
  jwks: KeyRing["jwks"];
  /** Every key, newest first. */
  list: KeyRing["list"];
  /**
   * Activates the next signing key. Throws `signing_key_too_new` while verifiers may not have that key yet, unless
   * forced.
   */
  rotate: KeyRing["rotate"];
  /**
   * Removes a signing key at once, for a key that has leaked, and returns its description. The access tokens that it
   * has signed are refused: by this process from now on, by other processes within ten seconds, and by verifiers once
   * their copy of the JWKS has expired. Sessions stay: the next refresh is signed with another key. If it was the
   * current key, the next one signs from now on.
   * @throws LatchkeyError `not_found`.
   */
  remove: KeyRing["remove"];
}

/** The part of the key ring that the application may use. */
export function createKeys(ring: KeyRing): Keys {
  return {
    jwks: () => ring.jwks(),
    list: () => ring.list(),
    rotate: (request) => ring.rotate(request),
    remove: (kid) => ring.remove(kid),
  };
}
