import { looksLikeRefreshToken } from "../../access-token/token-kinds.ts";
import { isLatchkeyError, LatchkeyError } from "../../errors.ts";
import { isSessionId } from "../../records/session.ts";
import { deletedCookies, withSetCookies } from "../cookies/cookie-endings.ts";
import { hidesOwnOrigin, refuseCrossSite, refuseForgery } from "../csrf.ts";
import { type Call, endpoint } from "../endpoint.ts";
import { authorizationToken, bearerToken, onlyOne } from "../request/credentials.ts";
import { proofToBind, refuseProofForCookies } from "../request/dpop.ts";
import { withCookies } from "../respond.ts";
import * as schemas from "../schemas.ts";
import { answerPair } from "../token-pair-response.ts";

/** Refresh, log out, see one's sessions and end one. */
export const sessionEndpoints = [
  endpoint({
    method: "post",
    path: "/auth/refresh",
    access: "credentials",
    cookies: true,
    dpop: "binds",
    tag: "Sessions",
    summary: "Exchange the refresh token for a new pair",
    description:
      "Send the refresh token in the body, as a bearer token or in its cookie. The answer comes the same way. If the body or a cookie holds a refresh token, anything else in `Authorization` is ignored. A repeated request returns the same successor, so a client can simply retry after a lost response.",
    body: { format: "json", schema: schemas.refresh, optional: true },
    success: { status: 200, description: "The next pair.", schema: schemas.pairOrCookies },
    errors: [
      "invalid_refresh_token",
      "refresh_token_reused",
      "session_revoked",
      "session_expired",
      "wrong_token_type",
      "too_many_requests",
    ],
    async handle(call) {
      const { issuer, options, cookies, request, body, origin } = call;
      const { refresh } = cookies.read(request.headers);
      const sent = sentToRefresh(request.headers, body?.refresh_token, refresh !== undefined);
      if (sent !== undefined) {
        const dpop = proofToBind(request, issuer.options.issuer);
        return answerPair(call, await issuer.refresh(sent, origin, { dpop }), "body");
      }
      if (refresh === undefined) {
        throw new LatchkeyError("invalid_request", {
          description:
            'A refresh token is required: as JSON {"refresh_token": "…"}, or as \'Authorization: Bearer …\'.',
        });
      }
      try {
        refuseForgery(issuer, request, issuer.sessions.idOf(refresh), { allowedOrigins: options.allowedOrigins });
        refuseProofForCookies(request);
        return answerPair(call, await issuer.refresh(refresh, origin), "cookie");
      } catch (error) {
        const presented = { access: undefined, refresh };
        throw withSetCookies(error, deletedCookies(cookies, { presented, refreshError: error, accessIsGood: true }));
      }
    },
  }),
  endpoint({
    method: "post",
    path: "/auth/logout",
    access: "credentials",
    cookies: true,
    tag: "Sessions",
    summary: "Log out",
    description:
      "Accepts either token in the body; otherwise the one in `Authorization` if it is known here, expired or not; otherwise the cookies, with the CSRF token. The cookies are deleted. Idempotent: an unknown token gets the same answer.",
    body: { format: "json", schema: schemas.logout, optional: true },
    success: { status: 204, description: "The session has ended, if one existed." },
    endsSession: true,
    async handle(call) {
      const { issuer, respond, request, body, origin } = call;
      onlyOne(body?.refresh_token, refreshTokenIn(request.headers));
      const inBody = body?.refresh_token ?? body?.access_token;
      const inHeader = inBody === undefined ? authorizationToken(request.headers)?.token : undefined;
      if (inHeader !== undefined && (await issuer.logout(inHeader, origin))) return respond.noContent();
      const token = inBody ?? (await cookieToLogOut(call));
      if (token !== undefined) await issuer.logout(token, origin);
      return respond.noContent();
    },
  }),
  endpoint({
    method: "post",
    path: "/auth/logout-all",
    access: "access_token",
    tag: "Sessions",
    summary: "Log out everywhere",
    description: "Ends every session of the person, including this one, and deletes its cookies.",
    success: { status: 204, description: "Every session of the person has ended, including this one." },
    endsSession: true,
    async handle({ issuer, respond, auth, origin }) {
      await issuer.logoutAll(auth.sub, origin);
      return respond.noContent();
    },
  }),
  endpoint({
    method: "get",
    path: "/auth/sessions",
    access: "access_token",
    tag: "Sessions",
    summary: "List one's sessions",
    description:
      "Where and since when the person is signed in, so that they can recognise sessions that are not theirs.",
    success: { status: 200, description: "The live sessions, newest first.", schema: schemas.sessionList },
    async handle({ issuer, respond, auth }) {
      const sessions = await issuer.sessions.list(auth.sub);
      return respond.json({
        sessions: sessions.map((session) => {
          const { lastUsedAt, expiresAt } = issuer.sessions.timesShown(session);
          return {
            id: session.id,
            device: session.device,
            user_agent: session.userAgent,
            ip: session.ip,
            created_at: instant(session.createdAt),
            last_used_at: instant(lastUsedAt),
            expires_at: instant(expiresAt),
            current: session.id === auth.sid,
          };
        }),
      });
    },
  }),
  endpoint({
    method: "delete",
    path: "/auth/sessions/{id}",
    access: "access_token",
    tag: "Sessions",
    summary: "End one of the person's sessions",
    description: "Its tokens are refused from then on. Another person's session is not found.",
    success: { status: 204, description: "That session has ended." },
    errors: ["not_found"],
    async handle({ issuer, respond, cookies, auth, byCookie, origin, param }) {
      const id = param("id");
      if (!isSessionId(id)) throw new LatchkeyError("not_found");
      await issuer.sessions.revoke(id, { ofSubject: auth.sub }, origin);
      const endsOwn = byCookie && id === auth.sid;
      return withCookies(respond.noContent(), endsOwn ? cookies.clear() : []);
    },
  }),
];

function instant(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** The refresh token in `Authorization`, recognised by its form, with any scheme. */
function refreshTokenIn(headers: Headers): string | undefined {
  const token = authorizationToken(headers)?.token;
  return token !== undefined && looksLikeRefreshToken(token) ? token : undefined;
}

/**
 * The token to refresh if it is not the cookie. Interceptors put an access token, or `null`, into the `Authorization`
 * of every request: if the body or cookie has a refresh token, a header value that is not one is ignored.
 */
function sentToRefresh(headers: Headers, inBody: string | undefined, hasCookie: boolean): string | undefined {
  const sent = onlyOne(inBody, refreshTokenIn(headers));
  if (inBody !== undefined) return inBody;
  return sent === undefined && hasCookie ? undefined : bearerToken(headers);
}

/**
 * The cookie whose session is to end, once the request has shown that a page of ours sent it. Cookies that name no session
 * are no reason to keep them; but another site must not be able to have them deleted.
 */
async function cookieToLogOut({
  issuer,
  options,
  cookies,
  request,
}: Call<unknown, unknown>): Promise<string | undefined> {
  const { allowedOrigins = [] } = options;
  const ownOrigin = issuer.origin;
  if (!hidesOwnOrigin(request)) refuseCrossSite(request, ownOrigin, allowedOrigins);
  const { access, refresh } = cookies.read(request.headers);
  for (const [token, sessionOf] of [
    [refresh, async (text: string) => issuer.sessions.idOf(text)],
    [access, (text: string) => issuer.sessions.idToEnd(text)],
  ] as const) {
    const sessionId = token && (await unlessRefused(() => sessionOf(token)));
    if (sessionId === undefined) continue;
    refuseForgery(issuer, request, sessionId, { allowedOrigins });
    return token;
  }
  // No CSRF token of a session has proved where this comes from.
  refuseCrossSite(request, ownOrigin, allowedOrigins);
  return undefined;
}

/** What there is, or `undefined` where the token is refused for what it is. */
async function unlessRefused(ask: () => Promise<string>): Promise<string | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isLatchkeyError(error) && error.status === 401) return undefined;
    throw error;
  }
}
