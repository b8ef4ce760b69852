import type { AccessTokenGrant, SessionInToken } from "../../src/access-token/claims.ts";
import { createDpopProofs } from "../../src/access-token/used-dpop-proofs.ts";
import { type ErrorCode, isLatchkeyError } from "../../src/errors.ts";
import type { KeyRing, SigningKey } from "../../src/signing/key-ring.ts";
import {
  type AccessTokens,
  type AccessTokensOptions,
  createAccessTokens,
} from "../../src/signing/sign-access-token.ts";
import { environmentAt, schedule, type TestClock } from "./key-rings.ts";

export const ISSUER = "https://auth.example.test";
export const AUDIENCE = "https://api.example.test";

export const session: SessionInToken = {
  id: "c2Vzc2lvbi1pZC0xNmJ5dA",
  subject: "dXNlci1pZC0xNi1ieXRlcw",
  clientId: "web",
  authTime: 1_799_999_000_000,
  expiresAt: 1_999_999_999_999,
  scope: null,
  amr: null,
  claims: null,
};

export function tokensOn(keys: KeyRing, clock: TestClock, given: Partial<AccessTokensOptions> = {}): AccessTokens {
  return createAccessTokens({
    keys,
    environment: environmentAt(clock),
    proofs: createDpopProofs({ clock }),
    issuer: ISSUER,
    audience: AUDIENCE,
    accessTtlSeconds: schedule.accessTtlSeconds,
    leewaySeconds: 0,
    ...given,
  });
}

/** What one access token is signed from, at the clock's time. */
export function grantAt(clock: TestClock, given: Partial<Omit<AccessTokenGrant, "now">> = {}): AccessTokenGrant {
  return { session, generation: 1, roles: ["user"], ...given, now: clock.now() };
}

/** The claims that a good token of {@link session} has, with any of them replaced; `undefined` leaves one out. */
export function goodClaims(clock: TestClock, given: Record<string, unknown> = {}): Record<string, unknown> {
  const iat = Math.floor(clock.now() / 1000);
  return {
    iss: ISSUER,
    sub: session.subject,
    aud: AUDIENCE,
    exp: iat + 900,
    iat,
    jti: `${session.id}.1.dW5pcXVl`,
    sid: session.id,
    client_id: session.clientId,
    auth_time: iat,
    roles: ["user"],
    ...given,
  };
}

/** Puts a compact JWS together from any header and payload, a text as it stands and anything else as JSON. */
export async function compactJws(
  header: unknown,
  payload: unknown,
  sign: (input: string) => Uint8Array | Promise<Uint8Array>,
): Promise<string> {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${Buffer.from(await sign(input)).toString("base64url")}`;
}

/** Signs with a real key of the ring, so that nothing but header or payload can be the reason for a refusal. */
export function signedBy(key: SigningKey, header: unknown, payload: unknown): Promise<string> {
  return compactJws(header, payload, (input) => key.sign(input));
}

export function goodHeader(key: Pick<SigningKey, "alg" | "kid">, given: Record<string, unknown> = {}) {
  return { alg: key.alg, typ: "at+jwt", kid: key.kid, ...given };
}

export function base64url(value: unknown): string {
  const bytes =
    value instanceof Uint8Array ? value : Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  return Buffer.from(bytes).toString("base64url");
}

/** The code that a verification is refused with, or `accepted`. */
export async function outcome(verification: Promise<unknown>): Promise<ErrorCode | "accepted"> {
  try {
    await verification;
    return "accepted";
  } catch (error) {
    if (isLatchkeyError(error)) return error.code;
    throw error;
  }
}
