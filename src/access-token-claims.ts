import { LatchkeyError } from "./errors.ts";
import type { JsonValue, Session } from "./session.ts";
import { freezeJson, isJsonObject } from "./strict-json.ts";

const JTI_PATTERN = /^([A-Za-z0-9_-]{22})\.([1-9][0-9]{0,9})\.[A-Za-z0-9_-]+$/;

/** What an access token says (RFC 9068 section 2.2). Times are whole seconds since the Unix epoch. Frozen throughout. */
export interface AccessTokenClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  /** `sid.generation.unique`, so that a session's access tokens are recognised without being stored. */
  readonly jti: string;
  /** The session. */
  readonly sid: string;
  readonly client_id: string;
  /** When the person last proved who they are. */
  readonly auth_time: number;
  readonly roles: readonly string[];
  /** `true` in the access token of a login or a reauthentication, and in no other. */
  readonly fresh?: true;
  /** Space-separated (RFC 8693 section 4.2). */
  readonly scope?: string;
  /** RFC 8176. */
  readonly amr?: readonly string[];
  /** The application's own claims. */
  readonly [ownClaim: string]: JsonValue | undefined;
}

/** What of a session goes into its access tokens. */
export type SessionInToken = Pick<
  Session,
  "id" | "subject" | "clientId" | "authTime" | "expiresAt" | "scope" | "amr" | "claims"
>;

/** What one access token is made of. */
export interface AccessTokenGrant {
  readonly session: SessionInToken;
  /** The generation of the refresh token that it is issued with. */
  readonly generation: number;
  readonly roles: readonly string[];
  /** Whether the person has just proved who they are. */
  readonly fresh?: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** Whom tokens are from and for, and how long they last. */
export interface AccessTokenTerms {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly accessTtlSeconds: number;
}

/** The claims of one access token. It never outlives its session's absolute end. */
export function claimsOf(grant: AccessTokenGrant, terms: AccessTokenTerms, unique: string): AccessTokenClaims {
  const { session, generation, roles, now } = grant;
  const iat = Math.floor(now / 1000);
  return {
    // First, so that whatever the store holds, an own claim never replaces one of ours.
    ...session.claims,
    iss: terms.issuer,
    sub: session.subject,
    aud: terms.audience.length === 1 ? (terms.audience[0] as string) : terms.audience,
    exp: Math.min(iat + terms.accessTtlSeconds, Math.floor(session.expiresAt / 1000)),
    iat,
    jti: `${session.id}.${generation}.${unique}`,
    sid: session.id,
    client_id: session.clientId,
    auth_time: Math.floor(session.authTime / 1000),
    roles,
    ...(grant.fresh && { fresh: true as const }),
    ...(session.scope !== null && { scope: session.scope }),
    ...(session.amr !== null && { amr: session.amr }),
  };
}

/** The generation that an access token was issued with. */
export function generationOf(claims: Pick<AccessTokenClaims, "jti">): number {
  const generation = JTI_PATTERN.exec(claims.jti)?.[2];
  if (generation === undefined) throw new TypeError("The claims are not those of a verified access token.");
  return Number(generation);
}

/** What the claims of an access token are held against. */
export interface ExpectedClaims {
  readonly issuer: string;
  /** One of these has to be in `aud`. */
  readonly audience: readonly string[];
}

/**
 * Reads a payload whose signature has been verified as the claims of one of our access tokens. Their times are not
 * looked at: see {@link timeliness}.
 * @throws LatchkeyError `invalid_access_token`, naming the claim that is wrong to the operator.
 */
export function readClaims(payload: JsonValue | undefined, expected: ExpectedClaims): AccessTokenClaims {
  if (!isJsonObject(payload)) throw refused("payload");
  for (const [name, isRight] of Object.entries(shapes)) {
    if (!isRight(Object.hasOwn(payload, name) ? payload[name] : undefined)) throw refused(name);
  }
  const claims = payload as AccessTokenClaims;
  if (claims.iss !== expected.issuer) throw refused("iss");
  const audiences = typeof claims.aud === "string" ? [claims.aud] : claims.aud;
  if (!expected.audience.some((ours) => audiences.includes(ours))) throw refused("aud");
  if (JTI_PATTERN.exec(claims.jti)?.[1] !== claims.sid) throw refused("jti");
  return freezeJson(claims as unknown as JsonValue) as unknown as AccessTokenClaims;
}

/**
 * Where `now` stands in an access token's life: exactly from `iat` (and `nbf`) to `exp`, each moved outwards by the
 * leeway. At `exp + leeway` it has expired (RFC 7519 section 4.1.4).
 */
export function timeliness(
  claims: Pick<AccessTokenClaims, "exp" | "iat" | "nbf">,
  now: number,
  leewaySeconds: number,
): "good" | "expired" | "early" {
  if (now >= (claims.exp + leewaySeconds) * 1000) return "expired";
  const from = Math.max(claims.iat, claims.nbf ?? 0);
  return now < (from - leewaySeconds) * 1000 ? "early" : "good";
}

/** The refusal of an access token. `detail` is for the operator and must not hold what was sent. */
export function refused(detail: string): LatchkeyError {
  return new LatchkeyError("invalid_access_token", { detail: `The access token was refused: ${detail}.` });
}

const shapes: { readonly [claim: string]: (value: JsonValue | undefined) => boolean } = {
  iss: isText,
  sub: isText,
  aud: (value) => isText(value) || (isTexts(value) && value.length > 0),
  exp: isTime,
  iat: isTime,
  nbf: optional(isTime),
  jti: isText,
  sid: isText,
  client_id: isText,
  auth_time: isTime,
  roles: isTexts,
  fresh: optional((value) => value === true),
  scope: optional(isText),
  amr: optional(isTexts),
};

function isText(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value !== "";
}

function isTexts(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isTime(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function optional(isRight: (value: JsonValue | undefined) => boolean): (value: JsonValue | undefined) => boolean {
  return (value) => value === undefined || isRight(value);
}
