import { unknownNames } from "../option-names.ts";
import { hstsMismatch, hstsProblem } from "./hsts.ts";
import { isExactOrigin } from "./request/origins.ts";

/** What `createHandler` takes beside the issuer. */
export interface HandlerOptions {
  /** Whether `/token` takes `grant_type=password`. Default: false. */
  readonly passwordGrant?: boolean | undefined;
  /** The origins that browsers may call from, exact (`https://app.example.com`, `capacitor://localhost`). Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Addresses or networks (CIDR) whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * The value of `Strict-Transport-Security` (RFC 6797) on every answer, or `off` for no such header. It is sent where the issuer
   * is https, and concerns the issuer's whole host. Default: `max-age=31536000`, without subdomains or preload.
   */
  readonly hsts?: string | undefined;
  /** `false` makes `/readyz` answer 503, as while stopping. Default: always ready. */
  readonly isReady?: (() => boolean) | undefined;
  /** Is told of every request, once it is answered. Default: nobody is. */
  readonly onRequest?: ((entry: RequestEntry) => void) | undefined;
  /**
   * Is called once, with the peer's address, where a proxy of this machine or network sends `X-Forwarded-For` and `trustedProxies`
   * is empty: then all clients behind it count as one. Default: nobody is.
   */
  readonly onIgnoredProxy?: ((peer: string) => void) | undefined;
  /** Is told the cause of every answer in the 500s. Default: nobody is. */
  readonly onError?: ((error: unknown, requestId: string) => void) | undefined;
}

/** One answered request, for a log. `path` has no query string. */
export interface RequestEntry {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly ip: string | null;
}

// One rule an option: an option that is added above and forgotten here does not compile.
const rules: { readonly [Name in keyof Required<HandlerOptions>]: (value: unknown) => string | undefined } = {
  passwordGrant: (value) => (typeof value === "boolean" ? undefined : "must be true or false."),
  allowedOrigins: (value) =>
    listProblem(value, isExactOrigin, "is not an exact origin such as https://app.example.com."),
  // Each entry is looked at where it is read.
  trustedProxies: (value) => listProblem(value, () => true, ""),
  hsts: (value) => {
    const problem = hstsProblem(value);
    return problem && `${problem}.`;
  },
  isReady: functionProblem,
  onIgnoredProxy: functionProblem,
  onRequest: functionProblem,
  onError: functionProblem,
};

/** @throws TypeError naming every option that is unknown or wrong. */
export function refuseWrongOptions(options: HandlerOptions, issuer: string): void {
  const wrong = Object.entries(options).flatMap(([name, value]) => {
    const problem = value === undefined ? undefined : rules[name as keyof HandlerOptions]?.(value);
    return problem === undefined ? [] : [`Option '${name}' ${problem}`];
  });
  const problems = [...unknownNames(options, Object.keys(rules), "option"), ...wrong];
  const mismatch = hstsMismatch(issuer, options.hsts);
  if (problems.length === 0 && mismatch !== undefined) problems.push(`Option 'hsts' ${mismatch}.`);
  if (problems.length > 0) throw new TypeError(problems.join("\n"));
}

function functionProblem(value: unknown): string | undefined {
  return typeof value === "function" ? undefined : "must be a function.";
}

function listProblem(value: unknown, accepts: (entry: string) => boolean, problem: string): string | undefined {
  if (!Array.isArray(value) || value.some((entry) => typeof entry !== "string")) return "must be a list of texts.";
  const refused = value.find((entry) => !accepts(entry));
  return refused === undefined ? undefined : `holds '${refused}', which ${problem}`;
}
