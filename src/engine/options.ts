import { audienceOrIssuerRule, leewayRule, verifiedCacheSizeRule } from "../access-token/verifying-rules.ts";
import { hashingTooWeak, type PasswordHashing, passwordHashingRules } from "../accounts/password-hashing.ts";
import { passwordMinLengthRule } from "../accounts/password-policy.ts";
import { maxKeysRule, type ThrottleLimits, throttleLimitRules } from "../accounts/throttle-options.ts";
import { type Environment, systemEnvironment } from "../environment.ts";
import { issuerProblem } from "../issuer-url.ts";
import {
  aFunction,
  anObject,
  createOptionSet,
  type EveryOption,
  group,
  type OptionRules,
  oneOf,
  optional,
  required,
  trueOrFalse,
  wholeNumber,
  withDefault,
} from "../option-rules.ts";
import { rootSecretProblem } from "../secrets/root-secret.ts";
import { keyRotationTooQuick } from "../signing/key-schedule.ts";
import { type SigningAlgorithm, signingAlgorithms } from "../signing/signing-algorithms.ts";
import type { Store } from "../store/store.ts";
import type { ForeignRefreshTokens } from "./adoption/foreign-session.ts";
import type { EventListener } from "./events.ts";

/** The current state of a subject: what it may do now. */
export interface SubjectState {
  readonly roles: readonly string[];
}

/**
 * Looks subjects up in the application's own user table, once per batch of refreshes. A subject that is missing from
 * the result has been deleted or disabled: its session is revoked.
 */
export type SubjectSource = (subjects: readonly string[]) => Promise<ReadonlyMap<string, SubjectState>>;

/** How the session cookies are named and sent. */
export interface CookieOptions {
  /**
   * The prefix of the names, after `__Host-`. Use a different one for each kind of subject on a host.
   * Default: `latchkey`.
   */
  readonly name?: string;
  /** `none` requires an https issuer. Default: `lax`. */
  readonly sameSite?: "lax" | "strict" | "none";
}

/** The options of `createIssuer`. Every option except `issuer`, `secret` and `store` has a default. */
export interface IssuerOptions extends ThrottleLimits, PasswordHashing {
  /**
   * The `iss` of every access token: an absolute https URL with no query, fragment or trailing slash (RFC 8414 section
   * 2). Plain http is accepted only on this machine: `localhost`, 127.0.0.0/8 and `[::1]`.
   */
  readonly issuer: string;
  /** The root secret, at least 32 bytes; all keys are derived from it. */
  readonly secret: string;
  /** The previous root secret, still accepted, so that a change of the secret logs no one out. */
  readonly previousSecret?: string | undefined;
  readonly store: Store;
  /** The `aud` of every access token. Default: `[issuer]`. */
  readonly audience?: string | readonly string[] | undefined;
  /** Default: what the store's keys already are; `ES256` in a new store. */
  readonly signingAlg?: SigningAlgorithm | undefined;
  /** How long an access token is valid. Default: 900 (15 minutes). */
  readonly accessTtlSeconds?: number | undefined;
  /** The absolute lifetime of a session; a refresh never extends it. Default: 2,592,000 (30 days). */
  readonly sessionTtlSeconds?: number | undefined;
  /** A session ends when it has not been refreshed for this long. Default: 1,209,600 (14 days). */
  readonly idleTtlSeconds?: number | undefined;
  /** How long a used refresh token still returns the same successor; 0 = any replay is reuse. Default: 10. */
  readonly rotationGraceSeconds?: number | undefined;
  /** How far clocks may differ when `exp`, `nbf` and `iat` are checked, 0 to 60. Default: 5. */
  readonly leewaySeconds?: number | undefined;
  /** Whether a refresh also ends the access tokens issued before it. Default: false. */
  readonly revokeReplacedAccessTokens?: boolean | undefined;
  /** How often the signing key changes. Default: 2,592,000 (30 days). */
  readonly keyRotationSeconds?: number | undefined;
  /** How long verifiers may cache the JWKS; a new key is published that long before it signs. Default: 300. */
  readonly jwksMaxAgeSeconds?: number | undefined;
  /** How often ended sessions are deleted; each is deleted a day after its absolute end. 0 = never. Default: 300. */
  readonly sweepIntervalSeconds?: number | undefined;
  /** Whether strangers may register. Default: `closed`. */
  readonly registration?: "open" | "closed" | undefined;
  /** The minimum length of a password in code points, at least 8. Default: 15 (NIST SP 800-63B-4). */
  readonly passwordMinLength?: number | undefined;
  /** How many sessions a person may have; a new one beyond that replaces the oldest. 0 = no limit. Default: 100. */
  readonly sessionsPerUser?: number | undefined;
  /**
   * How many accounts, addresses and sessions each limit on attempts counts in memory; above that, the login limits
   * forget the one whose last attempt is the oldest.
   * Default: 100,000, about 25 MB for each of the five login limits when full.
   */
  readonly throttleMaxKeys?: number | undefined;
  /** How many verified access tokens are cached, keyed by their full text; 0 = none. Default: 10,000. */
  readonly verifiedCacheSize?: number | undefined;
  /** The cookies of sessions created with `"transport": "cookie"`. */
  readonly cookies?: CookieOptions | undefined;
  /** Whether DPoP proofs must contain a nonce issued by this server (RFC 9449 section 8). Default: `off`. */
  readonly dpopNonce?: "off" | "required" | undefined;
  /**
   * What happens when a refresh token is presented that has been replaced for good, and the request also carries a
   * proof by the session's key or its confidential client has authenticated: the newest token is returned again
   * (`answer`), or the session ends, as it does without proof (`revoke`). Takes precedence over
   * `rotationGraceSeconds: 0`. Default: `answer`.
   */
  readonly staleWithProof?: "answer" | "revoke" | undefined;
  /** Where subjects are looked up at each refresh, if they are not Latchkey's own users. Default: Latchkey's users. */
  readonly subjects?: SubjectSource | undefined;
  /**
   * Verifies refresh tokens of the system that signed people in before, so that their sessions continue here. Called
   * only with texts that are not Latchkey tokens. One `id` opens only one session ever, for one subject and one client:
   * after its end, no later `expiresAt` or `authTime` opens it again. Default: they are refused.
   */
  readonly foreignRefreshTokens?: ForeignRefreshTokens | undefined;
  /** Called for every event that {@link LatchkeyEvent} lists. Default: nobody is. */
  readonly onEvent?: EventListener | undefined;
  /** Clock and randomness. Default: the machine's. */
  readonly environment?: Environment | undefined;
}

/** Options that stay `undefined` when they are omitted. */
type WithoutDefault = "previousSecret" | "signingAlg" | "subjects" | "foreignRefreshTokens" | "onEvent";

type Filled<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> };

/** The options with all defaults in place, frozen. */
export interface ResolvedOptions
  extends Filled<Omit<IssuerOptions, WithoutDefault | "audience" | "cookies">>,
    EveryOption<Pick<IssuerOptions, WithoutDefault>> {
  readonly audience: readonly string[];
  readonly cookies: Required<CookieOptions>;
}

const rules: OptionRules<IssuerOptions, ResolvedOptions> = {
  issuer: required(issuerProblem),
  secret: required(secretProblem),
  previousSecret: optional(secretProblem),
  store: required(storeProblem),
  audience: audienceOrIssuerRule,
  signingAlg: optional(oneOf(...signingAlgorithms)),
  accessTtlSeconds: withDefault(900, wholeNumber(1, 86_400)),
  sessionTtlSeconds: withDefault(30 * 86_400, wholeNumber(1, 10 * 366 * 86_400)),
  idleTtlSeconds: withDefault(14 * 86_400, wholeNumber(1, 10 * 366 * 86_400)),
  rotationGraceSeconds: withDefault(10, wholeNumber(0, 300)),
  leewaySeconds: leewayRule,
  revokeReplacedAccessTokens: withDefault<boolean>(false, trueOrFalse),
  keyRotationSeconds: withDefault(30 * 86_400, wholeNumber(60, 10 * 366 * 86_400)),
  jwksMaxAgeSeconds: withDefault(300, wholeNumber(1, 86_400)),
  sweepIntervalSeconds: withDefault(300, wholeNumber(0, 86_400)),
  registration: withDefault<"open" | "closed">("closed", oneOf("open", "closed")),
  passwordMinLength: passwordMinLengthRule,
  sessionsPerUser: withDefault(100, wholeNumber(0, 1_000_000)),
  ...throttleLimitRules,
  throttleMaxKeys: maxKeysRule,
  ...passwordHashingRules,
  verifiedCacheSize: verifiedCacheSizeRule,
  cookies: group<CookieOptions, Required<CookieOptions>>(
    {
      name: withDefault("latchkey", cookieNameProblem),
      sameSite: withDefault<"lax" | "strict" | "none">("lax", oneOf("lax", "strict", "none")),
    },
    { isAlwaysThere: true },
  ),
  dpopNonce: withDefault<"off" | "required">("off", oneOf("off", "required")),
  staleWithProof: withDefault<"answer" | "revoke">("answer", oneOf("answer", "revoke")),
  subjects: optional(aFunction),
  foreignRefreshTokens: optional(aFunction),
  onEvent: optional(aFunction),
  environment: withDefault(systemEnvironment, anObject),
};

/** The options of `createIssuer`. */
export const issuerOptions = createOptionSet<IssuerOptions, ResolvedOptions>({
  of: "createIssuer",
  rules,
  across: (resolved) => [...hashingTooWeak(resolved), ...keyRotationTooQuick(resolved), ...cookiesDropped(resolved)],
});

/** @throws TypeError naming every option that is missing, unknown or wrong. */
export function resolveOptions(given: IssuerOptions): ResolvedOptions {
  return issuerOptions.resolve(given);
}

function secretProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return "must be a string";
  const problem = rootSecretProblem(value);
  return problem && `${problem}. 'npx --no latchkey secret' creates a good one`;
}

function storeProblem(value: unknown): string | undefined {
  return typeof (value as Store | null)?.changeSessions === "function"
    ? undefined
    : "must be a store, such as createSqliteStore() from 'latchkey/sqlite' returns";
}

function cookieNameProblem(value: unknown): string | undefined {
  return typeof value === "string" && /^[A-Za-z][A-Za-z0-9-]{0,31}$/.test(value)
    ? undefined
    : "must be a name of letters, digits and hyphens, at most 32";
}

function cookiesDropped({ cookies, issuer }: ResolvedOptions): readonly string[] {
  if (cookies.sameSite !== "none" || issuer.startsWith("https:")) return [];
  return ["Option 'cookies' must not have sameSite 'none' with a plain http issuer: browsers drop such cookies."];
}
