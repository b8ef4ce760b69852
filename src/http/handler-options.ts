import {
  aFunction,
  createOptionSet,
  type EveryOption,
  listOfTexts,
  type OptionRules,
  optional,
  type Problem,
  trueOrFalse,
  withDefault,
} from "../option-rules.ts";
import { hstsMismatch, hstsProblem } from "./hsts.ts";
import { addressRangeProblem } from "./request/address-ranges.ts";
import { exactOrigins } from "./request/origins.ts";

/** The options of `createHandler`, which it accepts in addition to the issuer. */
export interface HandlerOptions {
  /** Whether `/token` accepts `grant_type=password`. Default: false. */
  readonly passwordGrant?: boolean | undefined;
  /**
   * The origins that browsers may call from, matched exactly (`https://app.example.com`, `capacitor://localhost`).
   * Default: none.
   */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Addresses or networks (CIDR) whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * The value of `Strict-Transport-Security` (RFC 6797) on every response, or `off` to omit the header. It is sent when
   * the issuer is https, and it applies to the issuer's whole host. Default: `max-age=31536000`, without subdomains or
   * preload.
   */
  readonly hsts?: string | undefined;
  /** When it returns `false`, `/readyz` answers 503, as it does while the server stops. Default: always ready. */
  readonly isReady?: (() => boolean) | undefined;
  /** Called for every request, once it is answered. Default: nobody is. */
  readonly onRequest?: ((entry: RequestEntry) => void) | undefined;
  /**
   * Called once, with the peer's address, when a proxy on this machine or network sends `X-Forwarded-For` and
   * `trustedProxies` is empty: all clients behind that proxy then count as one client. Default: nobody is.
   */
  readonly onIgnoredProxy?: ((peer: string) => void) | undefined;
  /** Called with the cause of every response with a 5xx status. Default: nobody is. */
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

/** The options with all defaults in place, frozen. */
export interface ResolvedHandlerOptions extends EveryOption<HandlerOptions> {
  readonly passwordGrant: boolean;
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly isReady: () => boolean;
}

const rules: OptionRules<HandlerOptions, ResolvedHandlerOptions> = {
  passwordGrant: withDefault<boolean>(false, trueOrFalse),
  allowedOrigins: withDefault<readonly string[]>(Object.freeze([]), exactOrigins),
  trustedProxies: withDefault<readonly string[]>(Object.freeze([]), listOfTexts(addressRangeProblem)),
  hsts: optional(hstsProblem),
  isReady: withDefault(() => () => true, aFunction),
  onRequest: optional(aFunction),
  onIgnoredProxy: optional(aFunction),
  onError: optional(aFunction),
};

const optionSet = createOptionSet<HandlerOptions, ResolvedHandlerOptions>({ of: "createHandler", rules });

/** @throws TypeError naming every option that is unknown or wrong. */
export function resolveHandlerOptions(given: HandlerOptions, issuer: string): ResolvedHandlerOptions {
  const options = optionSet.resolve(given);
  const mismatch = hstsMismatch(issuer, options.hsts);
  if (mismatch !== undefined) throw new TypeError(`Option 'hsts' ${mismatch}.`);
  return options;
}

type Problems = { readonly [Name in keyof Required<HandlerOptions>]: Problem };

/**
 * For each option, what is wrong with a value, as words that follow the option's name. For options read from elsewhere.
 */
export const handlerOptionProblems = Object.freeze(
  Object.fromEntries(optionSet.names.map((name) => [name, (value: unknown) => optionSet.problem(name, value)])),
) as Problems;
