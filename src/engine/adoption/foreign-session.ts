import { createHash } from "node:crypto";
import type { Random } from "../../environment.ts";
import type { JsonValue } from "../../json.ts";
import { initialRotation } from "../../records/rotation.ts";
import { FIRST_PARTY_CLIENT_ID, type Session } from "../../records/session.ts";
import { looksLikeClientId } from "../../secrets/client-credentials.ts";
import type { PresentedRefreshToken } from "../../secrets/refresh-token.ts";
import { copyDetails, optionalText } from "../given-details.ts";

/** A sign-in that another system has opened and that is to go on here. Times are milliseconds since the Unix epoch. */
export interface ForeignSession {
  /**
   * The other system's id of the sign-in: the same for every refresh token that came from it, and different for every
   * other sign-in. If each rotation created a new row there, use the id of the first row, or of the family, not of the
   * current row. It opens one session ever: once that has ended, it stays ended, regardless of what is said about the
   * id later, even after its row was swept.
   */
  readonly id: string;
  /**
   * The `sub` of its access tokens from now on. Must be a Latchkey user's id, unless the `subjects` option names
   * another source. Always the same for one `id`, like the client: a token that names others is refused, and
   * `session.adoption_refused` reports it.
   */
  readonly subject: string;
  /** When the person last proved who they are. */
  readonly authTime: number;
  /** The absolute end, the same for every refresh token of the sign-in. It is adopted once, and no refresh moves it. */
  readonly expiresAt: number;
  /** The only client that may refresh the session. Default: `first-party`. */
  readonly clientId?: string | undefined;
  readonly device?: string | null | undefined;
  readonly userAgent?: string | null | undefined;
  readonly ip?: string | null | undefined;
  /** Space-separated (RFC 6749 section 3.3). */
  readonly scope?: string | null | undefined;
  /** Authentication methods (RFC 8176). */
  readonly amr?: readonly string[] | null | undefined;
  /** Own claims, copied into every access token of the session. A registered claim's name is refused. */
  readonly claims?: Readonly<Record<string, JsonValue>> | null | undefined;
}

/**
 * Returns the owner of a refresh token that Latchkey has not issued, or `null` if the token is not valid: unknown,
 * expired, revoked, or already replaced in the system that issued it. It must verify the token as that system did.
 */
export type ForeignRefreshTokens = (refreshToken: string) => Promise<ForeignSession | null>;

const DOMAIN_LABEL = "latchkey foreign session v1\0";

// Every refresh token of a foreign session counts as the one that a sign-in issues: issued, not yet presented.
const FOREIGN_GENERATION = 1;

// No correct clock has shown such a time since 1973; a time in seconds is this small.
const LEAST_MILLISECONDS = 1e11;

/**
 * The id of the session that continues a foreign one. It follows from the foreign id alone and from no secret: were it
 * another once the root secret has changed, a token that had ended its session by reuse could open a second one.
 */
export function foreignSessionId(id: string): string {
  return createHash("sha256").update(DOMAIN_LABEL).update(id).digest().subarray(0, 16).toString("base64url");
}

/** What a foreign session's refresh token refers to: the first generation of the session that continues it. */
export function asPresented(foreign: ForeignSession): PresentedRefreshToken {
  // There is no MAC to check: the application that verified the foreign token has vouched for it.
  return { sessionId: foreignSessionId(foreign.id), generation: FOREIGN_GENERATION, isAuthentic: () => true };
}

/**
 * The session that continues a foreign one, as if it had been opened here and its first refresh token had not been
 * used.
 */
export function sessionOfForeign(foreign: ForeignSession, now: number, random: Random): Session {
  return {
    id: foreignSessionId(foreign.id),
    subject: foreign.subject,
    clientId: foreign.clientId ?? FIRST_PARTY_CLIENT_ID,
    salt: random.bytes(16),
    rotation: initialRotation(now),
    createdAt: foreign.authTime,
    authTime: foreign.authTime,
    expiresAt: foreign.expiresAt,
    revokedAt: null,
    revokedFor: null,
    device: foreign.device ?? null,
    userAgent: foreign.userAgent?.slice(0, 256) ?? null,
    ip: foreign.ip ?? null,
    scope: foreign.scope ?? null,
    amr: foreign.amr ?? null,
    claims: foreign.claims ?? null,
    jkt: null,
    usedBefore: null,
    lastIp: foreign.ip ?? null,
    lastUserAgent: foreign.userAgent?.slice(0, 256) ?? null,
  };
}

/**
 * A copy of what the application passed as a foreign session, each part read once and checked as it was read.
 * @throws TypeError saying what is wrong with it.
 */
export function readForeignSession(given: ForeignSession): ForeignSession {
  const { id, subject, authTime, expiresAt, userAgent, ip, ...details } = given;
  const required = { id, subject, authTime, expiresAt };
  const problem = problemOf(required);
  if (problem !== undefined) throw new TypeError(`A foreign session ${problem}.`);
  return {
    ...required,
    ...copyDetails(details),
    userAgent: optionalText("userAgent", userAgent),
    ip: optionalText("ip", ip),
  };
}

function problemOf({
  id,
  subject,
  authTime,
  expiresAt,
}: Pick<ForeignSession, "id" | "subject" | "authTime" | "expiresAt">): string | undefined {
  if (!isText(id)) return "requires an 'id', a string of 1 to 1,024 characters";
  if (!isText(subject)) return "requires a 'subject', a string of 1 to 1,024 characters";
  if (looksLikeClientId(subject)) return "belongs to a person, so its 'subject' cannot be a client's id";
  if (!isMilliseconds(authTime)) return "requires an 'authTime' in milliseconds since the Unix epoch";
  if (!isMilliseconds(expiresAt)) return "requires an 'expiresAt' in milliseconds since the Unix epoch";
  return undefined;
}

function isText(value: unknown): boolean {
  // Two lone surrogates have the same bytes, so two ids with them would become one session.
  return typeof value === "string" && value !== "" && value.length <= 1024 && !/[\p{Surrogate}\0]/u.test(value);
}

function isMilliseconds(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= LEAST_MILLISECONDS;
}
