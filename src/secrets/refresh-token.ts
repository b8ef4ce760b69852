import { timingSafeEqual } from "node:crypto";
import { REFRESH_TOKEN_PREFIX } from "../access-token/token-kinds.ts";
import { type DerivedKeys, hmacSha256, keysNamed, type RootKeys } from "./root-secret.ts";

const VERSION = 1;
const DOMAIN_LABEL = "latchkey refresh token\0";

// version (1) ‖ key id (4) ‖ session id (16) ‖ generation (4, big-endian) ‖ MAC (32). The 57 bytes make 76 characters of
// base64url with no bit to spare, so one token has exactly one spelling.
const KEY_ID_AT = 1;
const SESSION_ID_AT = 5;
const GENERATION_AT = 21;
const MAC_AT = 25;
const TOKEN_BYTES = 57;
const TOKEN_PATTERN = /^lkr_[A-Za-z0-9_-]{76}$/;

/** A well-formed refresh token, its MAC not yet checked: that takes the salt in the session's row. */
export interface PresentedRefreshToken {
  readonly sessionId: string;
  readonly generation: number;
  /** Whether the MAC is this server's for the session with `salt`. Compared in constant time. */
  isAuthentic(salt: Uint8Array): boolean;
}

/** Derives the refresh token of one generation. The same inputs always give the same text, so none has to be kept. */
export function deriveRefreshToken(
  keys: DerivedKeys,
  session: { readonly id: string; readonly salt: Uint8Array },
  generation: number,
): string {
  const bytes = Buffer.allocUnsafe(TOKEN_BYTES);
  bytes[0] = VERSION;
  bytes.set(keys.keyId, KEY_ID_AT);
  bytes.write(session.id, SESSION_ID_AT, "base64url");
  bytes.writeUInt32BE(generation, GENERATION_AT);
  bytes.set(mac(keys, bytes.subarray(0, MAC_AT), session.salt), MAC_AT);
  return REFRESH_TOKEN_PREFIX + bytes.toString("base64url");
}

/** Whether a text has the form of a refresh token, be it of a key or a version that this process does not know. */
export function couldBeRefreshToken(text: string): boolean {
  return TOKEN_PATTERN.test(text);
}

/** Reads a refresh token's parts, or returns `undefined` for anything that no key in use could have issued. */
export function parseRefreshToken(text: string, keys: RootKeys): PresentedRefreshToken | undefined {
  if (!TOKEN_PATTERN.test(text)) return undefined;
  const bytes = Buffer.from(text.slice(REFRESH_TOKEN_PREFIX.length), "base64url");
  if (bytes[0] !== VERSION) return undefined;
  const keyId = bytes.subarray(KEY_ID_AT, SESSION_ID_AT);
  const issuedUnder = keysNamed(keys, keyId);
  if (issuedUnder === undefined) return undefined;
  return {
    sessionId: bytes.toString("base64url", SESSION_ID_AT, GENERATION_AT),
    generation: bytes.readUInt32BE(GENERATION_AT),
    isAuthentic: (salt) => timingSafeEqual(bytes.subarray(MAC_AT), mac(issuedUnder, bytes.subarray(0, MAC_AT), salt)),
  };
}

function mac(keys: DerivedKeys, signed: Uint8Array, salt: Uint8Array): Buffer {
  return hmacSha256(keys.refreshKey, DOMAIN_LABEL, signed, salt);
}
