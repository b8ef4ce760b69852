import type { AccessLifetime } from "../records/access-lifetime.ts";
import type { StoredKeyRing, StoredSigningKey } from "../records/signing-key.ts";

/** Keeps the keys that sign access tokens, and how long the tokens live. */
export interface KeyStore {
  readSigningKeys(): Promise<StoredKeyRing>;

  /** Replaces the whole ring if it is still at `expectedVersion`, and raises the version by one. `false` if it is not. */
  replaceSigningKeys(expectedVersion: number, keys: readonly StoredSigningKey[]): Promise<boolean>;

  /** The lifetimes of access tokens that any process has signed lately, shortest first. */
  listAccessLifetimes(): Promise<readonly AccessLifetime[]>;

  /**
   * Records that access tokens of this lifetime may be signed until `lastInForceAt`, or until the time recorded before
   * if that is later. Drops the lifetimes whose tokens have all expired: `lastInForceAt` plus the lifetime is
   * `outlivedBy` or earlier. Returns the remaining lifetimes, shortest first.
   */
  keepAccessLifetime(lifetime: AccessLifetime, outlivedBy: number): Promise<readonly AccessLifetime[]>;
}
