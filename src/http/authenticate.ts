import { type AccessTokenClaims, type AnyAccessTokenClaims, ofPerson } from "../access-token/claims.ts";
import type { PresentedWith } from "../access-token/dpop-proof.ts";
import type { RequestContext } from "../engine/events.ts";
import type { TokenPair } from "../engine/token-pair.ts";
import { isLatchkeyError, LatchkeyError } from "../errors.ts";
import type { Issuer } from "../issuer.ts";
import { deletedCookies, hasEnded, withSetCookies } from "./cookies/cookie-endings.ts";
import type { SessionCookies } from "./cookies/cookies.ts";
import { refuseForgery } from "./csrf.ts";
import {
  type AskingRequest,
  authorizationToken,
  onlyOne,
  queryToken,
  refuseTokenInQuery,
} from "./request/credentials.ts";
import { proofIn } from "./request/dpop.ts";
import { agreeOn, type RequestRecord, recordOf } from "./request/request-record.ts";

/**
 * Where an access token may appear: `Authorization` (`Bearer`, or `DPoP` with a proof), the cookie, a JSON body's
 * `access_token`, or `?access_token=`.
 */
export type TokenLocation = "header" | "cookie" | "body" | "query";

/** How a request may authenticate. */
export interface AuthenticationTerms {
  readonly locations: readonly TokenLocation[];
  /**
   * Whether an access cookie that has expired, or is about to, is renewed with the refresh cookie during the request.
   */
  readonly implicitRefresh: boolean;
  /** Origins, in addition to the issuer's own, whose pages may send the cookies with an unsafe request. */
  readonly allowedOrigins: readonly string[];
  /** The methods that the request counts as; an unsafe one requires CSRF proof. Default: its own. */
  readonly methods?: readonly string[];
  /** Whether a client's own access token is also accepted; never in a cookie. Default: false. */
  readonly clients?: boolean;
  /**
   * The part of the request's URL before its path, as clients know it; `undefined` if no access token that requires a
   * proof is accepted.
   */
  readonly publicUrl: string | undefined;
}

/** The credentials in a body, if the framework or the route has read it. */
export interface BodyCredentials {
  /** The `access_token` of a JSON body, for the location `body`. */
  readonly accessToken?: string | undefined;
  /** The `csrf_token` of a form. */
  readonly csrfToken?: string | undefined;
}

/** Whose request it is, and the result of an implicit refresh. */
export interface Authentication {
  /** `undefined` if the request has no access token at all, or cookies that are no longer valid. */
  readonly auth: AnyAccessTokenClaims | undefined;
  /** The pair of an implicit refresh, whose cookies the response must set. */
  readonly renewed: TokenPair | undefined;
  /** Whether the request was authenticated by cookies. */
  readonly byCookie: boolean;
  /** Why the request's cookies authenticate no one: for {@link authenticatedOrThrow} to throw. */
  readonly refusal: LatchkeyError | undefined;
  /**
   * The `Set-Cookie` values that delete cookies of an ended session. They are sent with every response, errors
   * included.
   */
  readonly deletions: readonly string[];
}

/** The result for a request without any credential. */
export const NOBODY: Authentication = {
  auth: undefined,
  renewed: undefined,
  byCookie: false,
  refusal: undefined,
  deletions: [],
};

/**
 * An access cookie with no more than this time left is renewed before it expires during a request; for shorter
 * lifetimes it is a tenth.
 */
const RENEW_WITHIN_SECONDS = 30;

/**
 * Finds the access token and verifies it. A token sent on purpose (header, body, query) takes precedence over the
 * cookies, which a browser always sends, and an invalid one is refused. Invalid cookies authenticate no one, and an
 * invalid access cookie does not prevent the refresh cookie from being used. What one guard has found out about a
 * request is reused by the next.
 * @throws LatchkeyError as `Issuer.verify` does, for results that cannot be known now (429, 503), and those of
 *   {@link refuseForgery}.
 */
export async function authenticate(
  issuer: Issuer,
  cookies: SessionCookies,
  request: AskingRequest,
  terms: AuthenticationTerms,
  origin: RequestContext,
  body: BodyCredentials = {},
): Promise<Authentication> {
  const record = recordOf(issuer, request);
  const sent = sentToken(request, terms, body);
  const found =
    sent !== undefined
      ? { ...NOBODY, auth: await verifySent(issuer, sent, terms, record) }
      : terms.locations.includes("cookie")
        ? await byCookies({ issuer, cookies, request, terms, origin, body, record })
        : NOBODY;
  if (found.auth !== undefined) agreeOn(record, found.auth);
  return found;
}

async function verifySent(
  issuer: Issuer,
  { token, ...presented }: PresentedWith & { readonly token: string },
  { clients = false, publicUrl }: AuthenticationTerms,
  record: RequestRecord,
): Promise<AnyAccessTokenClaims> {
  if (presented.dpop !== undefined && record.proved?.token === token && record.proved.publicUrl === publicUrl) {
    const again = await issuer.introspect(token);
    if (!again.active || again.kind !== "access_token") throw new LatchkeyError("invalid_access_token");
    return clients ? again.claims : ofPerson(again.claims);
  }
  const auth = await (clients ? issuer.verifyAny(token, presented) : issuer.verify(token, presented));
  if (presented.dpop !== undefined) record.proved = { token, publicUrl };
  return auth;
}

interface CookieQuestion {
  readonly issuer: Issuer;
  readonly cookies: SessionCookies;
  readonly request: AskingRequest;
  readonly terms: AuthenticationTerms;
  readonly origin: RequestContext;
  readonly body: BodyCredentials;
  readonly record: RequestRecord;
}

async function byCookies(question: CookieQuestion): Promise<Authentication> {
  const { issuer, cookies, request, terms, record } = question;
  if (record.renewed !== undefined) return asRenewed(question, record.renewed);
  const presented = cookies.read(request.headers);
  const { access, refresh } = presented;
  const { current, refusal } = await verifyCookie(issuer, access);
  if (current !== undefined) refuseForgedBy(question, current.sid);

  const asItIs = (): Authentication => ({
    ...NOBODY,
    auth: current,
    byCookie: current !== undefined,
    refusal,
    deletions: deletedCookies(cookies, { presented, accessIsGood: current !== undefined }),
  });
  if (current !== undefined && !isAboutToExpire(issuer, current)) return asItIs();
  if (refresh === undefined || !(terms.implicitRefresh || record.renewal !== undefined)) return asItIs();

  try {
    const sessionId = issuer.sessions.idOf(refresh);
    if (current === undefined) refuseForgedBy(question, sessionId);
    // Of two sessions, the one with the valid access token authenticates the request, as it did a minute ago.
    else if (current.sid !== sessionId) return asItIs();
    return await asRenewed(question, await renewOnce(question, refresh), { isNew: true });
  } catch (error) {
    // An access token that is still valid is not refused because its successor could not be obtained just now.
    if (current !== undefined && isLatchkeyError(error) && !hasEnded(error)) return asItIs();
    return {
      ...NOBODY,
      refusal: onlyRefusal(error),
      deletions: deletedCookies(cookies, { presented, refreshError: error }),
    };
  }
}

/** One refresh for a request, however many guards it passes; they share its failure as well. */
function renewOnce({ issuer, origin, record }: CookieQuestion, refreshToken: string): Promise<TokenPair> {
  record.renewal ??= issuer.refresh(refreshToken, origin).then((pair) => {
    record.renewed = pair;
    return pair;
  });
  return record.renewal;
}

/**
 * The request as authenticated by its new cookies. It is verified for each guard: a request may be open for a long
 * time.
 */
async function asRenewed(
  question: CookieQuestion,
  renewed: TokenPair,
  { isNew = false } = {},
): Promise<Authentication> {
  const { current, refusal } = await verifyCookie(question.issuer, renewed.accessToken);
  if (!isNew) refuseForgedBy(question, renewed.sessionId);
  return { ...NOBODY, auth: current, renewed, byCookie: current !== undefined, refusal };
}

/**
 * The claims of an access cookie, or why it is refused. @throws errors that are not refusals: the result cannot be
 * known now.
 */
async function verifyCookie(
  issuer: Issuer,
  token: string | undefined,
): Promise<{ readonly current: AccessTokenClaims | undefined; readonly refusal: LatchkeyError | undefined }> {
  if (token === undefined) return { current: undefined, refusal: undefined };
  try {
    return { current: await issuer.verify(token), refusal: undefined };
  } catch (error) {
    return { current: undefined, refusal: onlyRefusal(error) };
  }
}

function onlyRefusal(error: unknown): LatchkeyError {
  if (isLatchkeyError(error) && error.status === 401) return error;
  throw error;
}

function refuseForgedBy({ issuer, request, terms, body }: CookieQuestion, sessionId: string): void {
  const { allowedOrigins, methods } = terms;
  refuseForgery(issuer, request, sessionId, { allowedOrigins, formToken: body.csrfToken, methods });
}

/** The access token that was sent on purpose, and the proof that must accompany it. */
export function sentToken(
  request: AskingRequest,
  terms: Pick<AuthenticationTerms, "locations" | "publicUrl">,
  body: BodyCredentials = {},
): (PresentedWith & { readonly token: string }) | undefined {
  const isAllowed = (location: TokenLocation) => terms.locations.includes(location);
  if (!isAllowed("query")) refuseTokenInQuery(request.url);
  const authorization = isAllowed("header") ? authorizationToken(request.headers) : undefined;
  const token = onlyOne(
    authorization?.token,
    isAllowed("body") ? body.accessToken : undefined,
    isAllowed("query") ? queryToken(request.url) : undefined,
  );
  if (token === undefined || authorization?.scheme !== "DPoP") return token === undefined ? undefined : { token };
  if (terms.publicUrl === undefined) {
    throw new LatchkeyError("invalid_access_token", {
      description:
        "This endpoint accepts no access token that is bound to a key, because it cannot know the URL of the proxied request for certain. The service that receives the request must verify the token.",
    });
  }
  return { token, dpop: proofIn(request, terms.publicUrl) };
}

function isAboutToExpire({ options }: Issuer, { exp }: AccessTokenClaims): boolean {
  const within = Math.min(RENEW_WITHIN_SECONDS, options.accessTtlSeconds / 10);
  return exp * 1000 - options.environment.clock.now() <= within * 1000;
}

/**
 * @throws LatchkeyError `missing_token` if no one is authenticated, or why the cookies were refused; the response
 *   deletes those of an ended session.
 */
export function authenticatedOrThrow({ auth, refusal, deletions }: Authentication): AnyAccessTokenClaims {
  if (auth !== undefined) return auth;
  throw withSetCookies(refusal ?? new LatchkeyError("missing_token"), deletions);
}
