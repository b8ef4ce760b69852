import type { AnyAccessTokenClaims } from "../../access-token/claims.ts";
import { isLatchkeyError, LatchkeyError } from "../../errors.ts";
import type { Issuer } from "../../issuer.ts";
import { unknownNames } from "../../option-names.ts";
import {
  type Authentication,
  authenticate,
  authenticatedOrThrow,
  type BodyCredentials,
  type TokenLocation,
} from "../authenticate.ts";
import { carryingCookies, settingCookies } from "../cookies/carried-cookies.ts";
import { setCookiesOf, withSetCookies } from "../cookies/cookie-endings.ts";
import { createSessionCookies } from "../cookies/cookies.ts";
import { errorResponse } from "../error-response.ts";
import { type AskingRequest, plainBearerToken, refuseTokenInQuery } from "../request/credentials.ts";
import { inSchemeOf, nonceHeader } from "../request/dpop.ts";
import { agreeOn, recordOf } from "../request/request-record.ts";
import { createResponder, withCookies } from "../respond.ts";
import {
  type Policy,
  type Required,
  requireFresh,
  requirePolicy,
  requireRoles,
  requireScopes,
} from "./require-claims.ts";

/** Whom a guard lets through. Everything that is named must hold. */
export interface GuardOptions<User = unknown> {
  /** Where the access token may stand. Default: header and cookie. `query` only for WebSocket handshakes: URLs end up in logs. */
  readonly locations?: readonly TokenLocation[] | undefined;
  /** Lets a request without an access token pass, with no subject, and one whose cookies are no longer good. A bad token that was sent on purpose (header, body, query) is still refused. Default: false. */
  readonly optional?: boolean | undefined;
  /** Takes only the access token of a login or a reauthentication no longer ago than this. */
  readonly freshForSeconds?: number | undefined;
  /** Roles of the subject: one, or all and any of several. */
  readonly role?: string | Required | undefined;
  /**
   * Scopes of the token: one, or all and any of several; a granted `admin:*` covers `admin:users:read`. A guard that asks for
   * a scope also takes a client's own access token, and no other guard does.
   */
  readonly scope?: string | Required | undefined;
  /** Asked last. One deny wins, nobody allowing is a deny, and throwing is one too. */
  readonly policy?: Policy | readonly Policy[] | undefined;
  /** What the policy is asked about. */
  readonly action?: string | undefined;
  /** The application's own word on a token, given its verified claims. `true` refuses it as `session_revoked`. */
  readonly isRevoked?: ((auth: AnyAccessTokenClaims) => boolean | Promise<boolean>) | undefined;
  /** Loads who it is; nobody found is 401. */
  readonly loadUser?:
    | ((auth: AnyAccessTokenClaims) => User | null | undefined | Promise<User | null | undefined>)
    | undefined;
  /** Whether an access cookie that has expired is renewed on the spot. Default: true. */
  readonly implicitRefresh?: boolean | undefined;
  /** Origins beside the issuer's whose pages may send the cookies with an unsafe request. Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /**
   * Where clients reach the application: its origin, and the path that a proxy takes away. DPoP proofs are held against it and
   * the request's path, since the request's `Host` proves nothing. Default: the issuer's origin.
   */
  readonly publicUrl?: string | undefined;
}

const optionNames = Object.keys({
  locations: true,
  optional: true,
  freshForSeconds: true,
  role: true,
  scope: true,
  policy: true,
  action: true,
  isRevoked: true,
  loadUser: true,
  implicitRefresh: true,
  allowedOrigins: true,
  publicUrl: true,
} satisfies Record<keyof GuardOptions, true>);

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
 */
export function createGuard<User = undefined>(
  issuer: Issuer,
  options: GuardOptions<User> & { readonly optional: true },
): Guard<OptionalAdmission<User>>;
export function createGuard<User = undefined>(issuer: Issuer, options?: GuardOptions<User>): Guard<Admission<User>>;
export function createGuard<User>(issuer: Issuer, options: GuardOptions<User> = {}): Guard<Admission<User>> {
  refuseWrongGuardOptions(options);
  const cookies = createSessionCookies(issuer.options);
  // These are answers of the application, whose own word on HSTS for its host they must not replace.
  const respond = createResponder(undefined);
  const { locations = ["header", "cookie"], implicitRefresh = true, allowedOrigins = [] } = options;
  const roles = asRequired(options.role);
  const scopes = asRequired(options.scope);
  const publicUrl = options.publicUrl ?? new URL(issuer.options.issuer).origin;
  const terms = { locations, implicitRefresh, allowedOrigins, clients: asksForAny(scopes), publicUrl };
  const policies = options.policy === undefined ? [] : [options.policy].flat();

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
    if (authentication.auth === undefined && options.optional === true) return nobody();
    const auth = authenticatedOrThrow(authentication);
    // Cookies are sent without being meant: where nobody need be there, those that are no longer good are nobody's.
    const isLenient = options.optional === true && authentication.byCookie;
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

function asRequired(wanted: string | Required | undefined): Required {
  return typeof wanted === "string" ? { all: [wanted] } : (wanted ?? {});
}

function asksForAny({ all = [], any = [] }: Required): boolean {
  return all.length + any.length > 0;
}

const tokenLocations: readonly TokenLocation[] = ["header", "cookie", "body", "query"];

/** What each option must be. What is not understood must not pass for nothing to ask for: it would let everybody in. */
const rules: readonly (readonly [name: keyof GuardOptions, isRight: (value: unknown) => boolean, rule: string])[] = [
  ["locations", isLocations, `a list of some of ${tokenLocations.join(", ")}`],
  ["optional", isBoolean, "true or false"],
  ["freshForSeconds", (value) => Number.isInteger(value) && (value as number) > 0, "a whole number of 1 or more"],
  ["role", isRequirement, "a name, or lists of names as { all: [...], any: [...] }"],
  ["scope", isRequirement, "a name, or lists of names as { all: [...], any: [...] }"],
  ["policy", (value) => isFunction(value) || isListOf(value, isFunction), "a function, or a list of at least one"],
  ["isRevoked", isFunction, "a function"],
  ["loadUser", isFunction, "a function"],
  ["implicitRefresh", isBoolean, "true or false"],
  ["allowedOrigins", (value) => Array.isArray(value) && value.every(isName), "a list of origins"],
  ["publicUrl", isBareUrl, "an absolute http(s) URL with no query, fragment or trailing slash"],
];

/** @throws TypeError naming an option of a guard that is unknown or wrong. */
export function refuseWrongGuardOptions(options: object): void {
  const problems = unknownNames(options, optionNames, "option");
  for (const [name, isRight, rule] of rules) {
    const value = (options as GuardOptions)[name];
    if (value !== undefined && !isRight(value)) problems.push(`Option '${name}' must be ${rule}.`);
  }
  if (problems.length > 0) throw new TypeError(problems.join("\n"));
}

function isRequirement(value: unknown): boolean {
  if (isName(value)) return true;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([name, names]) => {
    if (names !== undefined && !(Array.isArray(names) && names.every(isName))) return false;
    // One of none is nobody: it would be taken for everybody where a list that was put together came out empty.
    return name === "all" || (name === "any" && names?.length !== 0);
  });
}

function isLocations(value: unknown): boolean {
  return isListOf(value, (one) => tokenLocations.includes(one as TokenLocation));
}

function isListOf(value: unknown, isRight: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isRight);
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function isBareUrl(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, origin, pathname } = new URL(value);
  return /^https?:$/.test(protocol) && value === origin + (pathname === "/" ? "" : pathname) && !value.endsWith("/");
}
