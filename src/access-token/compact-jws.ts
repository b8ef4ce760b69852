import { base64url } from "jose";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** The encoded parts of a JWS Compact Serialization. */
export interface CompactJwsParts {
  readonly header: string;
  readonly payload: string;
}

/**
 * The parts of the JWS Compact Serialization (RFC 7515 section 7.1), each in its one canonical spelling; `undefined` for any other
 * text. The signature is not looked at.
 */
export function splitCompactJws(text: string): CompactJwsParts | undefined {
  const parts = text.split(".");
  if (parts.length !== 3 || !parts.every(isCanonical)) return undefined;
  return { header: parts[0]!, payload: parts[1]! };
}

/** Base64url without padding, white space or stray bits in the last character; `undefined` for any other text. */
export function decodeCanonical(part: string): Uint8Array | undefined {
  return isCanonical(part) ? base64url.decode(part) : undefined;
}

function isCanonical(part: string): boolean {
  if (!BASE64URL.test(part) || part.length % 4 === 1) return false;
  const strayBits = [0, 0, 0b1111, 0b11][part.length % 4]!;
  return (ALPHABET.indexOf(part.at(-1)!) & strayBits) === 0;
}
