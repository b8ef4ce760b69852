import type { Clock } from "../environment.ts";
import { createOptionSet, wholeNumber, withDefault } from "../option-rules.ts";
import type { AttemptCounts } from "../store/attempt-counts.ts";

/**
 * The limits on attempts. Where an address has a limit, the /48 around an IPv6 address has a limit three times as high.
 */
export interface ThrottleLimits {
  /** Failed logins of one account from one address, or from one recognised device at any address. Default: 10. */
  readonly failuresPerAccountAndAddressPer15Minutes?: number | undefined;
  /** Failed logins from one address, of all accounts together. Default: 100. */
  readonly failuresPerAddressPer15Minutes?: number | undefined;
  /**
   * Failed logins of one account, from all addresses; and, counted separately, from all its recognised devices.
   * Default: 100.
   */
  readonly failuresPerAccountPerHour?: number | undefined;
  /** How often one account may log in. 0 = no limit. Default: 60. */
  readonly loginsPerHour?: number | undefined;
  /** Passwords verified again or changed within one session, right or wrong. Default: 10. */
  readonly reauthenticationsPer15Minutes?: number | undefined;
  /** How many accounts one address may register, taken usernames included. 0 = no limit. Default: 60. */
  readonly registrationsPerHour?: number | undefined;
  /** Unknown or forged refresh tokens from one address. Default: 60. */
  readonly invalidRefreshTokensPerMinute?: number | undefined;
  /** How often one session may refresh. 0 = no limit. Default: 120. */
  readonly sessionRefreshesPerMinute?: number | undefined;
}

/** The options of `createThrottle`. */
export interface ThrottleOptions extends ThrottleLimits {
  readonly clock: Clock;
  /**
   * Where logins and registrations are counted for several processes together. Default: in memory, as are refreshes always:
   * those limits are about load, which each process has for itself, and must not cost a refresh a round trip.
   */
  readonly counts?: AttemptCounts | undefined;
  /**
   * How many accounts, addresses and sessions each limit counts in memory. Above that the login limits forget the one
   * whose last attempt is the oldest; since every attempt that is counted there costs a password hash, guessing never
   * becomes unlimited. Default: 100,000, about 25 MB for each of the five login limits when full.
   */
  readonly maxKeys?: number | undefined;
}

const rules = {
  failuresPerAccountAndAddressPer15Minutes: withDefault(10, wholeNumber(1)),
  failuresPerAddressPer15Minutes: withDefault(100, wholeNumber(1)),
  failuresPerAccountPerHour: withDefault(100, wholeNumber(1)),
  loginsPerHour: withDefault(60, wholeNumber(0, 1_000_000)),
  reauthenticationsPer15Minutes: withDefault(10, wholeNumber(1)),
  registrationsPerHour: withDefault(60, wholeNumber(0, 1_000_000)),
  invalidRefreshTokensPerMinute: withDefault(60, wholeNumber(1)),
  sessionRefreshesPerMinute: withDefault(120, wholeNumber(0, 1_000_000)),
};

/** The limits' rules, which apply to the issuer's options too. */
export const throttleLimitRules = Object.freeze(rules);

/** How many keys are counted in memory. */
export const maxKeysRule = withDefault(100_000, wholeNumber(1));

type Counted = Omit<ThrottleOptions, "clock" | "counts">;

export const throttleOptions = createOptionSet<Counted, { readonly [Name in keyof Counted]-?: number }>({
  of: "createThrottle",
  rules: { ...rules, maxKeys: maxKeysRule },
});
