import { afterEach, beforeEach, expect, vi } from "vitest";
import { type Accounts, type AccountsOptions, createAccounts } from "../../src/accounts/accounts.ts";
import { createPasswordPolicy } from "../../src/accounts/password-policy.ts";
import { createPasswords, type Passwords } from "../../src/accounts/passwords.ts";
import { createThrottle, type ThrottleOptions } from "../../src/accounts/throttle.ts";
import { systemEnvironment } from "../../src/environment.ts";
import { LatchkeyError } from "../../src/errors.ts";
import { initialRotation } from "../../src/records/rotation.ts";
import type { User } from "../../src/records/user.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { newSession } from "../support/records.ts";

export const PASSWORD = "a key under the doormat";
export const OTHER_PASSWORD = "a key behind the shutter";
export const WRONG_PASSWORD = "a key nobody ever made";
export const ADDRESS = "192.0.2.1";

type Settings = Partial<Pick<AccountsOptions, "registration"> & Omit<ThrottleOptions, "clock">>;

/** Accounts on a store in memory of their own for each test, with open registration until {@link AccountsWorld.use} says otherwise. */
export interface AccountsWorld {
  readonly store: Store;
  readonly passwords: Passwords;
  readonly accounts: Accounts;
  now(): number;
  advanceMs(ms: number): void;
  /** Begins again with these settings, on the same store. */
  use(settings: Settings): void;
  createAlice(): Promise<User>;
  /** Opens a session by the user's password, and returns its id. */
  openSession(user: User, name: string): Promise<string>;
}

/** To be called once, at the top of a file. */
export function accountsWorld(): AccountsWorld {
  let laterByMs = 0;
  let store: Store;
  let passwords: Passwords;
  let accounts: Accounts;
  const clock = { now: () => systemEnvironment.clock.now() + laterByMs };
  const environment = { ...systemEnvironment, clock };

  beforeEach(async () => {
    laterByMs = 0;
    store = await createSqliteStore(":memory:");
    use({});
  });
  afterEach(async () => {
    vi.useRealTimers();
    await store.close();
  });

  function use({ registration = "open", ...throttle }: Settings): void {
    passwords = createPasswords({ random: environment.random, hashConcurrency: 2 });
    accounts = createAccounts({
      store,
      environment,
      passwords,
      policy: createPasswordPolicy({ contextWords: ["auth.example.com"] }),
      throttle: createThrottle({ clock, ...throttle }),
      registration,
      recognisedDevice: (account, deviceToken) =>
        deviceToken === `a token of ${account}'s` ? { id: "device", credentialsVersion: 1 } : null,
      idleTtlSeconds: 14 * 86_400,
    });
  }

  return {
    get store() {
      return store;
    },
    get passwords() {
      return passwords;
    },
    get accounts() {
      return accounts;
    },
    now: clock.now,
    advanceMs(ms) {
      laterByMs += ms;
    },
    use,
    createAlice: () => accounts.create({ username: "Alice", password: PASSWORD, roles: [] }),
    async openSession(user, name) {
      const id = Buffer.from(name.padEnd(16, ".")).toString("base64url");
      const at = clock.now();
      const session = newSession({
        id,
        subject: user.id,
        clientId: "first-party",
        rotation: initialRotation(at),
        createdAt: at,
        authTime: at,
        expiresAt: at + 1_000_000,
      });
      const [result] = await store.createSessions([
        { session, credentialsVersion: user.credentialsVersion, sessionLimit: 0 },
      ]);
      expect(result).toMatchObject({ created: true });
      return id;
    },
  };
}

export async function refusal(attempt: Promise<unknown>): Promise<LatchkeyError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LatchkeyError);
  return error as LatchkeyError;
}

/** Everything of an error that can reach the client. */
export function publicFace({ code, status, oauthError, description, retryAfterSeconds }: LatchkeyError): string {
  return JSON.stringify({ code, status, oauthError, description, retryAfterSeconds });
}
