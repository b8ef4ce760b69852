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

/** Whom a guard lets through. Everything that is named must hold. */
export interface GuardOptions<User = unknown> {
  /** Where the access token may stand. Default: header and cookie. `query` only for WebSocket handshakes: URLs end up in logs. */
  readonly locations?: readonly TokenLocation[] | undefined;
  /** Lets a request without an access token pass, with no subject, and one whose cookies are no longer good. A bad token that was sent on purpose (header, body, query) is still refused. Default: false. */
  readonly optional?: boolean | undefined;
  /** Takes only the access token of a login or a reauthentication no longer ago than this. */
  readonly freshForSeconds?: number | undefined;
  /** Roles of the subject: one, or all and any of several. */
  readonly role?: string | RequiredNames | undefined;
  /**
   * Scopes of the token: one, or all and any of several; a granted `admin:*` covers `admin:users:read`. A guard that asks for
   * a scope also takes a client's own access token, and no other guard does.
   */
  readonly scope?: string | RequiredNames | undefined;
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

type LoadUser<User> = NonNullable<GuardOptions<User>["loadUser"]>;

/** The options with all defaults in place, frozen. */
export interface ResolvedGuardOptions<User = unknown> extends EveryOption<GuardOptions<User>> {
  readonly locations: readonly TokenLocation[];
  readonly optional: boolean;
  /** All names that are asked for; both lists are absent where none is. */
  readonly role: RequiredNames;
  readonly scope: RequiredNames;
  readonly policy: readonly Policy[];
  readonly loadUser: LoadUser<User> | undefined;
  readonly implicitRefresh: boolean;
  readonly allowedOrigins: readonly string[];
}

const tokenLocations: readonly TokenLocation[] = ["header", "cookie", "body", "query"];

// What is not understood must not pass for nothing to ask for: it would let everybody in.
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

/** Whether any name is asked for. */
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
    // One of none is nobody: it would be taken for everybody where a list that was put together came out empty.
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
