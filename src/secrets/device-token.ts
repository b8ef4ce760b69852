import type { Random } from "../environment.ts";
import { type DerivedKeys, hmacSha256, isMadeUnderEither, type RootKeys } from "./root-secret.ts";

const DOMAIN_LABEL = "latchkey device token 2\0";
const EXPIRY_BYTES = 4;
const VERSION_BYTES = 4;
const NONCE_BYTES = 8;
const MAC_BYTES = 32;
const TEXT = /^[A-Za-z0-9_-]{64}$/;

/** How long a device is recognised after a sign-in: as long as browsers keep a cookie (RFC 6265bis section 5.5). */
export const DEVICE_TOKEN_TTL_SECONDS = 400 * 86_400;

/** What a device token is made from. */
export interface DeviceTokenParts {
  /** The canonical username of the account that was signed in to. */
  readonly account: string;
  /** The account's `credentialsVersion`: another password ends the token. */
  readonly credentialsVersion: number;
  readonly random: Random;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * Makes the token by which a device is recognised that the account has been signed in to from: base64url of
 * `expiry ‖ version of the credentials ‖ nonce ‖ MAC`, bound to that account alone. It authenticates nobody; it has failed logins counted by themselves,
 * so that strangers' failures cannot lock the owner out (OWASP's "device cookies").
 */
export function createDeviceToken(
  keys: DerivedKeys,
  { account, credentialsVersion, random, now }: DeviceTokenParts,
): string {
  const expiry = Buffer.alloc(EXPIRY_BYTES);
  expiry.writeUInt32BE(Math.floor(now / 1000) + DEVICE_TOKEN_TTL_SECONDS);
  const version = Buffer.alloc(VERSION_BYTES);
  version.writeUInt32BE(credentialsVersion >>> 0);
  const head = Buffer.concat([expiry, version, random.bytes(NONCE_BYTES)]);
  return Buffer.concat([head, macOf(keys, head, account)]).toString("base64url");
}

/** What a device token identifies. */
export interface RecognisedDevice {
  /** A text of fixed length. */
  readonly id: string;
  /** What the account's `credentialsVersion` was, and has to be still. */
  readonly credentialsVersion: number;
}

/**
 * The device that a token identifies; `null` if the token is not this account's, has expired, or is none. One made
 * under the root secret before counts too. Compared in constant time.
 */
export function recognisedDevice(
  keys: RootKeys,
  account: string,
  token: string | null,
  now: number,
): RecognisedDevice | null {
  if (token === null || !TEXT.test(token)) return null;
  const bytes = Buffer.from(token, "base64url");
  const head = bytes.subarray(0, -MAC_BYTES);
  const mac = bytes.subarray(-MAC_BYTES);
  const isOurs = isMadeUnderEither(keys, mac, (candidate) => macOf(candidate, head, account));
  if (!isOurs || head.readUInt32BE() * 1000 <= now) return null;
  return { id: head.subarray(EXPIRY_BYTES).toString("base64url"), credentialsVersion: head.readUInt32BE(EXPIRY_BYTES) };
}

function macOf(keys: DerivedKeys, head: Uint8Array, account: string): Buffer {
  return hmacSha256(keys.deviceKey, DOMAIN_LABEL, head, account);
}
