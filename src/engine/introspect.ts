import { type AnyAccessTokenClaims, revokedWith } from "../access-token/claims.ts";
import { looksLikeRefreshToken } from "../access-token/token-kinds.ts";
import { isLatchkeyError } from "../errors.ts";
import { type Session, sessionEndShown } from "../records/session.ts";
import { parseRefreshToken } from "../secrets/refresh-token.ts";
import type { EngineParts } from "./engine.ts";
import { refreshPolicy } from "./refresh.ts";
import { wouldBeAnswered } from "./refresh-decision.ts";
import { subjectStates } from "./subjects.ts";

/** The details of a token (RFC 7662 section 2.2). There are none for a token that is not valid. */
export type Introspection =
  | { readonly active: false }
  | { readonly active: true; readonly kind: "access_token"; readonly claims: AnyAccessTokenClaims }
  | {
      readonly active: true;
      readonly kind: "refresh_token";
      readonly session: Session;
      /**
       * When the session ends if it is not refreshed before, as of the last full hour, in milliseconds since the Unix
       * epoch.
       */
      readonly expiresAt: number;
    };

/** Who requests the introspection. */
export interface IntrospectRequest {
  /**
   * Only this client's refresh tokens count as valid, since no other client could use them. Default: everybody's do.
   */
  readonly clientId?: string | undefined;
}

const INACTIVE: Introspection = Object.freeze({ active: false });

/**
 * Returns whether a token is valid now. It reads the store, so that what another process has just revoked is known.
 * @param verify the issuer's own verification of access tokens.
 */
export function createIntrospect(
  engine: EngineParts,
  verify: (accessToken: string) => Promise<AnyAccessTokenClaims>,
): (token: string, request?: IntrospectRequest) => Promise<Introspection> {
  const { options, store, rootKeys, now } = engine;
  const policy = refreshPolicy(options);

  async function ofAccessToken(token: string): Promise<Introspection> {
    try {
      const claims = await verify(token);
      return (await isInForce(claims)) ? { active: true, kind: "access_token", claims } : INACTIVE;
    } catch (error) {
      if (isLatchkeyError(error) && error.status === 401) return INACTIVE;
      throw error;
    }
  }

  async function isInForce(claims: AnyAccessTokenClaims): Promise<boolean> {
    if (claims.sid !== undefined) return (await store.findSession(claims.sid))?.revokedAt === null;
    const client = await store.findClient(claims.client_id);
    return client?.disabledAt === null && client.grantId === revokedWith(claims);
  }

  async function ofRefreshToken(text: string, { clientId }: IntrospectRequest): Promise<Introspection> {
    const token = parseRefreshToken(text, rootKeys);
    const session = token === undefined ? null : await store.findSession(token.sessionId);
    if (token === undefined || session === null) return INACTIVE;
    const user = policy.subjectsAreUsers ? await store.findUser(session.subject) : null;
    const request = { token, clientId: clientId ?? session.clientId, jkt: session.jkt ?? undefined };
    if (!wouldBeAnswered({ session, user }, request, now(), policy)) return INACTIVE;
    if (!policy.subjectsAreUsers && !(await subjectStates(engine, [session.subject])).has(session.subject)) {
      return INACTIVE;
    }
    return { active: true, kind: "refresh_token", session, expiresAt: sessionEndShown(session, now(), options) };
  }

  return (token, request = {}) =>
    looksLikeRefreshToken(token) ? ofRefreshToken(token, request) : ofAccessToken(token);
}
