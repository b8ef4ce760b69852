import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Random } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import { type DerivedKeys, keysNamed, type RootKeys } from "./root-secret.ts";

const VERSION = 1;
const DOMAIN_LABEL = "latchkey signing key";

// version (1) ‖ key id of the root secret (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
const KEY_ID_AT = 1;
const NONCE_AT = 5;
const CIPHERTEXT_AT = 17;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a sealed private key is bound to, so that no key can be replaced by another. */
export interface SealedFor {
  readonly kid: string;
  readonly alg: string;
}

/** A private key that was opened, and whether it has to be sealed again because the root secret has changed. */
export interface Unsealed {
  readonly privateKey: Uint8Array;
  readonly underPrevious: boolean;
}

/** Seals a private key with AES-256-GCM (NIST SP 800-38D) under a fresh random nonce, bound to its `kid` and `alg`. */
export function seal(rootKey: DerivedKeys, identity: SealedFor, privateKey: Uint8Array, random: Random): Uint8Array {
  const header = Buffer.concat([Uint8Array.of(VERSION), rootKey.keyId]);
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", rootKey.sealingKey, nonce);
  cipher.setAAD(boundTo(header, identity));
  return Buffer.concat([header, nonce, cipher.update(privateKey), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens what {@link seal} sealed, under the current root secret or the one before it.
 * @throws LatchkeyError `store_unusable`: sealed under a root secret that was not given, or altered since it was sealed.
 */
export function unseal(rootKeys: RootKeys, identity: SealedFor, sealed: Uint8Array): Unsealed {
  const bytes = Buffer.from(sealed);
  if (bytes[0] !== VERSION || bytes.length < CIPHERTEXT_AT + TAG_BYTES) throw damaged(identity);
  const keyId = bytes.subarray(KEY_ID_AT, NONCE_AT);
  const sealedUnder = keysNamed(rootKeys, keyId);
  if (sealedUnder === undefined) throw sealedUnderAnother(identity);

  const decipher = createDecipheriv("aes-256-gcm", sealedUnder.sealingKey, bytes.subarray(NONCE_AT, CIPHERTEXT_AT), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(boundTo(bytes.subarray(0, NONCE_AT), identity));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const privateKey = Buffer.concat([decipher.update(bytes.subarray(CIPHERTEXT_AT, -TAG_BYTES)), decipher.final()]);
    return { privateKey, underPrevious: sealedUnder !== rootKeys.current };
  } catch {
    throw damaged(identity);
  }
}

function boundTo(header: Uint8Array, { kid, alg }: SealedFor): Buffer {
  return Buffer.concat([header, Buffer.from(JSON.stringify([DOMAIN_LABEL, kid, alg]))]);
}

function sealedUnderAnother({ kid }: SealedFor): LatchkeyError {
  return new LatchkeyError("store_unusable", {
    detail:
      `The signing key ${kid} was sealed under another root secret. Set LATCHKEY_SECRET to that secret, ` +
      "or set it as LATCHKEY_SECRET_PREVIOUS (option 'previousSecret') beside the new one.",
  });
}

function damaged({ kid }: SealedFor): LatchkeyError {
  return new LatchkeyError("store_unusable", {
    detail: `The signing key ${kid} has been damaged or altered in the store. Restore the database from a backup.`,
  });
}
