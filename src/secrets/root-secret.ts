import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** The fewest bytes a root secret may have. */
const ROOT_SECRET_MIN_BYTES = 32;

/** What is derived from one root secret; the secret itself is not kept. */
export interface DerivedKeys {
  /** 4 bytes that name the root secret inside refresh tokens without telling anything about it. */
  readonly keyId: Uint8Array;
  /** HMAC-SHA-256 key of refresh tokens. */
  readonly refreshKey: Uint8Array;
  /** AES-256-GCM key that seals private signing keys. */
  readonly sealingKey: Uint8Array;
  /** HMAC-SHA-256 key of CSRF tokens. */
  readonly csrfKey: Uint8Array;
  /** HMAC-SHA-256 key of the tokens that devices are recognised by. */
  readonly deviceKey: Uint8Array;
  /** HMAC-SHA-256 key of the single-use set-up link. */
  readonly setupKey: Uint8Array;
  /** HMAC-SHA-256 key of the nonces in DPoP proofs. */
  readonly dpopNonceKey: Uint8Array;
}

/** The keys in use, and those of the secret before it, which are still accepted. */
export interface RootKeys {
  readonly current: DerivedKeys;
  readonly previous: DerivedKeys | undefined;
}

/**
 * Says what is wrong with a root secret, or `undefined` where nothing is. Too short, a placeholder, or too little variety
 * to have come out of a random source.
 */
export function rootSecretProblem(secret: string): string | undefined {
  if (Buffer.byteLength(secret, "utf8") < ROOT_SECRET_MIN_BYTES) {
    return `must have ${ROOT_SECRET_MIN_BYTES} bytes or more`;
  }
  if (new Set(secret).size < 10 || isRepeated(secret)) return "repeats itself, so it can be guessed";
  if (
    /change.?(me|this|it)|placeholder|your.?(jwt.?)?secret|replace.?(me|this|with)|insert.?(your|a).?|example|insecure|keyboard.?cat|super.?secret|todo/i.test(
      secret,
    )
  ) {
    return "is a placeholder";
  }
  return undefined;
}

/**
 * Derives all keys from the root secret with HKDF-SHA-256 (RFC 5869), one label each.
 * @throws TypeError when the secret is too short or a placeholder; the message never holds it.
 */
export function deriveRootKeys(secret: string, previousSecret?: string): RootKeys {
  return Object.freeze({
    current: derive(secret, "secret"),
    previous: previousSecret === undefined ? undefined : derive(previousSecret, "previousSecret"),
  });
}

function derive(secret: string, option: string): DerivedKeys {
  const problem = rootSecretProblem(secret);
  if (problem !== undefined)
    throw new TypeError(`Option '${option}' ${problem}. 'npx --no latchkey secret' creates a good one.`);
  const key = (label: string, bytes: number) => new Uint8Array(hkdfSync("sha256", secret, "latchkey", label, bytes));
  return Object.freeze({
    keyId: key("key id v1", 4),
    refreshKey: key("refresh token v1", 32),
    sealingKey: key("signing key sealing v1", 32),
    csrfKey: key("csrf token v1", 32),
    deviceKey: key("device token v1", 32),
    setupKey: key("setup link v1", 32),
    dpopNonceKey: key("dpop nonce v1", 32),
  });
}

/** The keys of both secrets, the current one's first. */
function inUse({ current, previous }: RootKeys): readonly DerivedKeys[] {
  return previous === undefined ? [current] : [current, previous];
}

/** The keys that a key id names, if they are in use. */
export function keysNamed(keys: RootKeys, keyId: Uint8Array): DerivedKeys | undefined {
  return inUse(keys).find((candidate) => Buffer.compare(candidate.keyId, keyId) === 0);
}

/** Whether what was presented is what the keys of either secret make. Compared in constant time. */
export function isMadeUnderEither(
  keys: RootKeys,
  presented: Uint8Array,
  make: (keys: DerivedKeys) => Uint8Array,
): boolean {
  return inUse(keys).some((candidate) => {
    const expected = make(candidate);
    return expected.length === presented.length && timingSafeEqual(expected, presented);
  });
}

function isRepeated(secret: string): boolean {
  return (secret + secret).indexOf(secret, 1) < secret.length;
}

/** HMAC-SHA-256 (RFC 2104) over the concatenated parts. */
export function hmacSha256(key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}
