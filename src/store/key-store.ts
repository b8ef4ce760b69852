import type { AccessLifetime } from "../records/access-lifetime.ts";
import type { StoredKeyRing, StoredSigningKey } from "../records/signing-key.ts";

/** Keeps what access tokens are signed with, and how long they live. */
export interface KeyStore {
  readSigningKeys(): Promise<StoredKeyRing>;

  /** Replaces the whole ring if it is still at `expectedVersion`, and raises the version by one. `false` if it is not. */
  replaceSigningKeys(expectedVersion: number, keys: readonly StoredSigningKey[]): Promise<boolean>;

  /** How long access tokens live that any process has signed lately, shortest first. */
  listAccessLifetimes(): Promise<readonly AccessLifetime[]>;

  /**
   * Keeps that access tokens of this life may be signed until `lastInForceAt`, or for as long as was kept before where that is
   * later. Drops the lifetimes whose tokens have all expired: `lastInForceAt` and the life together at `outlivedBy` or earlier.
   * Returns what is kept then, shortest first.
   */
  keepAccessLifetime(lifetime: AccessLifetime, outlivedBy: number): Promise<readonly AccessLifetime[]>;
}
