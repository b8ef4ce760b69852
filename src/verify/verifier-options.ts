import { audienceRule, leewayRule, verifiedCacheSizeRule } from "../access-token/verifying-rules.ts";
import { type Environment, systemEnvironment } from "../environment.ts";
import { issuerProblem } from "../issuer-url.ts";
import {
  aFunction,
  anObject,
  createOptionSet,
  group,
  isText,
  type OptionRules,
  oneOf,
  required,
  wholeNumber,
  withDefault,
} from "../option-rules.ts";

/** The algorithms that a published key can verify. HS256 is not among them: with it, every verifier could also sign. */
export const publicKeyAlgorithms = Object.freeze(["ES256", "EdDSA", "RS256", "PS256"] as const);

/** One of {@link publicKeyAlgorithms}. */
export type PublicKeyAlgorithm = (typeof publicKeyAlgorithms)[number];

/** The part of the Fetch standard's `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * The options of `createVerifier`. `issuer`, `audience` and `algorithms` have no default: nothing is verified without
 * them.
 */
export interface VerifierOptions {
  /**
   * The `iss` that access tokens must have, compared exactly. A value that an issuer's own rules do not allow is
   * refused.
   */
  readonly issuer: string;
  /** The names of this service in `aud`. An access token whose `aud` has any of them is accepted. */
  readonly audience: string | readonly string[];
  /** The algorithms that the issuer's keys may have. `none` and HS256 are refused. */
  readonly algorithms: readonly PublicKeyAlgorithm[];
  /** Where the issuer's public keys are. Default: `{issuer}/.well-known/jwks.json`. */
  readonly jwksUri?: string | undefined;
  /** How far clocks may differ when `exp`, `nbf` and `iat` are checked, 0 to 60. Default: 5. */
  readonly leewaySeconds?: number | undefined;
  /** How many verified access tokens are cached, keyed by their full text; 0 = none. Default: 10,000. */
  readonly verifiedCacheSize?: number | undefined;
  /** Where revocations are received from. Default: nowhere, and an access token is good until it expires. */
  readonly revocations?: RevocationOptions | undefined;
  /** Default: the runtime's. */
  readonly fetch?: Fetch | undefined;
  /** Clock and randomness. Default: the machine's. */
  readonly environment?: Environment | undefined;
}

/** How a verifier receives revocations. */
export interface RevocationOptions {
  /**
   * An access token with the scope `revocations:read`, or a function that returns one; it is called for every
   * connection.
   */
  readonly token: string | (() => string | Promise<string>);
  /** Where the feed is. Default: `{issuer}/auth/revocations`. */
  readonly url?: string | undefined;
  /**
   * What happens to access tokens while nothing has been received from the feed for `maxFeedLagSeconds`: they are
   * accepted until they expire, or refused with `verifier_unavailable` (503). Default: `accept`.
   */
  readonly whenFeedIsDown?: "accept" | "refuse" | undefined;
  /** How many seconds without a sign of life until the feed counts as down, 10 to 3,600. Default: 30. */
  readonly maxFeedLagSeconds?: number | undefined;
  /** Called for every failed attempt to reach the feed. Default: nobody is. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The options with all defaults in place, frozen. */
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

const revocationRules: OptionRules<RevocationOptions, ResolvedRevocationOptions> = {
  token: required<() => string | Promise<string>>(
    (value) =>
      isText(value) || typeof value === "function"
        ? undefined
        : "must be an access token or a function that returns one",
    (token: RevocationOptions["token"]) => (typeof token === "string" ? () => token : token),
  ),
  url: withDefault<string>(({ issuer }: VerifierOptions) => `${issuer}/auth/revocations`, urlProblem),
  whenFeedIsDown: withDefault<"accept" | "refuse">("accept", oneOf("accept", "refuse")),
  maxFeedLagSeconds: withDefault(30, wholeNumber(10, 3600)),
  onError: withDefault(() => () => {}, aFunction),
};

const rules: OptionRules<VerifierOptions, ResolvedVerifierOptions> = {
  issuer: required(issuerProblem),
  audience: audienceRule,
  algorithms: required(algorithmsProblem),
  jwksUri: withDefault<string>(({ issuer }: VerifierOptions) => `${issuer}/.well-known/jwks.json`, urlProblem),
  leewaySeconds: leewayRule,
  verifiedCacheSize: verifiedCacheSizeRule,
  revocations: group(revocationRules),
  fetch: withDefault<Fetch>(() => (url: string, init: RequestInit) => fetch(url, init), aFunction),
  environment: withDefault(systemEnvironment, anObject),
};

const verifierOptions = createOptionSet<VerifierOptions, ResolvedVerifierOptions>({
  of: "createVerifier",
  rules,
});

/**
 * Validates, fills in the defaults and freezes.
 * @throws TypeError naming every option that is missing, unknown or wrong.
 */
export function resolveVerifierOptions(given: VerifierOptions): ResolvedVerifierOptions {
  return verifierOptions.resolve(given);
}

function algorithmsProblem(value: unknown): string | undefined {
  const known = publicKeyAlgorithms.join(", ");
  if (!Array.isArray(value) || value.length === 0) return `must be a list of at least one of ${known}`;
  const refused = value.find((one) => !publicKeyAlgorithms.includes(one));
  if (refused === undefined) return undefined;
  if (/^(?:none|HS\d+)$/i.test(String(refused))) {
    return `contains '${refused}', which published keys cannot verify; known are ${known}`;
  }
  return `must contain only ${known}`;
}

function urlProblem(value: unknown): string | undefined {
  const isHttp = typeof value === "string" && URL.canParse(value) && /^https?:\/\//i.test(value);
  const url = isHttp ? new URL(value) : undefined;
  return url !== undefined && url.username === "" && url.password === ""
    ? undefined
    : "must be an absolute http(s) URL without credentials";
}
