import { base64url } from "jose";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/**
 * Header and payload of the JWS Compact Serialization (RFC 7515 section 7.1), each part in its one canonical spelling;
 * `undefined` for any other text. The signature is not looked at.
 */
export function readCompactJws(
  text: string,
): { readonly header: Uint8Array; readonly payload: Uint8Array } | undefined {
  const [header, payload, signature, ...more] = text.split(".").map(decodeCanonical);
  return header && payload && signature && more.length === 0 ? { header, payload } : undefined;
}

/** Base64url without padding, white space or stray bits in the last character; `undefined` for any other text. */
export function decodeCanonical(part: string): Uint8Array | undefined {
  if (!BASE64URL.test(part) || part.length % 4 === 1) return undefined;
  const strayBits = [0, 0, 0b1111, 0b11][part.length % 4]!;
  return (ALPHABET.indexOf(part.at(-1)!) & strayBits) === 0 ? base64url.decode(part) : undefined;
}
