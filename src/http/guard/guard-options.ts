import type { AnyAccessTokenClaims } from "../../access-token/claims.ts";
import {
  aFunction,
  createOptionSet,
  type EveryOption,
  isText,
  listOfTexts,
  type OptionRules,
  optional,
  trueOrFalse,
  wholeNumber,
  withDefault,
} from "../../option-rules.ts";
import type { TokenLocation } from "../authenticate.ts";
import type { Policy, Required as RequiredNames } from "./require-claims.ts";

/** Which requests a guard admits. Every condition that is set must hold. */
export interface GuardOptions<User = unknown> {
  /**
   * Where the access token may appear. Default: header and cookie. `query` only for WebSocket handshakes: URLs end up
   * in logs.
   */
  readonly locations?: readonly TokenLocation[] | undefined;
  /**
   * Admits a request without an access token, and one whose cookies are no longer valid, with no subject. An invalid
   * token that was sent on purpose (header, body, query) is still refused. Default: false.
   */
  readonly optional?: boolean | undefined;
  /** Accepts only an access token from a login or a reauthentication that is no older than this. */
  readonly freshForSeconds?: number | undefined;
  /** Roles that the subject must have: one, or every name in `all` and one in `any`. */
  readonly role?: string | RequiredNames | undefined;
  /**
   * Scopes that the token must have: one, or every name in `all` and one in `any`; a granted `admin:*` covers
   * `admin:users:read`. A guard that requires a scope also accepts a client's own access token; no other guard does.
   */
  readonly scope?: string | RequiredNames | undefined;
  /** Asked last. A single deny wins. It is also a deny when no policy allows, or when one throws. */
  readonly policy?: Policy | readonly Policy[] | undefined;
  /** What the policy is asked about. */
  readonly action?: string | undefined;
  /** The application's own check of a token, from its verified claims. `true` refuses it as `session_revoked`. */
  readonly isRevoked?: ((auth: AnyAccessTokenClaims) => boolean | Promise<boolean>) | undefined;
  /** Loads the user; the response is 401 if no user is found. */
  readonly loadUser?:
    | ((auth: AnyAccessTokenClaims) => User | null | undefined | Promise<User | null | undefined>)
    | undefined;
  /** Whether an expired access cookie is renewed during the request. Default: true. */
  readonly implicitRefresh?: boolean | undefined;
  /** Origins, in addition to the issuer's, whose pages may send the cookies with an unsafe request. Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /**
   * Where clients reach the application: its origin, and the path prefix that a proxy removes. DPoP proofs are checked
   * against it and the request's path, since the request's `Host` proves nothing. Default: the issuer's origin.
   */
  readonly publicUrl?: string | undefined;
}

type LoadUser<User> = NonNullable<GuardOptions<User>["loadUser"]>;

/** The options with all defaults in place, frozen. */
export interface ResolvedGuardOptions<User = unknown> extends EveryOption<GuardOptions<User>> {
  readonly locations: readonly TokenLocation[];
  readonly optional: boolean;
  /** All required names; both lists are absent if no name is required. */
  readonly role: RequiredNames;
  readonly scope: RequiredNames;
  readonly policy: readonly Policy[];
  readonly loadUser: LoadUser<User> | undefined;
  readonly implicitRefresh: boolean;
  readonly allowedOrigins: readonly string[];
}

const tokenLocations: readonly TokenLocation[] = ["header", "cookie", "body", "query"];

// A value that is not understood must not count as "nothing required": the guard would admit everyone.
const rules: OptionRules<GuardOptions, ResolvedGuardOptions> = {
  locations: withDefault<readonly TokenLocation[]>(Object.freeze(["header", "cookie"] as const), (value) =>
    isListOf(value, (one) => tokenLocations.includes(one as TokenLocation))
      ? undefined
      : `must be a list of one or more of ${tokenLocations.join(", ")}`,
  ),
  optional: withDefault<boolean>(false, trueOrFalse),
  freshForSeconds: optional(wholeNumber(1)),
  role: withDefault<RequiredNames>(Object.freeze({}), namesProblem, requiredNames),
  scope: withDefault<RequiredNames>(Object.freeze({}), namesProblem, requiredNames),
  policy: withDefault<readonly Policy[]>(
    Object.freeze([]),
    (value) =>
      typeof value === "function" || isListOf(value, (one) => typeof one === "function")
        ? undefined
        : "must be a function, or a non-empty list of functions",
    (value: Policy | readonly Policy[]) => Object.freeze([value].flat()),
  ),
  action: optional((value) => (typeof value === "string" ? undefined : "must be a string")),
  isRevoked: optional(aFunction),
  loadUser: optional(aFunction),
  implicitRefresh: withDefault<boolean>(true, trueOrFalse),
  allowedOrigins: withDefault<readonly string[]>(
    Object.freeze([]),
    listOfTexts((entry) => (entry === "" ? "is not an origin" : undefined)),
  ),
  publicUrl: optional((value) =>
    isBareUrl(value) ? undefined : "must be an absolute http(s) URL with no query, fragment or trailing slash",
  ),
};

const optionSet = createOptionSet<GuardOptions, ResolvedGuardOptions>({ of: "createGuard", rules });

/** @throws TypeError naming every option that is unknown or wrong. */
export function resolveGuardOptions<User>(given: GuardOptions<User>): ResolvedGuardOptions<User> {
  return optionSet.resolve(given) as ResolvedGuardOptions<User>;
}

/** Whether any name is required. */
export function asksForAny({ all = [], any = [] }: RequiredNames): boolean {
  return all.length + any.length > 0;
}

function requiredNames(value: string | RequiredNames): RequiredNames {
  if (typeof value === "string") return Object.freeze({ all: Object.freeze([value]) });
  const { all, any } = value;
  return Object.freeze({ all: all && Object.freeze([...all]), any: any && Object.freeze([...any]) });
}

function namesProblem(value: unknown): string | undefined {
  return isRequirement(value) ? undefined : "must be a name, or lists of names as { all: [...], any: [...] }";
}

function isRequirement(value: unknown): boolean {
  if (isText(value)) return true;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([name, names]) => {
    if (names !== undefined && !(Array.isArray(names) && names.every(isText))) return false;
    // "Any of an empty list" admits no one. A list built by code can be empty by mistake, and must not admit everyone.
    return name === "all" || (name === "any" && names?.length !== 0);
  });
}

function isListOf(value: unknown, isRight: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isRight);
}

function isBareUrl(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, origin, pathname } = new URL(value);
  return /^https?:$/.test(protocol) && value === origin + (pathname === "/" ? "" : pathname) && !value.endsWith("/");
}
