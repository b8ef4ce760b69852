import type { StoredSigningKey } from "../records/signing-key.ts";

/** What decides when a signing key begins to sign, stops, and is forgotten. */
export interface KeySchedule {
  /** How long a key signs. */
  readonly keyRotationSeconds: number;
  /** How long verifiers may keep the JWKS. */
  readonly jwksMaxAgeSeconds: number;
  /** How long a process may go on with the ring it has read. */
  readonly reloadLagSeconds: number;
  /** The greatest life of an access token that may still be good. */
  readonly accessTtlSeconds: number;
  readonly leewaySeconds: number;
}

/** What the schedule allows for a process to read the ring again: for making and writing a key, and for clocks that differ. */
export const RELOAD_LAG_SECONDS = 30;

/** What is wrong with keys that would sign before every verifier could know them. */
export function keyRotationTooQuick({
  keyRotationSeconds,
  jwksMaxAgeSeconds,
}: Pick<KeySchedule, "keyRotationSeconds" | "jwksMaxAgeSeconds">): readonly string[] {
  const publishedFor = jwksMaxAgeSeconds + RELOAD_LAG_SECONDS;
  if (keyRotationSeconds >= publishedFor) return [];
  return [
    `Option 'keyRotationSeconds' must be ${publishedFor} or more with 'jwksMaxAgeSeconds' at ${jwksMaxAgeSeconds}: ` +
      "every verifier must know a key before it signs.",
  ];
}

/** All that the schedule looks at; generic, so that what else a record holds is carried along. */
export type ScheduledKey = Pick<StoredSigningKey, "kid" | "alg" | "state" | "createdAt" | "activatedAt" | "retiredAt">;

/**
 * When a key may begin to sign: once every process shows it, and every verifier that fetched the JWKS just before has
 * let go of it. In milliseconds since the Unix epoch, like every time here.
 */
export function signsFrom(key: ScheduledKey, schedule: KeySchedule): number {
  return key.createdAt + (schedule.reloadLagSeconds + schedule.jwksMaxAgeSeconds) * 1000;
}

/**
 * When a key's signatures stop being accepted: once the last access token that a process unaware of its retirement has
 * signed with it has expired. Without end while it is not retired.
 */
export function verifiesUntil(key: ScheduledKey, schedule: KeySchedule): number {
  if (key.retiredAt === null) return Number.POSITIVE_INFINITY;
  return key.retiredAt + (schedule.reloadLagSeconds + schedule.accessTtlSeconds + schedule.leewaySeconds) * 1000;
}

/** What is due at `now`: keys past their use are dropped, and the next key takes over when its time has come. */
export function scheduledKeys<Key extends ScheduledKey>(
  keys: readonly Key[],
  now: number,
  schedule: KeySchedule,
): readonly Key[] {
  const kept = keys.filter((key) => now < verifiesUntil(key, schedule));
  return isRotationDue(kept, now, schedule) ? rotatedKeys(kept, now) : kept;
}

/** The next key becomes the current one, and the current one retires. Without a next key nothing changes. */
export function rotatedKeys<Key extends ScheduledKey>(keys: readonly Key[], now: number): readonly Key[] {
  if (keyIn(keys, "next") === undefined) return keys;
  return keys.map((key) => {
    if (key.state === "next") return { ...key, state: "current", activatedAt: now };
    return key.state === "current" ? { ...key, state: "retired", retiredAt: now } : key;
  });
}

/** The ring on its way to another algorithm: a next key of any other gives way to one that is yet to be made. */
export function keysTowards<Key extends ScheduledKey>(keys: readonly Key[], alg: string): readonly Key[] {
  const next = keyIn(keys, "next");
  return next === undefined || next.alg === alg ? keys : keys.filter((key) => key !== next);
}

/** The ring without one key. If that was the current one, the next takes its place at once. */
export function keysWithout<Key extends ScheduledKey>(keys: readonly Key[], kid: string, now: number): readonly Key[] {
  const kept = keys.filter((key) => key.kid !== kid);
  return keyIn(kept, "current") === undefined ? rotatedKeys(kept, now) : kept;
}

export function keyIn<Key extends ScheduledKey>(keys: readonly Key[], state: "current" | "next"): Key | undefined {
  return keys.find((key) => key.state === state);
}

function isRotationDue(keys: readonly ScheduledKey[], now: number, schedule: KeySchedule): boolean {
  const current = keyIn(keys, "current");
  const next = keyIn(keys, "next");
  if (next === undefined) return false;
  if (current === undefined) return true;
  if (now < signsFrom(next, schedule)) return false;
  const signedFrom = current.activatedAt ?? current.createdAt;
  return next.alg !== current.alg || now >= signedFrom + schedule.keyRotationSeconds * 1000;
}
