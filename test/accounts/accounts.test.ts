import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
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

let laterByMs = 0;
const environment = { ...systemEnvironment, clock: { now: () => systemEnvironment.clock.now() + laterByMs } };
const PASSWORD = "a key under the doormat";
const OTHER_PASSWORD = "a key behind the shutter";
const WRONG_PASSWORD = "a key nobody ever made";
const ADDRESS = "192.0.2.1";

let store: Store;
let passwords: Passwords;
let accounts: Accounts;

beforeEach(async () => {
  laterByMs = 0;
  store = await createSqliteStore(":memory:");
  accounts = accountsWith({});
});

afterEach(async () => {
  vi.useRealTimers();
  await store.close();
});

function accountsWith({
  registration = "open",
  ...throttle
}: Partial<Pick<AccountsOptions, "registration"> & Omit<ThrottleOptions, "clock">>): Accounts {
  passwords = createPasswords({ random: environment.random, hashConcurrency: 2 });
  const policy = createPasswordPolicy({ contextWords: ["auth.example.com"] });
  const { clock } = environment;
  return createAccounts({
    store,
    environment,
    passwords,
    policy,
    throttle: createThrottle({ clock, ...throttle }),
    registration,
    recognisedDevice: (account, deviceToken) =>
      deviceToken === `a token of ${account}'s` ? { id: "device", credentialsVersion: 1 } : null,
    idleTtlSeconds: 14 * 86_400,
  });
}

function createAlice(): Promise<User> {
  return accounts.create({ username: "Alice", password: PASSWORD, roles: [] });
}

async function openSession(user: User, id: string): Promise<string> {
  const at = environment.clock.now();
  const [result] = await store.createSessions([
    {
      session: {
        id: Buffer.from(id.padEnd(16, ".")).toString("base64url"),
        subject: user.id,
        clientId: "first-party",
        salt: environment.random.bytes(16),
        rotation: initialRotation(at),
        createdAt: at,
        authTime: at,
        expiresAt: at + 1_000_000,
        revokedAt: null,
        revokedFor: null,
        device: null,
        userAgent: null,
        ip: null,
        scope: null,
        amr: null,
        claims: null,
        jkt: null,
        usedBefore: null,
        lastIp: null,
        lastUserAgent: null,
      },
      credentialsVersion: user.credentialsVersion,
      sessionLimit: 0,
    },
  ]);
  expect(result).toMatchObject({ created: true });
  return Buffer.from(id.padEnd(16, ".")).toString("base64url");
}

async function refusal(attempt: Promise<unknown>): Promise<LatchkeyError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LatchkeyError);
  return error as LatchkeyError;
}

/** Everything of an error that can reach whoever sent the request. */
function publicFace({ code, status, oauthError, description, retryAfterSeconds }: LatchkeyError): string {
  return JSON.stringify({ code, status, oauthError, description, retryAfterSeconds });
}

describe("register", () => {
  it("creates a user without roles who can sign in at once", async () => {
    const user = await accounts.register({ username: "Alice@Example.com", password: PASSWORD }, ADDRESS);
    expect(user).toMatchObject({
      id: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      username: "Alice@Example.com",
      canonicalUsername: "alice@example.com",
      roles: [],
      disabledAt: null,
    });
    const signedIn = await accounts.authenticate({ username: "ALICE@example.com", password: PASSWORD }, ADDRESS);
    expect(signedIn).toEqual({ user, amr: ["pwd"], credentialsVersion: 1 });
    expect(signedIn.user.passwordHash).toMatch(/^\$argon2id\$/);
  });

  it("is refused while registration is closed, before anything else is looked at", async () => {
    accounts = accountsWith({ registration: "closed" });
    const error = await refusal(accounts.register({ username: " ", password: "short" }, ADDRESS));
    expect(error).toMatchObject({ code: "registration_closed", status: 403 });
    expect(await accounts.list()).toEqual([]);
  });

  it.each([
    ["invalid_username", { username: "alice,bob", password: PASSWORD }],
    ["password_rejected", { username: "alice", password: "too short" }],
    ["password_rejected", { username: "alice.in.wonderland", password: "alice.in.wonderland" }],
    ["invalid_request", { username: "alice", password: "x".repeat(1025) }],
  ])("throws %s without hashing or counting a registration", async (code, credentials) => {
    accounts = accountsWith({ registrationsPerHour: 1 });
    for (let index = 0; index < 3; index++) {
      expect(await refusal(accounts.register(credentials, ADDRESS))).toMatchObject({ code });
    }
    expect(passwords.statistics().computed).toBe(0);
    await accounts.register({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("throws username_taken for any spelling of a username that exists, also to one of two at the same time", async () => {
    const spellings = ["josé", "JOSÉ", "Jose\u0301", "ｊosé"];
    const results = await Promise.allSettled(
      spellings.map((username) => accounts.register({ username, password: PASSWORD }, ADDRESS)),
    );
    const rejected = results.filter((result) => result.status === "rejected");
    expect(rejected).toHaveLength(3);
    for (const { reason } of rejected) expect(reason).toMatchObject({ code: "username_taken", status: 409 });
    expect(await accounts.list()).toHaveLength(1);
  });

  it("is throttled by address before any hashing, whether the username is free or taken", async () => {
    accounts = accountsWith({ registrationsPerHour: 2 });
    await accounts.register({ username: "alice", password: PASSWORD }, ADDRESS);
    await refusal(accounts.register({ username: "alice", password: PASSWORD }, ADDRESS));
    const [taken, free] = await Promise.all(
      ["alice", "bob"].map((username) => refusal(accounts.register({ username, password: PASSWORD }, ADDRESS))),
    );
    expect(taken).toMatchObject({ code: "too_many_requests", status: 429 });
    expect(publicFace(taken!)).toBe(publicFace(free!));
    expect(passwords.statistics().computed).toBe(2);
  });
});

describe("create", () => {
  it("gives the roles sorted and is neither closed nor throttled", async () => {
    accounts = accountsWith({ registration: "closed", registrationsPerHour: 1 });
    const first = await accounts.create({ username: "one", password: PASSWORD, roles: ["staff", "admin", "staff"] });
    await accounts.create({ username: "two", password: PASSWORD, roles: [] });
    expect(first.roles).toEqual(["admin", "staff"]);
    expect((await accounts.list()).map(({ username }) => username)).toEqual(["one", "two"]);
  });

  it("follows the same policy, and refuses roles that are none", async () => {
    const refused = [
      [{ username: "a b", password: PASSWORD, roles: [] }, "invalid_username"],
      [{ username: "alice", password: "passwordpassword", roles: [] }, "password_rejected"],
      [{ username: "alice", password: PASSWORD, roles: ["Super User"] }, "invalid_request"],
    ] as const;
    for (const [user, code] of refused) expect(await refusal(accounts.create(user))).toMatchObject({ code });
    expect(passwords.statistics().computed).toBe(0);
  });
});

describe("createFirstAdmin", () => {
  it("creates exactly one admin out of parallel attempts", async () => {
    const results = await Promise.allSettled(
      ["one", "two", "three"].map((username) => accounts.createFirstAdmin({ username, password: PASSWORD })),
    );
    const created = results.filter((result) => result.status === "fulfilled");
    expect(created.map(({ value }) => value.roles)).toEqual([["admin"]]);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "setup_closed", status: 403 });
    }
    expect(await accounts.list()).toHaveLength(1);
  });

  it("throws username_taken where the name belongs to somebody else", async () => {
    await createAlice();
    const error = await refusal(accounts.createFirstAdmin({ username: "ALICE", password: OTHER_PASSWORD }));
    expect(error).toMatchObject({ code: "username_taken" });
    expect((await accounts.list()).map(({ roles }) => roles)).toEqual([[]]);
  });
});

describe("authenticate", () => {
  it("PARITY 2: unknown user, wrong password and disabled user get the very same error after one hash each", async () => {
    await createAlice();
    await accounts.create({ username: "bob", password: PASSWORD, roles: [] });
    await accounts.disable("bob");
    const faces = new Set<string>();
    const attempts = [
      ["nobody", PASSWORD, "unknown_user"],
      ["not a username, at all", PASSWORD, "unknown_user"],
      ["alice", WRONG_PASSWORD, "wrong_password"],
      ["alice", "", "wrong_password"],
      ["bob", PASSWORD, "user_disabled"],
      ["bob", WRONG_PASSWORD, "wrong_password"],
    ] as const;
    for (const [username, password, detail] of attempts) {
      const before = passwords.statistics().computed;
      const error = await refusal(accounts.authenticate({ username, password }, ADDRESS));
      expect(error.detail).toBe(detail);
      expect(passwords.statistics().computed).toBe(before + 1);
      faces.add(publicFace(error));
    }
    expect([...faces]).toEqual([publicFace(new LatchkeyError("invalid_credentials"))]);
  });

  it("an unreadable stored hash is a wrong password", async () => {
    const user = await createAlice();
    const { id: userId, passwordHash: expectedHash, credentialsVersion: expectedVersion } = user;
    await store.replacePasswordHash({ userId, expectedHash, expectedVersion, newHash: "$argon2id$damaged" });
    const error = await refusal(accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
    expect(error).toMatchObject({ code: "invalid_credentials", detail: "wrong_password" });
  });

  it("a password of 1,025 bytes is invalid_request for known and unknown users, with nothing read, hashed or counted", async () => {
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 1 });
    await createAlice();
    const before = passwords.statistics().computed;
    const find = vi.spyOn(store, "findUserByUsername");
    for (const username of ["alice", "nobody", "alice", "nobody"]) {
      const error = await refusal(accounts.authenticate({ username, password: "x".repeat(1025) }, ADDRESS));
      expect(error).toMatchObject({ code: "invalid_request", status: 400 });
    }
    expect(passwords.statistics().computed).toBe(before);
    expect(find).not.toHaveBeenCalled();
    find.mockRestore();
    await accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("of 200 parallel guesses against a limit of 10, 10 reach the verifier and the others run zero hashes", async () => {
    await createAlice();
    const before = passwords.statistics().computed;
    const errors = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        refusal(accounts.authenticate({ username: "alice", password: `guess number ${index}` }, ADDRESS)),
      ),
    );
    const codes = errors.map(({ code }) => code);
    expect(codes.filter((code) => code === "invalid_credentials")).toHaveLength(10);
    expect(codes.filter((code) => code === "too_many_requests")).toHaveLength(190);
    expect(passwords.statistics().computed).toBe(before + 10);
  });

  it("PARITY 39: login is throttled by account and address, and the refusal is the same for an unknown account", async () => {
    // Each account's window begins at its own first failure, so for this the time stands still.
    vi.useFakeTimers({ toFake: ["Date"] });
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 2 });
    await createAlice();
    const faces = new Set<string>();
    for (const username of ["alice", "nobody", "not a username"]) {
      for (let index = 0; index < 2; index++) {
        await refusal(accounts.authenticate({ username, password: WRONG_PASSWORD }, ADDRESS));
      }
      const before = passwords.statistics().computed;
      const error = await refusal(accounts.authenticate({ username, password: PASSWORD }, ADDRESS));
      expect(error).toMatchObject({ code: "too_many_requests", status: 429, retryAfterSeconds: 900 });
      expect(passwords.statistics().computed).toBe(before);
      faces.add(publicFace(error));
    }
    expect(faces.size).toBe(1);
    await accounts.authenticate({ username: "alice", password: PASSWORD }, "198.51.100.1");
  });

  it("all spellings of a username share one limit", async () => {
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 2 });
    await createAlice();
    const codes = [];
    for (const username of ["alice", "ALICE", "Ａlice"]) {
      codes.push((await refusal(accounts.authenticate({ username, password: WRONG_PASSWORD }, ADDRESS))).code);
    }
    expect(codes).toEqual(["invalid_credentials", "invalid_credentials", "too_many_requests"]);
  });

  it("a success forgets the failures before it", async () => {
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 2 });
    await createAlice();
    for (let round = 0; round < 3; round++) {
      await refusal(accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS));
      await accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
    }
  });

  it("logins refused because the hashing queue is full get server_busy, and are not counted as failures", async () => {
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 200, failuresPerAccountPerHour: 200 });
    await createAlice();
    const errors = await Promise.all(
      Array.from({ length: 100 }, () =>
        refusal(accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS)),
      ),
    );
    const verified = errors.filter(({ code }) => code === "invalid_credentials").length;
    const busy = errors.filter(({ code }) => code === "server_busy");
    expect(verified + busy.length).toBe(100);
    expect(busy.length).toBeGreaterThan(0);
    expect(busy[0]).toMatchObject({ status: 503, retryAfterSeconds: 2 });
    // The address may fail 100 times. Had the busy ones counted, it could not fail once more.
    const error = await refusal(accounts.authenticate({ username: "bob", password: WRONG_PASSWORD }, ADDRESS));
    expect(error.code).toBe("invalid_credentials");
  });

  it("a login during which the store fails is not counted as a failure", async () => {
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 1 });
    await createAlice();
    const find = vi.spyOn(store, "findUserByUsername").mockRejectedValue(new LatchkeyError("store_unavailable"));
    for (let index = 0; index < 3; index++) {
      const error = await refusal(accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
      expect(error.code).toBe("store_unavailable");
    }
    find.mockRestore();
    await accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("NFC and NFD forms of a password both sign in", async () => {
    const password = "Schlüssel unter der Fußmatte";
    await accounts.create({ username: "alice", password: password.normalize("NFD"), roles: [] });
    for (const form of ["NFC", "NFD"]) {
      await accounts.authenticate({ username: "alice", password: password.normalize(form) }, ADDRESS);
    }
  });

  it("no error holds the password or the hash", async () => {
    const user = await createAlice();
    const errors = [
      await refusal(accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS)),
      await refusal(accounts.authenticate({ username: "nobody", password: WRONG_PASSWORD }, ADDRESS)),
      await refusal(accounts.authenticate({ username: "alice", password: WRONG_PASSWORD.repeat(99) }, ADDRESS)),
      await refusal(accounts.create({ username: "bob", password: WRONG_PASSWORD.slice(0, 14), roles: [] })),
    ];
    for (const error of errors) {
      const text = [error.message, error.stack, error.description, error.detail, JSON.stringify(error)].join("\n");
      expect(text).not.toContain(WRONG_PASSWORD.slice(0, 14));
      expect(text).not.toContain(user.passwordHash);
    }
  });
});

describe("the refusal's subject, for the operator", () => {
  it("is the id of the user where there is one, and is never part of what the public sees", async () => {
    const user = await createAlice();
    const known = await refusal(accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS));
    const unknown = await refusal(accounts.authenticate({ username: "nobody", password: WRONG_PASSWORD }, ADDRESS));
    expect([known.subject, unknown.subject]).toEqual([user.id, undefined]);
    expect(publicFace(known)).not.toContain(user.id);
  });
});

describe("verifyPassword", () => {
  it("accepts the password of the user, refuses any other and a disabled user alike", async () => {
    const user = await createAlice();
    await accounts.verifyPassword(user, PASSWORD, ADDRESS);
    const wrong = await refusal(accounts.verifyPassword(user, WRONG_PASSWORD, ADDRESS));
    const disabled = await refusal(accounts.verifyPassword({ ...user, disabledAt: 1 }, PASSWORD, ADDRESS));
    expect([wrong.code, wrong.status, wrong.detail]).toEqual(["wrong_password", 403, "wrong_password"]);
    expect([disabled.code, disabled.detail]).toEqual(["session_revoked", "user_disabled"]);
  });

  it("has a limit of the session's own, which failed logins do not touch", async () => {
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 2, reauthenticationsPer15Minutes: 2 });
    const user = await createAlice();
    for (let nth = 0; nth < 3; nth++)
      await refusal(accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS));
    await refusal(accounts.verifyPassword(user, WRONG_PASSWORD, "session"));
    expect(await accounts.verifyPassword(user, PASSWORD, "session")).toMatchObject({ user });
    expect((await refusal(accounts.verifyPassword(user, PASSWORD, "session"))).code).toBe("too_many_requests");
    expect(await accounts.verifyPassword(user, PASSWORD, "another")).toMatchObject({ user });
  });
});

describe("changePassword", () => {
  const requestOf = (user: User) => ({
    user,
    currentPassword: PASSWORD,
    newPassword: OTHER_PASSWORD,
    fromSessionId: null,
    newSession: () => newSession({ subject: user.id }),
    address: ADDRESS,
  });

  it("replaces the password, revokes every session, opens the new one, and returns it with the ids of the others", async () => {
    const user = await createAlice();
    const [from, one, two] = [
      await openSession(user, "from"),
      await openSession(user, "one"),
      await openSession(user, "two"),
    ];
    const { session, revoked } = await accounts.changePassword({ ...requestOf(user), fromSessionId: from });
    expect([...revoked].sort()).toEqual([from, one, two].sort());
    for (const id of revoked) expect(await store.findSession(id)).toMatchObject({ revokedFor: "password_changed" });
    expect(await store.findSession(session.id)).toEqual(session);
    await refusal(accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
    await accounts.authenticate({ username: "alice", password: OTHER_PASSWORD }, ADDRESS);
  });

  it("is session_revoked where the session that it is made in has ended, and changes nothing", async () => {
    const user = await createAlice();
    const from = await openSession(user, "from");
    await store.revokeSessions([from], { at: environment.clock.now(), reason: "logout" });
    const error = await refusal(accounts.changePassword({ ...requestOf(user), fromSessionId: from }));
    expect(error.code).toBe("session_revoked");
    expect(await store.findUser(user.id)).toEqual(user);
  });

  it("needs the current password, and failures count against the limiter", async () => {
    accounts = accountsWith({ failuresPerAccountAndAddressPer15Minutes: 2 });
    const user = await createAlice();
    const wrong = { ...requestOf(user), currentPassword: WRONG_PASSWORD };
    expect(await refusal(accounts.changePassword(wrong))).toMatchObject({ code: "wrong_password" });
    expect(await refusal(accounts.changePassword(wrong))).toMatchObject({ code: "wrong_password" });
    const before = passwords.statistics().computed;
    expect(await refusal(accounts.changePassword(requestOf(user)))).toMatchObject({ code: "too_many_requests" });
    expect(passwords.statistics().computed).toBe(before);
    expect(await store.findUser(user.id)).toEqual(user);
  });

  it.each([
    ["password_rejected", "too short"],
    ["password_rejected", "passwordpassword"],
    ["password_rejected", PASSWORD],
    ["password_rejected", PASSWORD.replaceAll(" ", "\u00a0")],
    ["invalid_request", "x".repeat(1025)],
  ])(
    "throws %s for a new password that is not acceptable or the current one, without a hash",
    async (code, newPassword) => {
      const user = await createAlice();
      const before = passwords.statistics().computed;
      expect(await refusal(accounts.changePassword({ ...requestOf(user), newPassword }))).toMatchObject({ code });
      expect(passwords.statistics().computed).toBe(before);
      expect(await store.findUser(user.id)).toEqual(user);
    },
  );

  it("of two changes at the same time one wins and the other is wrong_password", async () => {
    const user = await createAlice();
    const candidates = [OTHER_PASSWORD, "a key inside the mailbox"];
    const results = await Promise.allSettled(
      candidates.map((newPassword) => accounts.changePassword({ ...requestOf(user), newPassword })),
    );
    const won = results.findIndex(({ status }) => status === "fulfilled");
    expect(results[1 - won]).toMatchObject({
      status: "rejected",
      reason: { code: "wrong_password", detail: "changed_meanwhile" },
    });
    await accounts.authenticate({ username: "alice", password: candidates[won]! }, ADDRESS);
    await refusal(accounts.authenticate({ username: "alice", password: candidates[1 - won]! }, ADDRESS));
  });
});

describe("administration", () => {
  it("disable revokes all sessions of the user and keeps them out, enable lets them in again", async () => {
    const user = await createAlice();
    const sessionId = await openSession(user, "one");
    const disabled = await accounts.disable("ALICE");
    expect(disabled.revokedSessionIds).toEqual([sessionId]);
    expect(disabled.user).toEqual(await store.findUser(user.id));
    expect(disabled.user.disabledAt).not.toBeNull();
    await refusal(accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
    expect(await accounts.enable("alice")).toEqual(await store.findUser(user.id));
    await accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("disabling twice revokes nothing more, and the user stays disabled since the first time", async () => {
    await createAlice();
    const first = await accounts.disable("alice");
    laterByMs = 1000;
    const again = await accounts.disable("alice");
    expect(again.revokedSessionIds).toEqual([]);
    expect(again.user).toEqual(await store.findUserByUsername("alice"));
    expect(again.user.disabledAt).toBe(first.user.disabledAt);
  });

  it("setRoles replaces the roles, sorted and each once", async () => {
    await createAlice();
    const user = await accounts.setRoles("alice", ["staff", "admin", "staff"]);
    expect(user).toEqual(await store.findUserByUsername("alice"));
    expect(user.roles).toEqual(["admin", "staff"]);
    expect(await refusal(accounts.setRoles("alice", ["No Role"]))).toMatchObject({ code: "invalid_request" });
    expect(await store.findUserByUsername("alice")).toEqual(user);
  });

  it.each(["nobody", "not a username"])("an unknown user (%s) is not_found, with what to do", async (username) => {
    const attempts = [accounts.disable(username), accounts.enable(username), accounts.setRoles(username, [])];
    for (const attempt of attempts) {
      const error = await refusal(attempt);
      expect(error).toMatchObject({ code: "not_found", status: 404 });
      expect(error.description).toContain("latchkey user list");
    }
  });

  it("list goes page by page in order of canonical username", async () => {
    await Promise.all(
      ["carol", "Alice", "bob"].map((username) => accounts.create({ username, password: PASSWORD, roles: [] })),
    );
    const first = await accounts.list({ limit: 2 });
    expect(first.map(({ username }) => username)).toEqual(["Alice", "bob"]);
    const second = await accounts.list({ limit: 2, afterUsername: first.at(-1)!.canonicalUsername });
    expect(second.map(({ username }) => username)).toEqual(["carol"]);
  });
});
