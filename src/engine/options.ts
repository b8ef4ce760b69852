import { type Environment, systemEnvironment } from "../environment.ts";
import { issuerProblem } from "../issuer-url.ts";
import type { JsonValue } from "../json.ts";
import { unknownNames } from "../option-names.ts";
import { rootSecretProblem } from "../secrets/root-secret.ts";
import { type SigningAlgorithm, signingAlgorithms } from "../signing/signing-algorithms.ts";
import type { Store } from "../store/store.ts";
import type { EventListener } from "./events.ts";
import type { ForeignRefreshTokens } from "./foreign-session.ts";

/** What a subject may do now. */
export interface SubjectState {
  readonly roles: readonly string[];
}

/**
 * Looks subjects up in the application's own user table, once per batch of refreshes. A subject that is missing from the
 * answer is gone or disabled: its session is revoked.
 */
export type SubjectSource = (subjects: readonly string[]) => Promise<ReadonlyMap<string, SubjectState>>;

/** How the session cookies are named and sent. */
export interface CookieOptions {
  /** What the names begin with, behind `__Host-`; another one for each kind of subject on a host. Default: `latchkey`. */
  readonly name?: string;
  /** `none` needs an https issuer. Default: `lax`. */
  readonly sameSite?: "lax" | "strict" | "none";
}

const defaultCookies = Object.freeze({ name: "latchkey", sameSite: "lax" } as const);

/** What `createIssuer` takes. Everything but `issuer`, `secret` and `store` has a default. */
export interface IssuerOptions {
  /**
   * The `iss` of every access token: an absolute https URL with no query, fragment or trailing slash (RFC 8414 section 2). Plain
   * http is accepted on this machine alone: `localhost`, 127.0.0.0/8 and `[::1]`.
   */
  readonly issuer: string;
  /** The root secret, 32 bytes or more; all keys are derived from it. */
  readonly secret: string;
  /** The root secret before it, still accepted, so that a change logs nobody out. */
  readonly previousSecret?: string | undefined;
  readonly store: Store;
  /** The `aud` of every access token. Default: `[issuer]`. */
  readonly audience?: string | readonly string[] | undefined;
  /** Default: what the store's keys already are; `ES256` in a new store. */
  readonly signingAlg?: SigningAlgorithm | undefined;
  /** How long an access token is good. Default: 900 (15 minutes). */
  readonly accessTtlSeconds?: number | undefined;
  /** A session's absolute life; a refresh never extends it. Default: 2,592,000 (30 days). */
  readonly sessionTtlSeconds?: number | undefined;
  /** A session ends when it has not been refreshed for this long. Default: 1,209,600 (14 days). */
  readonly idleTtlSeconds?: number | undefined;
  /** How long a refresh token that has been used still gets the same successor; 0 = any replay is reuse. Default: 10. */
  readonly rotationGraceSeconds?: number | undefined;
  /** How far clocks may differ when `exp`, `nbf` and `iat` are checked, 0 to 60. Default: 5. */
  readonly leewaySeconds?: number | undefined;
  /** Whether a refresh also ends the access tokens issued before it. Default: false. */
  readonly revokeReplacedAccessTokens?: boolean | undefined;
  /** How often the signing key changes. Default: 2,592,000 (30 days). */
  readonly keyRotationSeconds?: number | undefined;
  /** How long verifiers may cache the JWKS; a new key is published that long before it signs. Default: 300. */
  readonly jwksMaxAgeSeconds?: number | undefined;
  /** How often ended sessions are deleted, a day after their absolute end; 0 = never. Default: 300. */
  readonly sweepIntervalSeconds?: number | undefined;
  /** Whether strangers may register. Default: `closed`. */
  readonly registration?: "open" | "closed" | undefined;
  /** The fewest code points of a password, 8 or more. Default: 15 (NIST SP 800-63B-4). */
  readonly passwordMinLength?: number | undefined;
  /** How many sessions a person may hold; the oldest gives way. 0 = no limit. Default: 100. */
  readonly sessionsPerUser?: number | undefined;
  /** How often one session may refresh. 0 = no limit. Default: 120. */
  readonly sessionRefreshesPerMinute?: number | undefined;
  /** How often one account may be logged in to. 0 = no limit. Default: 60. */
  readonly loginsPerHour?: number | undefined;
  /** How many accounts one address may register. 0 = no limit. Default: 60. */
  readonly registrationsPerHour?: number | undefined;
  /** The cookies of sessions that are signed in with `"transport": "cookie"`. */
  readonly cookies?: CookieOptions | undefined;
  /** Whether DPoP proofs must hold a nonce of this server (RFC 9449 section 8). Default: `off`. */
  readonly dpopNonce?: "off" | "required" | undefined;
  /**
   * What a refresh token that has been replaced for good leads to where the session is bound to a key that has signed a proof, or its
   * confidential client has authenticated: the newest token again (`answer`), or the session's end, as without proof (`revoke`).
   * Stands before `rotationGraceSeconds: 0`. Default: `answer`.
   */
  readonly staleWithProof?: "answer" | "revoke" | undefined;
  /** Where subjects are looked up at each refresh, when they are not Latchkey's own users. Default: Latchkey's users. */
  readonly subjects?: SubjectSource | undefined;
  /**
   * Verifies refresh tokens of the system that signed people in before, so that their sessions go on here. Asked only of texts
   * that are no token of Latchkey's. One `id` opens one session ever, of one subject and one client: after its end, no later
   * `expiresAt` or `authTime` opens it again. Default: they are refused.
   */
  readonly foreignRefreshTokens?: ForeignRefreshTokens | undefined;
  /** Is told of everything that {@link LatchkeyEvent} lists. Default: nobody is. */
  readonly onEvent?: EventListener | undefined;
  /** Clock and randomness. Default: the machine's. */
  readonly environment?: Environment | undefined;
}

/** The options with all defaults in place, frozen. */
export interface ResolvedOptions {
  readonly issuer: string;
  readonly secret: string;
  readonly previousSecret: string | undefined;
  readonly store: Store;
  readonly audience: readonly string[];
  readonly signingAlg: SigningAlgorithm | undefined;
  readonly accessTtlSeconds: number;
  readonly sessionTtlSeconds: number;
  readonly idleTtlSeconds: number;
  readonly rotationGraceSeconds: number;
  readonly leewaySeconds: number;
  readonly revokeReplacedAccessTokens: boolean;
  readonly keyRotationSeconds: number;
  readonly jwksMaxAgeSeconds: number;
  readonly sweepIntervalSeconds: number;
  readonly registration: "open" | "closed";
  readonly passwordMinLength: number;
  readonly sessionsPerUser: number;
  readonly sessionRefreshesPerMinute: number;
  readonly loginsPerHour: number;
  readonly registrationsPerHour: number;
  readonly cookies: { readonly name: string; readonly sameSite: "lax" | "strict" | "none" };
  readonly dpopNonce: "off" | "required";
  readonly staleWithProof: "answer" | "revoke";
  readonly subjects: SubjectSource | undefined;
  readonly foreignRefreshTokens: ForeignRefreshTokens | undefined;
  readonly onEvent: EventListener | undefined;
  readonly environment: Environment;
}

/** How one option is checked and what it is when it is left out. Gives what is wrong with a value, or `undefined`. */
interface Rule<Resolved> {
  readonly byDefault: (given: IssuerOptions) => Resolved | undefined;
  readonly problem: (value: unknown) => string | undefined;
  /** Brings an accepted value into its resolved form. */
  readonly resolve?: (value: never) => Resolved;
}

// One rule an option: an option that is added above and forgotten here does not compile.
const rules: { readonly [Name in keyof ResolvedOptions]: Rule<ResolvedOptions[Name]> } = {
  issuer: { byDefault: required, problem: issuerProblem },
  secret: { byDefault: required, problem: secretProblem },
  previousSecret: { byDefault: nothing, problem: secretProblem },
  store: { byDefault: required, problem: storeProblem },
  audience: {
    byDefault: (given) => [given.issuer],
    problem: audienceProblem,
    resolve: (value: string | readonly string[]) => Object.freeze(typeof value === "string" ? [value] : [...value]),
  },
  signingAlg: { byDefault: nothing, problem: oneOf(...signingAlgorithms) },
  accessTtlSeconds: { byDefault: () => 900, problem: wholeNumber(1, 86_400) },
  sessionTtlSeconds: { byDefault: () => 30 * 86_400, problem: wholeNumber(1, 10 * 366 * 86_400) },
  idleTtlSeconds: { byDefault: () => 14 * 86_400, problem: wholeNumber(1, 10 * 366 * 86_400) },
  rotationGraceSeconds: { byDefault: () => 10, problem: wholeNumber(0, 300) },
  leewaySeconds: { byDefault: () => 5, problem: wholeNumber(0, 60) },
  revokeReplacedAccessTokens: { byDefault: () => false, problem: ofType("boolean") },
  keyRotationSeconds: { byDefault: () => 30 * 86_400, problem: wholeNumber(60, 10 * 366 * 86_400) },
  jwksMaxAgeSeconds: { byDefault: () => 300, problem: wholeNumber(1, 86_400) },
  sweepIntervalSeconds: { byDefault: () => 300, problem: wholeNumber(0, 86_400) },
  registration: { byDefault: () => "closed", problem: oneOf("open", "closed") },
  passwordMinLength: { byDefault: () => 15, problem: wholeNumber(8, 128) },
  sessionsPerUser: { byDefault: () => 100, problem: wholeNumber(0, 1_000_000) },
  sessionRefreshesPerMinute: { byDefault: () => 120, problem: wholeNumber(0, 1_000_000) },
  loginsPerHour: { byDefault: () => 60, problem: wholeNumber(0, 1_000_000) },
  registrationsPerHour: { byDefault: () => 60, problem: wholeNumber(0, 1_000_000) },
  cookies: {
    byDefault: () => defaultCookies,
    problem: cookiesProblem,
    resolve: (given: CookieOptions) => Object.freeze({ ...defaultCookies, ...given }),
  },
  dpopNonce: { byDefault: () => "off", problem: oneOf("off", "required") },
  staleWithProof: { byDefault: () => "answer", problem: oneOf("answer", "revoke") },
  subjects: { byDefault: nothing, problem: ofType("function") },
  foreignRefreshTokens: { byDefault: nothing, problem: ofType("function") },
  onEvent: { byDefault: nothing, problem: ofType("function") },
  environment: { byDefault: () => systemEnvironment, problem: ofType("object") },
};

/**
 * Validates, fills in the defaults and freezes.
 * @throws TypeError naming every option that is missing, unknown or wrong.
 */
export function resolveOptions(given: IssuerOptions): ResolvedOptions {
  if (typeof given !== "object" || given === null) throw new TypeError("createIssuer takes an object of options.");
  const problems = unknownNames(given, Object.keys(rules), "option");
  const resolved: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(rules) as [keyof ResolvedOptions, Rule<unknown>][]) {
    const value = given[name];
    const problem = value === undefined ? missing(rule) : rule.problem(value);
    if (problem !== undefined) problems.push(`Option '${name}' ${problem}.`);
    else resolved[name] = value === undefined ? rule.byDefault(given) : (rule.resolve?.(value as never) ?? value);
  }
  if (problems.length === 0 && given.cookies?.sameSite === "none" && !given.issuer.startsWith("https:")) {
    problems.push(
      "Option 'cookies' must not have sameSite 'none' with a plain http issuer: browsers drop such cookies.",
    );
  }
  if (problems.length > 0) throw new TypeError(problems.join("\n"));
  return Object.freeze(resolved) as unknown as ResolvedOptions;
}

/** What is wrong with a value for one option, or `undefined`; for whoever reads options from elsewhere. */
export function optionProblem(name: keyof IssuerOptions, value: unknown): string | undefined {
  return rules[name].problem(value);
}

function required(): undefined {
  return undefined;
}

function nothing(): undefined {
  return undefined;
}

function missing(rule: Rule<unknown>): string | undefined {
  return rule.byDefault === required ? "is required" : undefined;
}

function wholeNumber(least: number, most: number): (value: unknown) => string | undefined {
  return (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number from ${least} to ${most}`;
}

function oneOf(...allowed: readonly string[]): (value: unknown) => string | undefined {
  return (value) => (allowed.includes(value as string) ? undefined : `must be one of ${allowed.join(", ")}`);
}

function ofType(type: "boolean" | "function" | "object"): (value: unknown) => string | undefined {
  return (value) =>
    typeof value === type && value !== null ? undefined : `must be ${type === "object" ? "an" : "a"} ${type}`;
}

function secretProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return "must be a string";
  const problem = rootSecretProblem(value);
  return problem && `${problem}. 'npx latchkey secret' makes a good one`;
}

function storeProblem(value: unknown): string | undefined {
  return typeof (value as Store | null)?.changeSessions === "function"
    ? undefined
    : "must be a store, such as createSqliteStore() from 'latchkey/sqlite' gives";
}

function audienceProblem(value: unknown): string | undefined {
  const all: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  return all.length > 0 && all.every((one) => typeof one === "string" && one !== "")
    ? undefined
    : "must be a text, or a list of at least one, none of them empty";
}

function cookiesProblem(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "must be an object";
  const { name = "latchkey", sameSite = "lax", ...others } = value as Record<string, unknown>;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) return `has no setting '${unknown}'; its settings are 'name' and 'sameSite'`;
  if (typeof name !== "string" || !/^[A-Za-z][A-Za-z0-9-]{0,31}$/.test(name))
    return "must have a 'name' of letters, digits and hyphens, 32 at most";
  return oneOf("lax", "strict", "none")(sameSite)?.replace("must", "must have a 'sameSite' that is");
}
