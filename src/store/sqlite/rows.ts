import type { Session } from "../../records/session.ts";
import { bytesFromHex } from "./database.ts";

/** A row of `users u` as a {@link User}. */
export const USER_JSON = `json_object(
  'id', u.id, 'username', u.username, 'canonicalUsername', u.canonical_username, 'passwordHash', u.password_hash,
  'roles', json(u.roles), 'createdAt', u.created_at, 'updatedAt', u.updated_at, 'disabledAt', u.disabled_at,
  'credentialsVersion', u.credentials_version)`;

/** A row of `sessions s`, which {@link toSession} makes a session. */
export const SESSION_JSON = `json_object(
  'id', hex(s.id), 'subject', s.subject, 'clientId', s.client_id, 'salt', hex(s.salt),
  'rotation', json_object(
    'confirmed', s.confirmed, 'pendingFrom', s.pending_from, 'pendingTo', s.pending_to, 'rotatedAt', s.rotated_at,
    'reuseForgivenAt', s.reuse_forgiven_at),
  'createdAt', s.created_at, 'authTime', s.auth_time, 'expiresAt', s.expires_at,
  'revokedAt', s.revoked_at, 'revokedFor', s.revoked_for,
  'device', s.device, 'userAgent', s.user_agent, 'ip', s.ip, 'scope', s.scope,
  'amr', json(s.amr), 'claims', json(s.claims), 'jkt', s.jkt,
  'lastIp', s.last_ip, 'lastUserAgent', s.last_user_agent, 'usedBefore', s.used_before)`;

/** What {@link SESSION_JSON} returns: bytes in hexadecimal. */
export type SessionJson = { -readonly [Key in keyof Session]: Key extends "salt" ? string | Uint8Array : Session[Key] };

/** Turns what has just been parsed into a session, without a copy. */
export function toSession(json: SessionJson): Session {
  json.id = idFromHex(json.id);
  json.salt = bytesFromHex(json.salt as string);
  return json as Session;
}

export function idFromHex(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64url");
}

export function bytesToHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** The 16 bytes of a session id, or `null` where the text is not exactly how they are written. */
export function idToBytes(id: string): Uint8Array | null {
  if (id.length !== 22) return null;
  const bytes = Buffer.from(id, "base64url");
  return bytes.toString("base64url") === id ? bytes : null;
}
