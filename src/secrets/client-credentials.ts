import { createHash, timingSafeEqual } from "node:crypto";
import type { Random } from "../environment.ts";
import { randomId } from "../random-id.ts";
import type { Client } from "../records/client.ts";

const ID_PREFIX = "lkc_";
const SECRET_PREFIX = "lks_";
const CLIENT_ID = /^lkc_[A-Za-z0-9_-]{22}$/;

/**
 * Creates a `client_id`. Its form is unique to clients, so that no client is mistaken for a person (RFC 9068
 * section 5).
 */
export function createClientId(random: Random): string {
  return ID_PREFIX + createGrantId(random);
}

/** Creates the id by which a client's own access tokens are revoked: 16 random bytes as base64url. */
export function createGrantId(random: Random): string {
  return randomId(random);
}

/**
 * Creates a client secret of 256 random bits, with a prefix by which secret scanners and the log's redaction recognise
 * it.
 */
export function createClientSecret(random: Random): string {
  return SECRET_PREFIX + randomId(random, 32);
}

/** Whether a text has the form of a `client_id` of ours. */
export function looksLikeClientId(text: string): boolean {
  return CLIENT_ID.test(text);
}

/** What is stored of a secret: SHA-256, since nothing slower makes 256 random bits harder to guess. */
export function hashClientSecret(secret: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(secret).digest());
}

/**
 * Whether the secret is the client's. Compared in constant time, and with the same work if the client does not exist.
 */
export function isClientSecret(secret: string, client: Pick<Client, "secretHash"> | null): boolean {
  const presented = hashClientSecret(secret);
  const expected = client?.secretHash ?? null;
  return timingSafeEqual(presented, expected ?? presented) && expected !== null;
}
