/** A signing key at rest. */
export interface StoredSigningKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly alg: string;
  readonly state: "next" | "current" | "retired";
  /** The public JWK (RFC 7517) as JSON; `null` for HS256. */
  readonly publicJwk: string | null;
  /** The private part, encrypted with a key derived from the root secret. */
  readonly sealedPrivateKey: Uint8Array;
  readonly createdAt: number;
  /** When it began to sign, or `null`. */
  readonly activatedAt: number | null;
  /** When it stopped signing, or `null`. */
  readonly retiredAt: number | null;
}

/** All signing keys of the processes that share a store. */
export interface StoredKeyRing {
  /** Counts the replacements; 0 when there has been none. */
  readonly version: number;
  readonly keys: readonly StoredSigningKey[];
}
