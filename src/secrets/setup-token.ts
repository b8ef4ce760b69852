import { createHash, timingSafeEqual } from "node:crypto";
import type { SetupLink } from "../records/setup-link.ts";
import { type DerivedKeys, hmacSha256 } from "./root-secret.ts";

const TIME_BYTES = 8;
const TOKEN_BYTES = TIME_BYTES + 32;
const DOMAIN_LABEL = "latchkey setup link\0";

/**
 * Makes the token of a set-up link: its end, and a MAC over it. It works only while there is no admin, and the store remembers
 * that it has been used, for as long as it would work.
 */
export function createSetupToken(keys: DerivedKeys, expiresAt: number): string {
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(expiresAt));
  return Buffer.concat([time, hmacSha256(keys.setupKey, DOMAIN_LABEL, time)]).toString("base64url");
}

/** The link that the token refers to; `undefined` if it is not this server's or has expired. */
export function readSetupToken(keys: DerivedKeys, token: string, now: number): SetupLink | undefined {
  const bytes = Buffer.from(token, "base64url");
  if (bytes.length !== TOKEN_BYTES || bytes.toString("base64url") !== token) return undefined;
  const time = bytes.subarray(0, TIME_BYTES);
  if (!timingSafeEqual(bytes.subarray(TIME_BYTES), hmacSha256(keys.setupKey, DOMAIN_LABEL, time))) return undefined;
  const expiresAt = Number(time.readBigUInt64BE());
  // Of the token itself nothing is kept.
  return now < expiresAt
    ? { id: createHash("sha256").update(bytes).digest("base64url").slice(0, 22), expiresAt }
    : undefined;
}
