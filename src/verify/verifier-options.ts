import { type Environment, systemEnvironment } from "../environment.ts";
import { issuerProblem } from "../issuer-url.ts";
import { unknownNames } from "../option-names.ts";

/** The algorithms that a published key can verify. HS256 is not among them: whoever could verify could also sign. */
export const publicKeyAlgorithms = Object.freeze(["ES256", "EdDSA", "RS256", "PS256"] as const);

/** One of {@link publicKeyAlgorithms}. */
export type PublicKeyAlgorithm = (typeof publicKeyAlgorithms)[number];

/** The part of the Fetch standard's `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What `createVerifier` takes. `issuer`, `audience` and `algorithms` have no default: nothing is verified without them. */
export interface VerifierOptions {
  /** The `iss` that access tokens must have, character by character. What no issuer can be, by its own rules, is refused. */
  readonly issuer: string;
  /** What this service is called in `aud`. One that names any of them is accepted. */
  readonly audience: string | readonly string[];
  /** The algorithms that the issuer's keys may have. `none` and HS256 are refused. */
  readonly algorithms: readonly PublicKeyAlgorithm[];
  /** Where the issuer's public keys are. Default: `{issuer}/.well-known/jwks.json`. */
  readonly jwksUri?: string | undefined;
  /** How far clocks may differ when `exp`, `nbf` and `iat` are checked, 0 to 60. Default: 5. */
  readonly leewaySeconds?: number | undefined;
  /** How many verified access tokens are remembered, under their full text; 0 = none. Default: 10,000. */
  readonly verifiedCacheSize?: number | undefined;
  /** Where revocations are heard of. Default: nowhere, and an access token is good until it expires. */
  readonly revocations?: RevocationOptions | undefined;
  /** Default: the runtime's. */
  readonly fetch?: Fetch | undefined;
  /** Clock and randomness. Default: the machine's. */
  readonly environment?: Environment | undefined;
}

/** How a verifier hears of revocations. */
export interface RevocationOptions {
  /** An access token with the scope `revocations:read`, or what gives one; it is asked at every connection. */
  readonly token: string | (() => string | Promise<string>);
  /** Where the feed is. Default: `{issuer}/auth/revocations`. */
  readonly url?: string | undefined;
  /**
   * What becomes of access tokens while nothing has been heard of the feed for `maxFeedLagSeconds`: they are accepted until
   * they expire, or refused with `verifier_unavailable` (503). Default: `accept`.
   */
  readonly whenFeedIsDown?: "accept" | "refuse" | undefined;
  /** After how long without a sign of life the feed counts as down, 10 to 3,600. Default: 30. */
  readonly maxFeedLagSeconds?: number | undefined;
  /** Is told of every attempt to reach the feed that failed. Default: nobody is. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The options with all defaults in place. */
export interface ResolvedVerifierOptions {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly PublicKeyAlgorithm[];
  readonly jwksUri: string;
  readonly leewaySeconds: number;
  readonly verifiedCacheSize: number;
  readonly revocations: ResolvedRevocationOptions | undefined;
  readonly fetch: Fetch;
  readonly environment: Environment;
}

export interface ResolvedRevocationOptions {
  readonly token: () => string | Promise<string>;
  readonly url: string;
  readonly whenFeedIsDown: "accept" | "refuse";
  readonly maxFeedLagSeconds: number;
  readonly onError: (error: unknown) => void;
}

type Problem = (value: unknown) => string | undefined;

// One rule an option: an option that is added above and forgotten here does not compile.
const rules: { readonly [Name in keyof Required<VerifierOptions>]: Problem } = {
  issuer: required(issuerProblem),
  audience: required((value) =>
    isText(value) || isTexts(value) ? undefined : "must be a text, or a list of at least one, none of them empty",
  ),
  algorithms: required(algorithmsProblem),
  jwksUri: optional(urlProblem),
  leewaySeconds: optional(wholeNumber(0, 60)),
  verifiedCacheSize: optional(wholeNumber(0, 1_000_000)),
  revocations: optional((value) => (typeof value === "object" && value !== null ? undefined : "must be an object")),
  fetch: optional(ofType("function")),
  environment: optional(ofType("object")),
};

const revocationRules: { readonly [Name in keyof Required<RevocationOptions>]: Problem } = {
  token: required((value) =>
    isText(value) || typeof value === "function" ? undefined : "must be an access token or a function that gives one",
  ),
  url: optional(urlProblem),
  whenFeedIsDown: optional((value) =>
    value === "accept" || value === "refuse" ? undefined : "must be one of accept, refuse",
  ),
  maxFeedLagSeconds: optional(wholeNumber(10, 3600)),
  onError: optional(ofType("function")),
};

/**
 * Validates and fills in the defaults.
 * @throws TypeError naming every option that is missing, unknown or wrong.
 */
export function resolveVerifierOptions(given: VerifierOptions): ResolvedVerifierOptions {
  if (typeof given !== "object" || given === null) throw new TypeError("createVerifier takes an object of options.");
  const problems = problemsOf(given, rules, "");
  if (typeof given.revocations === "object" && given.revocations !== null) {
    problems.push(...problemsOf(given.revocations, revocationRules, "revocations."));
  }
  if (problems.length > 0) throw new TypeError(problems.join("\n"));

  const { issuer, audience, algorithms, revocations } = given;
  return {
    issuer,
    audience: typeof audience === "string" ? [audience] : [...audience],
    algorithms: [...algorithms],
    jwksUri: given.jwksUri ?? `${issuer}/.well-known/jwks.json`,
    leewaySeconds: given.leewaySeconds ?? 5,
    verifiedCacheSize: given.verifiedCacheSize ?? 10_000,
    revocations: revocations && resolveRevocationOptions(revocations, issuer),
    fetch: given.fetch ?? ((url, init) => fetch(url, init)),
    environment: given.environment ?? systemEnvironment,
  };
}

function resolveRevocationOptions(given: RevocationOptions, issuer: string): ResolvedRevocationOptions {
  const { token } = given;
  return {
    token: typeof token === "string" ? () => token : token,
    url: given.url ?? `${issuer}/auth/revocations`,
    whenFeedIsDown: given.whenFeedIsDown ?? "accept",
    maxFeedLagSeconds: given.maxFeedLagSeconds ?? 30,
    onError: given.onError ?? (() => {}),
  };
}

function problemsOf(given: object, rulesByName: Readonly<Record<string, Problem>>, prefix: string): string[] {
  const wrong = Object.entries(rulesByName).flatMap(([name, problem]) => {
    const found = problem((given as Readonly<Record<string, unknown>>)[name]);
    return found === undefined ? [] : [`Option '${prefix}${name}' ${found}.`];
  });
  return [...unknownNames(given, Object.keys(rulesByName), "option"), ...wrong];
}

function required(problem: Problem): Problem {
  return (value) => (value === undefined ? "is required" : problem(value));
}

function optional(problem: Problem): Problem {
  return (value) => (value === undefined ? undefined : problem(value));
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isText);
}

function algorithmsProblem(value: unknown): string | undefined {
  const known = publicKeyAlgorithms.join(", ");
  if (!Array.isArray(value) || value.length === 0) return `must be a list of at least one of ${known}`;
  const refused = value.find((one) => !publicKeyAlgorithms.includes(one));
  if (refused === undefined) return undefined;
  if (/^(?:none|HS\d+)$/i.test(String(refused))) {
    return `holds '${refused}', which published keys cannot verify; it takes ${known}`;
  }
  return `must hold only ${known}`;
}

function wholeNumber(least: number, most: number): Problem {
  return (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number from ${least} to ${most}`;
}

function ofType(type: "function" | "object"): Problem {
  return (value) =>
    typeof value === type && value !== null ? undefined : `must be ${type === "object" ? "an" : "a"} ${type}`;
}

function urlProblem(value: unknown): string | undefined {
  const isHttp = typeof value === "string" && URL.canParse(value) && /^https?:\/\//i.test(value);
  const url = isHttp ? new URL(value) : undefined;
  return url !== undefined && url.username === "" && url.password === ""
    ? undefined
    : "must be an absolute http(s) URL without credentials";
}
