import type { AccessTokenClaims, AnyAccessTokenClaims } from "../access-token-claims.ts";
import type { PresentedWith } from "../dpop-proof.ts";
import { isLatchkeyError, LatchkeyError } from "../errors.ts";
import type { RequestContext } from "../events.ts";
import type { Issuer } from "../issuer.ts";
import type { TokenPair } from "../token-pair.ts";
import type { SessionCookies } from "./cookies.ts";
import { type AskingRequest, authorizationToken, onlyOne, queryToken, refuseTokenInQuery } from "./credentials.ts";
import { proofIn } from "./dpop.ts";
import { refuseForgery } from "./forgery.ts";

/** Where an access token may stand: `Authorization` (`Bearer`, or `DPoP` with a proof), the cookie, a JSON body's `access_token`, or `?access_token=`. */
export type TokenLocation = "header" | "cookie" | "body" | "query";

/** How a request may prove whose it is. */
export interface AuthenticationTerms {
  readonly locations: readonly TokenLocation[];
  /** Whether an access cookie that has expired, or is about to, is renewed with the refresh cookie on the spot. */
  readonly implicitRefresh: boolean;
  /** Origins beside the issuer's own whose pages may send the cookies with an unsafe request. */
  readonly allowedOrigins: readonly string[];
  /** The methods that the request counts as, of which an unsafe one asks for CSRF proof. Default: its own. */
  readonly methods?: readonly string[];
  /** Whether a client's own access token will do as well; never in a cookie. Default: false. */
  readonly clients?: boolean;
  /** What clients know the request's URL by, in front of its path; `undefined` where no access token is taken that needs a proof. */
  readonly publicUrl: string | undefined;
}

/** What a body holds beside the request, where the framework or the route has read it. */
export interface BodyCredentials {
  /** The `access_token` of a JSON body, for the location `body`. */
  readonly accessToken?: string | undefined;
  /** The `csrf_token` of a form. */
  readonly csrfToken?: string | undefined;
}

/** Whose a request is, and what an implicit refresh brought. */
export interface Authentication {
  /** `undefined` where the request brings no access token at all. */
  readonly auth: AnyAccessTokenClaims | undefined;
  /** The pair of an implicit refresh, whose cookies the answer has to set. */
  readonly renewed: TokenPair | undefined;
  /** Whether it was the cookies that spoke for the request. */
  readonly byCookie: boolean;
}

const NOBODY: Authentication = { auth: undefined, renewed: undefined, byCookie: false };

/** An access cookie with no more than this left is renewed before it fails under way; shorter lives give a tenth. */
const RENEW_WITHIN_SECONDS = 30;

/**
 * Finds the access token and verifies it. One that is sent on purpose (header, body, query) wins over the cookies, which a
 * browser sends whether they are meant or not. A bad token is refused wherever it stands.
 * @throws LatchkeyError as `Issuer.verify` and `Issuer.refresh` do, and those of {@link refuseForgery}.
 */
export async function authenticate(
  issuer: Issuer,
  cookies: SessionCookies,
  request: AskingRequest,
  terms: AuthenticationTerms,
  origin: RequestContext,
  body: BodyCredentials = {},
): Promise<Authentication> {
  const sent = sentToken(request, terms, body);
  if (sent !== undefined) {
    const { token, ...presented } = sent;
    const auth = await (terms.clients === true ? issuer.verifyAny(token, presented) : issuer.verify(token, presented));
    return { auth, renewed: undefined, byCookie: false };
  }
  if (!terms.locations.includes("cookie")) return NOBODY;

  const presented = cookies.read(request.headers);
  const forgery = { allowedOrigins: terms.allowedOrigins, formToken: body.csrfToken, methods: terms.methods };
  const current =
    presented.access === undefined
      ? undefined
      : await verifyCookie(issuer, presented.access, terms.implicitRefresh && presented.refresh !== undefined);
  if (current !== undefined) refuseForgery(issuer, request, current.sid, forgery);
  const asItIs = current === undefined ? NOBODY : { auth: current, renewed: undefined, byCookie: true };
  if (current !== undefined && !isAboutToExpire(issuer, current)) return asItIs;
  if (presented.refresh === undefined || !terms.implicitRefresh) return asItIs;

  try {
    if (current === undefined) refuseForgery(issuer, request, issuer.sessionOf(presented.refresh), forgery);
    const renewed = await issuer.refresh(presented.refresh, origin);
    return { auth: await issuer.verify(renewed.accessToken), renewed, byCookie: true };
  } catch (error) {
    // An access token that is still good is not refused because its successor could not be had just now.
    if (current !== undefined && isLatchkeyError(error) && (error.status === 429 || error.status === 503)) {
      return asItIs;
    }
    throw error;
  }
}

/** The access token that was sent on purpose, and the proof that has to go with it. */
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
        "This route asks about another request, whose URL it cannot know for certain, so it takes no access token that is bound to a key. The service that the request is for has to verify it.",
    });
  }
  return { token, dpop: proofIn(request, terms.publicUrl) };
}

/** The claims of the access cookie; `undefined` for one that has expired where the refresh cookie can stand in for it. */
async function verifyCookie(issuer: Issuer, token: string, canRenew: boolean): Promise<AccessTokenClaims | undefined> {
  try {
    return await issuer.verify(token);
  } catch (error) {
    const isStale =
      isLatchkeyError(error) && (error.code === "access_token_expired" || error.code === "access_token_replaced");
    if (isStale && canRenew) return undefined;
    throw error;
  }
}

function isAboutToExpire({ options }: Issuer, { exp }: AccessTokenClaims): boolean {
  const within = Math.min(RENEW_WITHIN_SECONDS, options.accessTtlSeconds / 10);
  return exp * 1000 - options.environment.clock.now() <= within * 1000;
}

/** @throws LatchkeyError `missing_token` where nobody is there. */
export function required({ auth }: Authentication): AnyAccessTokenClaims {
  if (auth === undefined) throw new LatchkeyError("missing_token");
  return auth;
}
