import { LatchkeyError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import { freezeJson, isJsonObject } from "../json.ts";
import type { Session } from "../records/session.ts";

const JTI_PATTERN = /^([A-Za-z0-9_-]{22})\.(0|[1-9][0-9]{0,9})\.[A-Za-z0-9_-]+$/;
/** The generation of a client's own access token. No refresh token comes with it, and theirs begin at 1. */
const NO_GENERATION = 0;

/** The key that a token is bound to: its thumbprint (RFC 7638, SHA-256, base64url). */
export type Confirmation = { readonly jkt: string };

/** The claims of every access token (RFC 9068 section 2.2). Times are whole seconds since the Unix epoch. */
interface SharedClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  /** Three parts: the id it is revoked by (the session, or a client's `grantId`), the generation, and a unique part. */
  readonly jti: string;
  readonly client_id: string;
  readonly roles: readonly string[];
  /** Space-separated (RFC 8693 section 4.2). */
  readonly scope?: string;
  /** The key whose proof its use requires (RFC 7800 section 3, RFC 9449 section 6.1). */
  readonly cnf?: Confirmation;
  /** The application's own claims. */
  readonly [ownClaim: string]: JsonValue | undefined;
}

/** The claims of a session's access token, which is a person's. Deeply frozen. */
export interface AccessTokenClaims extends SharedClaims {
  /** The session. */
  readonly sid: string;
  /** When the person last proved who they are. */
  readonly auth_time: number;
  /** `true` in the access token of a login or a reauthentication, and in no other. */
  readonly fresh?: true;
  /** RFC 8176. */
  readonly amr?: readonly string[];
}

/**
 * The claims of a client's own access token (RFC 6749 section 4.4): it belongs to no person and no session. Its `sub`
 * is its `client_id` (RFC 9068 section 2.2), `roles` is empty, and what it may do is its `scope`. Deeply frozen.
 */
export interface ClientAccessTokenClaims extends SharedClaims {
  readonly sid?: undefined;
  readonly auth_time?: undefined;
}

/** Either kind: `sid` distinguishes them. */
export type AnyAccessTokenClaims = AccessTokenClaims | ClientAccessTokenClaims;

/** The parts of a session that its access tokens contain. */
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
  /** Thumbprint of the key that it is bound to. Default: to none. */
  readonly jkt?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** What a client's own access token is made of. */
export interface ClientAccessTokenGrant {
  /** `grantId` is 16 bytes as base64url: what its access tokens are revoked with. */
  readonly client: { readonly id: string; readonly grantId: string };
  /** Space-separated; the empty text for none. */
  readonly scope: string;
  /** Thumbprint of the key that it is bound to. Default: to none. */
  readonly jkt?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** The issuer and audience of tokens, and how long they last. */
export interface AccessTokenTerms {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly accessTtlSeconds: number;
}

/** The claims of one access token. It never outlives its session's absolute end. */
export function claimsOf(grant: AccessTokenGrant, terms: AccessTokenTerms, unique: string): AccessTokenClaims {
  const { session, generation, roles, jkt, now } = grant;
  const iat = Math.floor(now / 1000);
  return {
    // First, so that an own claim in the store can never replace one of Latchkey's.
    ...session.claims,
    iss: terms.issuer,
    sub: session.subject,
    aud: audienceOf(terms),
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
    ...(jkt !== undefined && { cnf: { jkt } }),
  };
}

/** The claims of a client's own access token. */
export function claimsOfClient(
  { client, scope, jkt, now }: ClientAccessTokenGrant,
  terms: AccessTokenTerms,
  unique: string,
): ClientAccessTokenClaims {
  const iat = Math.floor(now / 1000);
  return {
    iss: terms.issuer,
    sub: client.id,
    aud: audienceOf(terms),
    exp: iat + terms.accessTtlSeconds,
    iat,
    jti: `${client.grantId}.${NO_GENERATION}.${unique}`,
    client_id: client.id,
    roles: [],
    ...(scope !== "" && { scope }),
    ...(jkt !== undefined && { cnf: { jkt } }),
  };
}

function audienceOf({ audience }: AccessTokenTerms): string | readonly string[] {
  return audience.length === 1 ? (audience[0] as string) : audience;
}

/** The id an access token is revoked by: its session, or the `grantId` of its client. */
export function revokedWith({ jti, sid }: Pick<AnyAccessTokenClaims, "jti" | "sid">): string {
  return sid ?? readJti(jti).revokedWith;
}

/** Means every session in the log of revocations: tokens issued before have ended, even if their session is unknown. */
export const EVERY_SESSION = "AAAAAAAAAAAAAAAAAAAAAA";

/**
 * Whether an access token is over. `revokedAt` returns when an id of the log was revoked, in milliseconds since the
 * Unix epoch.
 */
export function isCovered(
  claims: Pick<AnyAccessTokenClaims, "jti" | "sid" | "iat">,
  revokedAt: (id: string) => number | undefined,
): boolean {
  if (revokedAt(revokedWith(claims)) !== undefined) return true;
  const everySessionAt = claims.sid === undefined ? undefined : revokedAt(EVERY_SESSION);
  // In whole seconds, as `iat` is.
  return everySessionAt !== undefined && claims.iat < Math.floor(everySessionAt / 1000);
}

/** The generation that an access token was issued with. */
export function generationOf(claims: Pick<AccessTokenClaims, "jti">): number {
  return readJti(claims.jti).generation;
}

function readJti(jti: string): { readonly revokedWith: string; readonly generation: number } {
  const [, revokedWith, generation] = JTI_PATTERN.exec(jti) ?? [];
  if (revokedWith === undefined) throw new TypeError("The claims do not come from a verified access token.");
  return { revokedWith, generation: Number(generation) };
}

/** What the claims of an access token are checked against. */
export interface ExpectedClaims {
  readonly issuer: string;
  /** One of these must be in `aud`. */
  readonly audience: readonly string[];
}

/**
 * Reads a payload whose signature has been verified as the claims of one of our access tokens. Their times are not
 * checked: see {@link timeliness}.
 * @throws LatchkeyError `invalid_access_token`, naming the claim that is wrong to the operator.
 */
export function readClaims(payload: JsonValue | undefined, expected: ExpectedClaims): AnyAccessTokenClaims {
  if (!isJsonObject(payload)) throw refused("payload");
  const shapes = Object.hasOwn(payload, "sid") ? sessionShapes : clientShapes;
  for (const [name, isRight] of Object.entries(shapes)) {
    if (!isRight(Object.hasOwn(payload, name) ? payload[name] : undefined)) throw refused(name);
  }
  const claims = payload as unknown as AnyAccessTokenClaims;
  if (claims.iss !== expected.issuer) throw refused("iss");
  const audiences = typeof claims.aud === "string" ? [claims.aud] : claims.aud;
  if (!expected.audience.some((ours) => audiences.includes(ours))) throw refused("aud");
  if (!isRightJti(claims)) throw refused("jti");
  if (claims.sid === undefined && claims.sub !== claims.client_id) throw refused("sub");
  return freezeJson(claims as unknown as JsonValue) as unknown as AnyAccessTokenClaims;
}

function isRightJti({ jti, sid }: AnyAccessTokenClaims): boolean {
  const [, revokedWith, generation] = JTI_PATTERN.exec(jti) ?? [];
  if (revokedWith === undefined) return false;
  return sid === undefined
    ? Number(generation) === NO_GENERATION
    : revokedWith === sid && Number(generation) !== NO_GENERATION;
}

/** @throws LatchkeyError `wrong_token_type` for a client's own access token, where a person is required. */
export function ofPerson(claims: AnyAccessTokenClaims): AccessTokenClaims {
  if (claims.sid !== undefined) return claims;
  throw new LatchkeyError("wrong_token_type", {
    description: "This is a client's own access token. The endpoint requires a person's access token.",
  });
}

/**
 * Where `now` is in an access token's life: exactly from `iat` (and `nbf`) to `exp`, each moved outwards by the leeway.
 * At `exp + leeway` it has expired (RFC 7519 section 4.1.4).
 */
export function timeliness(
  claims: Pick<AnyAccessTokenClaims, "exp" | "iat" | "nbf">,
  now: number,
  leewaySeconds: number,
): "good" | "expired" | "early" {
  if (now >= (claims.exp + leewaySeconds) * 1000) return "expired";
  const from = Math.max(claims.iat, claims.nbf ?? 0);
  return now < (from - leewaySeconds) * 1000 ? "early" : "good";
}

/** The refusal of an access token. `detail` is for the operator and must not contain what was sent. */
export function refused(detail: string): LatchkeyError {
  return new LatchkeyError("invalid_access_token", { detail: `The access token was refused: ${detail}.` });
}

type Shapes = { readonly [claim: string]: (value: JsonValue | undefined) => boolean };

const sharedShapes: Shapes = {
  iss: isText,
  sub: isText,
  aud: (value) => isText(value) || (isTexts(value) && value.length > 0),
  exp: isTime,
  iat: isTime,
  nbf: optional(isTime),
  jti: isText,
  client_id: isText,
  roles: isTexts,
  scope: optional(isText),
  cnf: optional(isConfirmation),
};

const sessionShapes: Shapes = {
  ...sharedShapes,
  sid: isText,
  auth_time: isTime,
  fresh: optional((value) => value === true),
  amr: optional(isTexts),
};

// Claims about a person must not appear in it.
const clientShapes: Shapes = {
  ...sharedShapes,
  auth_time: isAbsent,
  fresh: isAbsent,
  amr: isAbsent,
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

/** Only of this kind: any other binding of a token cannot be checked here, so it must not count as bound to nothing. */
function isConfirmation(value: JsonValue | undefined): boolean {
  return (
    isJsonObject(value) &&
    Object.keys(value).join() === "jkt" &&
    typeof value.jkt === "string" &&
    /^[A-Za-z0-9_-]{43}$/.test(value.jkt)
  );
}

function isAbsent(value: JsonValue | undefined): boolean {
  return value === undefined;
}

function optional(isRight: (value: JsonValue | undefined) => boolean): (value: JsonValue | undefined) => boolean {
  return (value) => value === undefined || isRight(value);
}
