import { timingSafeEqual } from "node:crypto";
import { type DerivedKeys, hmacSha256 } from "./root-secret.ts";

const TIME_BYTES = 8;
const TOKEN_BYTES = TIME_BYTES + 32;
const DOMAIN_LABEL = "latchkey setup link\0";

/** Makes the token of a set-up link: its end, and a MAC over it. It is single-use because it works only while there is no admin. */
export function createSetupToken(keys: DerivedKeys, expiresAt: number): string {
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(expiresAt));
  return Buffer.concat([time, hmacSha256(keys.setupKey, DOMAIN_LABEL, time)]).toString("base64url");
}

/** Whether the token is this server's and has not expired. */
export function isSetupToken(keys: DerivedKeys, token: string, now: number): boolean {
  const bytes = Buffer.from(token, "base64url");
  if (bytes.length !== TOKEN_BYTES || bytes.toString("base64url") !== token) return false;
  const time = bytes.subarray(0, TIME_BYTES);
  if (!timingSafeEqual(bytes.subarray(TIME_BYTES), hmacSha256(keys.setupKey, DOMAIN_LABEL, time))) return false;
  return now < Number(time.readBigUInt64BE());
}
