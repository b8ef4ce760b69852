import type { JsonValue } from "../json.ts";
import { MAX_GENERATION, type RotationState } from "./rotation.ts";

/** The `client_id` of sessions that were not opened for a registered client. */
export const FIRST_PARTY_CLIENT_ID = "first-party";

/** Why a session was ended early. */
export type RevocationReason =
  | "logout"
  | "logout_all"
  | "refresh_token_reused"
  | "session_revoked"
  | "password_changed"
  | "user_disabled"
  | "session_limit"
  | "client_disabled"
  | "administrator";

/** One sign-in on one device, with everything that is stored about it. It uses one row for its whole life. */
export interface Session {
  /** 16 random bytes as base64url, 22 characters; published as `sid`. */
  readonly id: string;
  /** The `sub` of its access tokens: a user's id, or the subject that the application passed to `issue`. */
  readonly subject: string;
  /** The client that signed in, the only one that may refresh: a registered one's id, `first-party`, or the application's own text. */
  readonly clientId: string;
  /** 16 random bytes that are part of every refresh token's MAC. They never leave the store and the engine. */
  readonly salt: Uint8Array;
  readonly rotation: RotationState;
  /** All times are milliseconds since the Unix epoch, UTC. */
  readonly createdAt: number;
  /** When the person last proved who they are. */
  readonly authTime: number;
  /** The absolute end; a refresh never moves it. */
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  readonly revokedFor: RevocationReason | null;
  /** The person's name for this device. */
  readonly device: string | null;
  readonly userAgent: string | null;
  readonly ip: string | null;
  /** Space-separated scope (RFC 6749 section 3.3). */
  readonly scope: string | null;
  /** Authentication methods (RFC 8176). */
  readonly amr: readonly string[] | null;
  /** The application's own claims, copied into every access token of the session. */
  readonly claims: Readonly<Record<string, JsonValue>> | null;
  /**
   * Thumbprint of the key whose proof every refresh requires (RFC 9449 section 5); `null` if it is not bound to a key.
   */
  readonly jkt: string | null;
  /** The time of its last use before the hour of the last rotation began; `null` if it did not exist yet. */
  readonly usedBefore: number | null;
  /** Where the last rotation came from, or the sign-in if there has been no rotation; `null` if that is not known. */
  readonly lastIp: string | null;
  readonly lastUserAgent: string | null;
}

/** What a rotation records about where it came from and when. */
export type SessionUse = Pick<Session, "usedBefore" | "lastIp" | "lastUserAgent">;

/** How long a session may live. */
export interface SessionLimits {
  /** Seconds without a rotation after which the session has ended. */
  readonly idleTtlSeconds: number;
}

/** Whether the session can continue at `now`, and if not, why. */
export function sessionStatus(session: Session, now: number, limits: SessionLimits): "live" | "revoked" | "expired" {
  if (session.revokedAt !== null) return "revoked";
  if (now >= sessionEnd(session, limits)) return "expired";
  if (session.rotation.pendingTo >= MAX_GENERATION - 1) return "expired";
  return "live";
}

/** When the session ends if it is not refreshed before: the earlier of its absolute and its idle end. */
export function sessionEnd(session: Session, limits: SessionLimits): number {
  return Math.min(session.expiresAt, session.rotation.rotatedAt + limits.idleTtlSeconds * 1000);
}

/** A user agent helps a person to recognise a device; no more of it is needed than this. */
export function shortUserAgent(userAgent: string | null | undefined): string | null {
  return userAgent ? userAgent.slice(0, 256) : null;
}

const HOUR_MS = 3_600_000;

/** The value of `usedBefore` after a rotation at `at`. */
export function usedBeforeRotation({ rotation, usedBefore }: Session, at: number): number | null {
  return hourOf(at) > hourOf(rotation.rotatedAt) ? rotation.rotatedAt : usedBefore;
}

/**
 * When the session was last used, as of the last full hour. People see no more than this: from the exact time, a thief
 * who holds a copy would learn when the owner refreshes, and refresh within the grace window each time.
 */
export function lastUseShown({ rotation, usedBefore, createdAt }: Session, now: number): number {
  return hourOf(now) > hourOf(rotation.rotatedAt) ? rotation.rotatedAt : (usedBefore ?? createdAt);
}

/** When the session ends if it is refreshed at `now` and not again. */
export function sessionEndAfter({ expiresAt }: Session, now: number, { idleTtlSeconds }: SessionLimits): number {
  return Math.min(expiresAt, now + idleTtlSeconds * 1000);
}

/**
 * When the session ends if it is not refreshed before, as of the last full hour. If it would have ended by then, it has
 * been used since, and a whole idle time is shown.
 */
export function sessionEndShown(session: Session, now: number, limits: SessionLimits): number {
  const shown = lastUseShown(session, now) + limits.idleTtlSeconds * 1000;
  return shown > now ? Math.min(session.expiresAt, shown) : sessionEndAfter(session, now, limits);
}

function hourOf(time: number): number {
  return Math.floor(time / HOUR_MS);
}

const SESSION_ID = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** Whether a text is the canonical form of a session's id. */
export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}
