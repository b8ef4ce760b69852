import type { AccessTokenClaims } from "../../access-token/claims.ts";
import { LatchkeyError } from "../../errors.ts";
import type { Issuer } from "../../issuer.ts";
import { strengthOf } from "../../records/authentication-factors.ts";
import { type Session, sessionEndShown, sessionStatus } from "../../records/session.ts";
import { type Authentication, authenticate } from "../authenticate.ts";
import { withSetCookies } from "../cookies/cookie-endings.ts";
import { type Call, endpoint } from "../endpoint.ts";
import { authorizationToken } from "../request/credentials.ts";
import { isOwnOrigin } from "../request/origins.ts";
import * as schemas from "../schemas.ts";

type StateCall = Call<undefined, undefined>;

/** Why the session has ended, if the store says so. */
const reasons = ["session_revoked", "session_expired", "refresh_token_reused"] as const;
type Reason = (typeof reasons)[number];

/** Every response depends on who asks, and from where. */
const headers = { vary: "Origin, Cookie" };

/** Whether a person is signed in: what a page asks after a reload, when nothing but the cookies is left. */
export const sessionStateEndpoint = endpoint({
  method: "get",
  path: "/auth/session",
  access: "credentials",
  cookies: true,
  optionalAccessToken: true,
  headers,
  tag: "Sessions",
  summary: "Whether someone is signed in, and who",
  description:
    "For pages after a reload. Cookies that are no longer valid are not an error: the answer is `{session: null}`, with the reason if the session has ended, and the cookies are deleted. An expired access cookie is renewed if the request comes from a page of the issuer's origin or of an allowed origin. Pages of other origins get `{session: null}`. An invalid access token in `Authorization` is 401. If the state cannot be determined, the answer is 429 or 503, and the cookies are kept.",
  success: { status: 200, description: "The session, or null.", schema: schemas.sessionState },
  errors: [
    "invalid_access_token",
    "access_token_expired",
    "access_token_replaced",
    "wrong_token_type",
    "session_revoked",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "too_many_requests",
    "server_busy",
  ],
  async handle(call) {
    const { respond, request } = call;
    if (authorizationToken(request.headers) !== undefined) return byHeader(call);
    if (!comesFromHome(call)) return respond.json({ session: null, reason: null }, 200, headers);
    return byCookies(call);
  },
});

/** Whether the request may renew cookies: as far as the browser says, a page of ours or the person sent it. */
function comesFromHome({ issuer, options, request }: StateCall): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return true;
  const origin = request.headers.get("origin");
  if (origin === null || origin === "null") return false;
  const { allowedOrigins = [] } = options;
  return isOwnOrigin(origin, issuer.origin) || allowedOrigins.includes(origin);
}

/** A token that was sent on purpose must be valid, otherwise it is an error. */
async function byHeader(call: StateCall): Promise<Response> {
  const { issuer, respond } = call;
  const { auth } = await whoIs(call, "header");
  const session = await issuer.options.store.findSession(auth!.sid!);
  if (session === null) throw new LatchkeyError("session_revoked");
  const status = sessionStatus(session, issuer.options.environment.clock.now(), issuer.options);
  if (status !== "live") throw new LatchkeyError(status === "expired" ? "session_expired" : "session_revoked");
  const state = await describe(issuer, session, auth as AccessTokenClaims);
  return respond.json({ session: state }, 200, headers);
}

async function byCookies(call: StateCall): Promise<Response> {
  const { issuer, cookies } = call;
  const { auth, renewed, refusal, deletions } = await whoIs(call, "cookie");
  if (auth?.sid === undefined) return nobody(call, reasonOf(refusal), deletions);
  const csrfToken = issuer.csrfToken(auth.sid);
  const setCookies = renewed === undefined ? deletions : cookies.set(renewed, csrfToken);
  try {
    const session = await issuer.options.store.findSession(auth.sid);
    // A database that lost the session has not ended it.
    if (session === null) return nobody(call, null, setCookies);
    const status = sessionStatus(session, issuer.options.environment.clock.now(), issuer.options);
    if (status !== "live") return nobody(call, status === "expired" ? "session_expired" : "session_revoked", []);
    const state = {
      ...(await describe(issuer, session, auth)),
      ...(renewed !== undefined && { refresh_expires_in: renewed.refreshExpiresInSeconds }),
      csrf_token: csrfToken,
    };
    return call.respond.json({ session: state }, 200, headers, setCookies);
  } catch (error) {
    // Under strict rotation the old refresh cookie would count as reuse.
    throw renewed !== undefined && issuer.options.rotationGraceSeconds === 0
      ? withSetCookies(error, setCookies)
      : error;
  }
}

function nobody({ respond, cookies }: StateCall, reason: Reason | null, deletions: readonly string[]): Response {
  return respond.json({ session: null, reason }, 200, headers, reason === null ? deletions : cookies.clear());
}

function reasonOf(refusal: LatchkeyError | undefined): Reason | null {
  return reasons.find((reason) => reason === refusal?.code) ?? null;
}

function whoIs(
  { issuer, options, cookies, request, origin }: StateCall,
  location: "header" | "cookie",
): Promise<Authentication> {
  const terms = {
    locations: [location],
    implicitRefresh: true,
    allowedOrigins: options.allowedOrigins,
    publicUrl: issuer.options.issuer,
  };
  return authenticate(issuer, cookies, request, terms, origin);
}

/**
 * What a page may know. The session's end is shown as of the last full hour: to the second, it would reveal to the
 * holder of a stolen access token when the owner refreshes.
 */
async function describe(issuer: Issuer, session: Session, auth: AccessTokenClaims) {
  const now = issuer.options.environment.clock.now();
  const user = issuer.options.subjects === undefined ? await issuer.users.find(session.subject) : null;
  return {
    id: session.id,
    subject: session.subject,
    username: user?.username ?? null,
    roles: auth.roles,
    expires_in: Math.max(0, auth.exp - Math.floor(now / 1000)),
    refresh_expires_in: Math.max(0, Math.ceil((sessionEndShown(session, now, issuer.options) - now) / 1000)),
    auth_time: Math.floor(session.authTime / 1000),
    amr: session.amr ?? [],
    ...strengthOf(session.amr),
    bound: session.jkt !== null,
  };
}
