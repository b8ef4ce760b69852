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

/** Whom the guard let through. */
export interface Admission<User = unknown> {
  /** The verified claims; `sid` is absent where a client came on its own behalf. `undefined` only behind an optional guard. */
  readonly auth: AnyAccessTokenClaims;
  /** What `loadUser` gave. */
  readonly user: User;
  /**
   * The `Set-Cookie` values for an answer that is no error: those of an implicit refresh, or those that delete cookies which are over.
   * An answer that carries any must also say `Cache-Control: no-store`.
   */
  readonly setCookies: readonly string[];
  /** The same for an error (400 or more): deletions, and with `rotationGraceSeconds: 0` the new cookies too. */
  readonly setCookiesOnError: readonly string[];
  /** The request's `Cookie` header after an implicit refresh, for rendering on the server: ours first, every other cookie as it was sent. */
  readonly cookieHeader: string | null;
}

/** The same behind an optional guard, where nobody may be there. */
export type OptionalAdmission<User = unknown> =
  | Admission<User>
  | (Omit<Admission<User>, "auth" | "user"> & { readonly auth: undefined; readonly user: undefined });

/** Decides about requests, in every framework: adapters translate and do nothing else. */
export interface Guard<Admitted = Admission> {
  /** @throws LatchkeyError with the status and the code that the request deserves. */
  admit(request: AskingRequest, known?: GuardedRequest): Promise<Admitted>;
  /**
   * What `admit` would give, where that is certain without waiting for anything: for an access token in a header that has been
   * verified before. `undefined` is no refusal: then `admit` has to be asked. On a route that does nothing else, waiting for what is
   * known already was a third of what a guard costs.
   */
  admitAtOnce(request: AskingRequest, sent?: BodyCredentials): Admitted | undefined;
  /** The answer for what `admit` threw: the one error shape, with its challenge. */
  refuse(error: unknown): Response;
  /** Wraps a handler: what the guard refuses is answered here, and the cookies of an implicit refresh are set. */
  protect(
    handler: (request: Request, admission: Admitted) => Response | Promise<Response>,
  ): (request: Request, known?: GuardedRequest) => Promise<Response>;
}

/**
 * Makes a guard for routes of the application that holds the issuer.
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
  // These are answers of the application, whose own word on HSTS for its host they must not replace.
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
    // A second token is `admit`'s to refuse.
    if (!answersAtOnce || sent?.accessToken !== undefined) return undefined;
    const token = plainBearerToken(request.headers);
    const auth = token === undefined ? undefined : issuer.verifyRemembered(token);
    if (auth === undefined || (auth.sid === undefined && !terms.clients)) return undefined;
    refuseTokenInQuery(request.url);
    requireOfToken(auth);
    const cookieHeader = request.headers.get("cookie");
    // Only then can another guard of the request find another token.
    if (cookieHeader !== null || request.headers.has("content-type")) agreeOn(recordOf(issuer, request), auth);
    return { auth, user: undefined as User, setCookies: [], setCookiesOnError: [], cookieHeader };
  }

  /** What the guard asks for that the access token itself answers. */
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

  /** What the answer and the request carry from now on. */
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
    // Cookies are sent without being meant: where nobody need be there, those that are no longer good are nobody's.
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

  /** What only an optional guard lets through. */
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

/** What answer and request carry after a guard. */
type Carried = Pick<Admission, "setCookies" | "setCookiesOnError" | "cookieHeader">;

/** A thrown value that cookies can be kept beside. */
function asObject(thrown: unknown, { setCookiesOnError }: Carried): unknown {
  if (setCookiesOnError.length === 0 || (typeof thrown === "object" && thrown !== null)) return thrown;
  return new Error("An option of the guard threw a value that is not an error.", { cause: thrown });
}
