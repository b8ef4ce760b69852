import type { AnyAccessTokenClaims } from "../../access-token/claims.ts";
import { isLatchkeyError, LatchkeyError } from "../../errors.ts";
import type { Issuer } from "../../issuer.ts";
import { type Authentication, authenticate, authenticatedOrThrow, type BodyCredentials } from "../authenticate.ts";
import { carryingCookies, settingCookies } from "../cookies/carried-cookies.ts";
import { setCookiesOf, withSetCookies } from "../cookies/cookie-endings.ts";
import { createSessionCookies } from "../cookies/cookies.ts";
import { errorResponse } from "../error-response.ts";
import { type AskingRequest, plainBearerToken, refuseTokenInQuery } from "../request/credentials.ts";
import { inSchemeOf, nonceHeader } from "../request/dpop.ts";
import { agreeOn, recordOf } from "../request/request-record.ts";
import { createResponder, withCookies } from "../respond.ts";
import { asksForAny, type GuardOptions, resolveGuardOptions } from "./guard-options.ts";
import { requireFresh, requirePolicy, requireRoles, requireScopes } from "./require-claims.ts";

export type { GuardOptions } from "./guard-options.ts";

/** What only the caller of a guard knows. */
export interface GuardedRequest extends BodyCredentials {
  /** The client's address, for events and throttling. */
  readonly ip?: string | null | undefined;
  /** What the policy is asked about. */
  readonly resource?: unknown;
}

/** What the guard admitted. */
export interface Admission<User = unknown> {
  /**
   * The verified claims; `sid` is absent if a client acts on its own behalf. `undefined` only behind an optional guard.
   */
  readonly auth: AnyAccessTokenClaims;
  /** What `loadUser` returned. */
  readonly user: User;
  /**
   * The `Set-Cookie` values for a response that is not an error: those of an implicit refresh, or those that delete
   * cookies of an ended session. A response that carries any of them must also send `Cache-Control: no-store`.
   */
  readonly setCookies: readonly string[];
  /** The same for an error (400 or more): deletions, and with `rotationGraceSeconds: 0` the new cookies too. */
  readonly setCookiesOnError: readonly string[];
  /**
   * The request's `Cookie` header after an implicit refresh, for server-side rendering: Latchkey's cookies first, then
   * every other cookie as it was sent.
   */
  readonly cookieHeader: string | null;
}

/** The same behind an optional guard, where there may be no subject. */
export type OptionalAdmission<User = unknown> =
  | Admission<User>
  | (Omit<Admission<User>, "auth" | "user"> & { readonly auth: undefined; readonly user: undefined });

/** Decides about requests, for every framework: adapters only translate. */
export interface Guard<Admitted = Admission> {
  /** @throws LatchkeyError with the status and the code for the response. */
  admit(request: AskingRequest, known?: GuardedRequest): Promise<Admitted>;
  /**
   * What `admit` would return, if that is certain without waiting: for an access token in a header that has been
   * verified before. `undefined` is not a refusal: call `admit` then. On a route that does nothing else, waiting for a
   * result that was already known was a third of a guard's cost.
   */
  admitAtOnce(request: AskingRequest, sent?: BodyCredentials): Admitted | undefined;
  /** The response for what `admit` threw: the one error format, with its challenge. */
  refuse(error: unknown): Response;
  /** Wraps a handler: it answers the requests that the guard refuses, and sets the cookies of an implicit refresh. */
  protect(
    handler: (request: Request, admission: Admitted) => Response | Promise<Response>,
  ): (request: Request, known?: GuardedRequest) => Promise<Response>;
}

/**
 * Creates a guard for routes of the application that runs the issuer.
 * @throws TypeError naming an option that is unknown or wrong.
 * @example
 * ```ts
 * import { createGuard } from "latchkey";
 *
 * const guard = createGuard(issuer, { role: "editor", loadUser: async ({ sub }) => ({ id: sub }) });
 * const handler = guard.protect((_request, { auth, user }) => Response.json({ roles: auth.roles, id: user.id }));
 * ```
 */
export function createGuard<User = undefined>(
  issuer: Issuer,
  options: GuardOptions<User> & { readonly optional: true },
): Guard<OptionalAdmission<User>>;
export function createGuard<User = undefined>(issuer: Issuer, options?: GuardOptions<User>): Guard<Admission<User>>;
export function createGuard<User>(issuer: Issuer, given: GuardOptions<User> = {}): Guard<Admission<User>> {
  const options = resolveGuardOptions(given);
  const cookies = createSessionCookies(issuer.options);
  // These are the application's responses: they must not replace its own HSTS setting for its host.
  const respond = createResponder(undefined);
  const { locations, implicitRefresh, allowedOrigins, role: roles, scope: scopes, policy: policies } = options;
  const publicUrl = options.publicUrl ?? issuer.origin;
  const terms = { locations, implicitRefresh, allowedOrigins, clients: asksForAny(scopes), publicUrl };

  const asksOnlyTheToken = options.isRevoked === undefined && options.loadUser === undefined && policies.length === 0;
  const answersAtOnce = asksOnlyTheToken && locations.includes("header") && !locations.includes("query");

  async function admit(request: AskingRequest, known?: GuardedRequest): Promise<Admission<User>> {
    try {
      return await decide(request, known);
    } catch (error) {
      throw withSetCookies(inSchemeOf(request.headers, error), setCookiesOf(error));
    }
  }

  function admitAtOnce(request: AskingRequest, sent?: BodyCredentials): Admission<User> | undefined {
    // A second token is refused by `admit`.
    if (!answersAtOnce || sent?.accessToken !== undefined) return undefined;
    const token = plainBearerToken(request.headers);
    const auth = token === undefined ? undefined : issuer.verifyRemembered(token);
    if (auth === undefined || (auth.sid === undefined && !terms.clients)) return undefined;
    refuseTokenInQuery(request.url);
    requireOfToken(auth);
    const cookieHeader = request.headers.get("cookie");
    // Only in this case can another guard of the same request find another token.
    if (cookieHeader !== null || request.headers.has("content-type")) agreeOn(recordOf(issuer, request), auth);
    return { auth, user: undefined as User, setCookies: [], setCookiesOnError: [], cookieHeader };
  }

  /** The guard's requirements that the access token alone can answer. */
  function requireOfToken(auth: AnyAccessTokenClaims): void {
    if (options.freshForSeconds !== undefined)
      requireFresh(auth, options.freshForSeconds, issuer.options.environment.clock.now());
    requireRoles(auth, roles);
    requireScopes(auth, scopes);
  }

  async function decide(request: AskingRequest, known: GuardedRequest = {}): Promise<Admission<User>> {
    const origin = {
      ip: known.ip ?? null,
      userAgent: request.headers.get("user-agent"),
      isAbandoned: () => request.signal?.aborted === true,
    };
    const authentication = await authenticate(issuer, cookies, request, terms, origin, known);
    const carried = carriedBy(request, authentication);
    try {
      const admitted = await decideOf(authentication, known.resource);
      return { ...admitted, ...carried };
    } catch (error) {
      throw withSetCookies(asObject(error, carried), carried.setCookiesOnError);
    }
  }

  /** What the response and the request carry from now on. */
  function carriedBy(request: AskingRequest, { renewed, deletions }: Authentication): Carried {
    const cookieHeader = request.headers.get("cookie");
    if (renewed === undefined) return { setCookies: deletions, setCookiesOnError: deletions, cookieHeader };
    const csrfToken = issuer.csrfToken(renewed.sessionId);
    const setCookies = cookies.set(renewed, csrfToken);
    return {
      setCookies,
      // Under strict rotation the old refresh cookie would count as reuse.
      setCookiesOnError: issuer.options.rotationGraceSeconds === 0 ? setCookies : [],
      cookieHeader: cookies.replacedIn(request.headers, renewed, csrfToken),
    };
  }

  async function decideOf(
    authentication: Authentication,
    resource: unknown,
  ): Promise<Pick<Admission<User>, "auth" | "user">> {
    if (authentication.auth === undefined && options.optional) return nobody();
    const auth = authenticatedOrThrow(authentication);
    // Browsers send cookies on their own: where no subject is required, cookies that are no longer valid count as
    // absent.
    const isLenient = options.optional && authentication.byCookie;
    if (await options.isRevoked?.(auth)) {
      if (isLenient) return nobody();
      throw new LatchkeyError("session_revoked");
    }
    requireOfToken(auth);
    await requirePolicy(policies, { auth, action: options.action, resource });
    if (options.loadUser === undefined) return { auth, user: undefined as User };
    const user = await options.loadUser(auth);
    if (user !== null && user !== undefined) return { auth, user };
    if (isLenient) return nobody();
    throw new LatchkeyError("invalid_access_token", { detail: "'loadUser' found nobody." });
  }

  /** What only an optional guard admits. */
  function nobody(): Pick<Admission<User>, "auth" | "user"> {
    return { auth: undefined, user: undefined } as unknown as Pick<Admission<User>, "auth" | "user">;
  }

  const refuse = (error: unknown) => {
    const asksForNonce = isLatchkeyError(error) && error.code === "use_dpop_nonce";
    const answer = errorResponse(respond, error, "latchkey", asksForNonce ? nonceHeader(issuer.dpopNonce()) : {});
    return withCookies(answer, setCookiesOf(error));
  };
  return {
    admit,
    admitAtOnce,
    refuse,
    protect: (handler) => async (request, known) => {
      let admission: Admission<User>;
      try {
        admission = admitAtOnce(request, known) ?? (await admit(request, known));
      } catch (error) {
        return refuse(error);
      }
      const response = await handler(carryingCookies(request, admission), admission);
      return settingCookies(response, response.status < 400 ? admission.setCookies : admission.setCookiesOnError);
    },
  };
}

/** What the response and the request carry after a guard. */
type Carried = Pick<Admission, "setCookies" | "setCookiesOnError" | "cookieHeader">;

/** A thrown value that cookies can be stored with. */
function asObject(thrown: unknown, { setCookiesOnError }: Carried): unknown {
  if (setCookiesOnError.length === 0 || (typeof thrown === "object" && thrown !== null)) return thrown;
  return new Error("An option of the guard threw a value that is not an error.", { cause: thrown });
}
