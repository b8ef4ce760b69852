import type { JsonValue } from "../json.ts";
import { randomId } from "../random-id.ts";
import { initialRotation } from "../records/rotation.ts";
import { FIRST_PARTY_CLIENT_ID, type Session, shortUserAgent } from "../records/session.ts";
import type { RequestContext } from "./events.ts";
import type { ResolvedOptions } from "./options.ts";

/** The details of a sign-in that its session stores. Those omitted are `null`, and the client is `first-party`. */
export interface NewSessionDetails {
  readonly clientId?: string | undefined;
  readonly device?: string | null | undefined;
  readonly scope?: string | null | undefined;
  readonly amr?: readonly string[] | null | undefined;
  readonly claims?: Readonly<Record<string, JsonValue>> | null | undefined;
  readonly jkt: string | null;
}

/** A session that begins at `at`, its first refresh token issued and not yet presented. */
export function newSession(
  { environment: { random }, sessionTtlSeconds }: Pick<ResolvedOptions, "environment" | "sessionTtlSeconds">,
  at: number,
  subject: string,
  details: NewSessionDetails,
  context: RequestContext,
): Session {
  const ip = context.ip ?? null;
  const userAgent = shortUserAgent(context.userAgent);
  return {
    id: randomId(random),
    subject,
    clientId: details.clientId ?? FIRST_PARTY_CLIENT_ID,
    salt: random.bytes(16),
    rotation: initialRotation(at),
    createdAt: at,
    authTime: at,
    expiresAt: at + sessionTtlSeconds * 1000,
    revokedAt: null,
    revokedFor: null,
    device: details.device ?? null,
    userAgent,
    ip,
    scope: details.scope ?? null,
    amr: details.amr ?? null,
    claims: details.claims ?? null,
    jkt: details.jkt,
    usedBefore: null,
    lastIp: ip,
    lastUserAgent: userAgent,
  };
}
