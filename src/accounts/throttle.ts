import { createHash } from "node:crypto";
import { LatchkeyError } from "../errors.ts";
import { type AddressKeys, addressKeys, UNKNOWN_ADDRESS } from "./address-keys.ts";
import {
  type Attempts,
  createLocalAttempts,
  createSharedAttempts,
  keyInStore,
  type Limit,
  type LimitedKey,
  type Taking,
} from "./attempts.ts";
import { type ThrottleOptions, throttleOptions } from "./throttle-options.ts";
import { createWindowCount } from "./window-count.ts";

export type { ThrottleOptions } from "./throttle-options.ts";

/** A login that was admitted to the verifier, and counts as a failure until another outcome is reported. */
export interface LoginAttempt {
  /**
   * The password was right: the account's failures from this address are forgotten, and the attempt counts as a success.
   * @throws LatchkeyError `too_many_requests` if the account has signed in too often.
   */
  succeeded(): Promise<void>;
  /** The password was never checked, so the attempt counts nowhere. */
  withdrawn(): Promise<void>;
}

/** Why an attempt may be the owner's, so that what strangers do to the account from elsewhere does not count against it. */
export interface Recognition {
  /** The device, if it has proved that the account has signed in from it before; `null` for any other. */
  readonly device: string | null;
  /**
   * Whether the account has a session from this address. Called only if nothing except the account's own limit refuses.
   */
  hasSessionHere(): Promise<boolean>;
}

/**
 * Slows down guessing, by account, address and session. An address is a text as the socket returns it, or `null` if it
 * is not known: limits by address then do not count, since all clients would share one. A method that refuses throws
 * `too_many_requests` with `retryAfterSeconds`, at least 1.
 */
export interface Throttle {
  /**
   * Counts a login up front, so that of any number of parallel guesses no more than the limit get through. `account` is
   * the canonical username, whether or not the account exists: both are treated alike.
   *
   * A recognised device has a count of its own, and one that it shares with the account's other recognised devices, so
   * that no number of failures from elsewhere blocks it, and a thief of a device token gets no more attempts than these
   * counts. An address from which the account has a session is exempt from the account's limit, and from no other.
   */
  beforeLogin(account: string, address: string | null, recognition?: Recognition): Promise<LoginAttempt>;
  /**
   * Counts a password that is verified again, or changed, with a live access token: against its session, and against
   * nothing else, so that strangers' attempts on the account's name do not matter.
   */
  beforeReauthentication(sessionId: string): Promise<LoginAttempt>;
  countRegistration(address: string | null): Promise<void>;
  /** Refuses an address that has sent too many invalid refresh tokens. */
  refuseGuessing(address: string | null): void;
  countInvalidRefresh(address: string | null): void;
  /** Refuses a session that has been refreshed too often. */
  refuseRefresh(sessionId: string): void;
  countRefresh(sessionId: string): void;
  /** At most `limit` counts in the store, after `afterKey`; none if each process counts for itself. */
  list(afterKey: string, limit: number): Promise<readonly CountedAttempts[]>;
  /**
   * Lifts the limits that refuse an account's logins, or an address's logins and registrations; returns how many counts
   * there were.
   */
  lift(lifted: { readonly account: string } | { readonly address: string } | "all"): Promise<number>;
}

/** Attempts under one key. */
export interface CountedAttempts {
  /** As it is in the store. */
  readonly key: string;
  /** The limit's name, and what it counts: a digest of an account's name, an address, or a session. */
  readonly limit: string;
  readonly of: string;
  readonly count: number;
  readonly most: number;
  readonly windowEndsAt: number;
}

const STRANGER: Recognition = Object.freeze({ device: null, hasSessionHere: async () => false });

const NETWORK_FACTOR = 3;
const MINUTE = 60;
const QUARTER = 15 * MINUTE;
const HOUR = 60 * MINUTE;

/** @throws TypeError naming the option that is invalid. */
export function createThrottle(options: ThrottleOptions): Throttle {
  const { maxKeys, ...limits } = throttleOptions.resolveFrom(options);
  const { clock, counts } = options;
  const { loginsPerHour: logins, registrationsPerHour: registrations, sessionRefreshesPerMinute: refreshes } = limits;
  const { failuresPerAddressPer15Minutes: perAddress, invalidRefreshTokensPerMinute: invalidTokens } = limits;

  const windowCount = (limit: number) => createWindowCount({ limit, windowSeconds: MINUTE, maxKeys, clock });

  const login = {
    accountAndAddress: {
      name: "login-both",
      attempts: limits.failuresPerAccountAndAddressPer15Minutes,
      windowSeconds: QUARTER,
    },
    accountAndDevice: {
      name: "login-device",
      attempts: limits.failuresPerAccountAndAddressPer15Minutes,
      windowSeconds: QUARTER,
    },
    devices: { name: "login-devices", attempts: limits.failuresPerAccountPerHour, windowSeconds: HOUR },
    success: { name: "login-success", attempts: logins, windowSeconds: HOUR },
    address: { name: "login-address", attempts: perAddress, windowSeconds: QUARTER },
    network: { name: "login-network", attempts: perAddress * NETWORK_FACTOR, windowSeconds: QUARTER },
    account: { name: "login-account", attempts: limits.failuresPerAccountPerHour, windowSeconds: HOUR },
  };
  const reauthentication = {
    name: "reauthentication",
    attempts: limits.reauthenticationsPer15Minutes,
    windowSeconds: QUARTER,
  };
  const registration = {
    address: { name: "register-address", attempts: registrations, windowSeconds: HOUR },
    network: { name: "register-network", attempts: registrations * NETWORK_FACTOR, windowSeconds: HOUR },
  };
  const local = createLocalAttempts(maxKeys, clock);
  const attempts = counts === undefined ? local : createSharedAttempts(counts, local);
  const guessing = { address: windowCount(invalidTokens), network: windowCount(invalidTokens * NETWORK_FACTOR) };
  const refreshing = windowCount(refreshes);

  return {
    async beforeLogin(account, address, { device, hasSessionHere } = STRANGER) {
      const accountKey = keyOfAccount(account);
      const success: LimitedKey = { limit: login.success, key: accountKey };
      const looked: readonly LimitedKey[] = logins === 0 ? [] : [{ ...success, isOnlyLookedAt: true }];
      const attempt = (taking: Taking, own?: LimitedKey) =>
        attemptOf(taking, { own, success: logins === 0 ? undefined : success, attempts });
      if (device !== null) {
        const own: LimitedKey = { limit: login.accountAndDevice, key: `${accountKey} ${device}` };
        return attempt(await attempts.take([own, { limit: login.devices, key: accountKey }, ...looked]), own);
      }
      const keys = addressKeys(address);
      const [own, ...others] = keysOfAddress(keys, login);
      const both: LimitedKey | undefined = own && { limit: login.accountAndAddress, key: `${accountKey} ${own.key}` };
      const ofAddress = both === undefined || own === undefined ? [] : [both, own, ...others];
      const taking = await attempts.take([...ofAddress, { limit: login.account, key: accountKey }, ...looked]);
      const isRefusedForAccountAlone = taking.refusedBy?.every((limit) => limit === login.account) === true;
      if (!isRefusedForAccountAlone || !(await hasSessionHere())) return attempt(taking, both);
      return attempt(await attempts.take([...ofAddress, ...looked]), both);
    },

    async beforeReauthentication(sessionId) {
      const { giveBack } = taken(await attempts.take([{ limit: reauthentication, key: sessionId }]));
      return { succeeded: async () => {}, withdrawn: () => giveBack() };
    },

    async countRegistration(address) {
      const keys = keysOfAddress(addressKeys(address), registration);
      if (registrations > 0 && keys.length > 0) taken(await attempts.take(keys));
    },

    refuseGuessing(address) {
      const keys = addressKeys(address);
      if (guessing.address.isEmpty() || keys === UNKNOWN_ADDRESS) return;
      refuseFor(guessing.address.wait(keys.address));
      if (keys.network !== null) refuseFor(guessing.network.wait(keys.network));
    },

    countInvalidRefresh(address) {
      const keys = addressKeys(address);
      if (keys === UNKNOWN_ADDRESS) return;
      guessing.address.add(keys.address);
      if (keys.network !== null) guessing.network.add(keys.network);
    },

    refuseRefresh(sessionId) {
      if (refreshes > 0) refuseFor(refreshing.wait(sessionId));
    },

    countRefresh(sessionId) {
      if (refreshes > 0) refreshing.add(sessionId);
    },

    async list(afterKey, limit) {
      const found = (await counts?.listAttempts(afterKey, limit)) ?? [];
      const all: readonly Limit[] = [...Object.values(login), ...Object.values(registration), reauthentication];
      return found.map(({ key, count, windowEndsAt }) => {
        const [name = "", ...of] = key.split(" ");
        const most = all.find((one) => one.name === name)?.attempts ?? 0;
        return { key, limit: name, of: of.join(" "), count, most, windowEndsAt };
      });
    },

    async lift(lifted) {
      if (lifted === "all")
        return attempts.forget(
          [...Object.values(login), ...Object.values(registration), reauthentication].map(({ name }) => name),
        );
      if ("account" in lifted) {
        const key = keyOfAccount(lifted.account);
        const ofAccount = [
          login.accountAndAddress,
          login.accountAndDevice,
          login.devices,
          login.account,
          login.success,
        ];
        return attempts.forget(ofAccount.map(({ name }) => `${name} ${key}`));
      }
      const keys = addressKeys(lifted.address);
      return attempts.forget([...keysOfAddress(keys, login), ...keysOfAddress(keys, registration)].map(keyInStore));
    },
  };
}

interface AddressLimits {
  readonly address: Limit;
  readonly network: Limit;
}

/** The keys under which an address counts; none if it is not known. */
function keysOfAddress(keys: AddressKeys, { address, network }: AddressLimits): readonly LimitedKey[] {
  if (keys === UNKNOWN_ADDRESS) return [];
  const own = { limit: address, key: keys.address };
  return keys.network === null ? [own] : [own, { limit: network, key: keys.network }];
}

interface AttemptKeys {
  /** Where a success clears the failures before it. */
  readonly own: LimitedKey | undefined;
  /** Where it is counted. */
  readonly success: LimitedKey | undefined;
  readonly attempts: Attempts;
}

/** What the attempt may report when its outcome is known. */
function attemptOf(taking: Taking, { own, success, attempts }: AttemptKeys): LoginAttempt {
  const { giveBack } = taken(taking);
  return {
    async succeeded() {
      const counted = success && (await attempts.take([success]));
      await giveBack(own);
      if (counted !== undefined) taken(counted);
    },
    withdrawn: () => giveBack(),
  };
}

/** @throws LatchkeyError `too_many_requests` if the attempt was refused. */
function taken(taking: Taking): Extract<Taking, { readonly giveBack: unknown }> {
  refuseFor(taking.waitSeconds);
  return taking as Extract<Taking, { readonly giveBack: unknown }>;
}

function refuseFor(waitSeconds: number): void {
  if (waitSeconds <= 0) return;
  const description = `Too many attempts. Wait ${waitSeconds} s, then try again.`;
  throw new LatchkeyError("too_many_requests", { description, retryAfterSeconds: waitSeconds });
}

/** Always the same length, regardless of what was typed as a username. */
export function keyOfAccount(account: string): string {
  return createHash("sha256").update(account).digest("base64url").slice(0, 22);
}
