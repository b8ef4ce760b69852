import { describe, expect, it } from "vitest";
import { createPasswords } from "../../src/accounts/passwords.ts";
import { createVerification } from "../../src/accounts/verification.ts";
import { systemEnvironment } from "../../src/environment.ts";
import type { ImportedUser, LatchkeyError } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { FOREIGN_PASSWORD, foreignHashes } from "../support/foreign-hashes.ts";
import { newUser, passwordChange } from "../support/records.ts";
import { createTestBed, createTestClock } from "../support/test-bed.ts";

const NEW_PASSWORD = "a quite different passphrase";
const credentials = { username: "ada", password: FOREIGN_PASSWORD };
const scrypt = foreignHashes["passlib scrypt of few rounds"]!;
const betterAuth = foreignHashes["Better Auth"]!;

const ada = (changes: Partial<ImportedUser> = {}): ImportedUser => ({
  id: "6uEpv1V9hV9gb13uwlwamXrhJaudBnq1",
  username: "ada",
  passwordHash: scrypt,
  roles: ["editor"],
  ...changes,
});

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "answered",
    (error: LatchkeyError) => `${error.code} ${error.detail ?? error.description}`,
  );

describe("an imported user", () => {
  it.each(Object.entries(foreignHashes))(
    "PARITY 37: with a hash of %s signs in with the old password, keeps id and roles, and has an argon2id hash from then on",
    async (_, passwordHash) => {
      const { issuer, store } = await createTestBed();
      expect(await issuer.users.import([ada({ passwordHash })])).toEqual(["created"]);
      expect(await refusal(issuer.login({ ...credentials, password: "not hers at all" }))).toMatch(
        /^invalid_credentials/,
      );
      const pair = await issuer.login(credentials);
      expect(await issuer.verify(pair.accessToken)).toMatchObject({ sub: ada().id, roles: ["editor"] });
      const { passwordHash: upgraded } = (await store.findUser(ada().id))!;
      expect(upgraded).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
      await issuer.login(credentials);
      expect((await store.findUser(ada().id))?.passwordHash).toBe(upgraded);
      expect(await refusal(issuer.refresh(pair.refreshToken))).toBe("answered");
      expect(await refusal(issuer.login({ ...credentials, password: "not hers at all" }))).toMatch(
        /^invalid_credentials/,
      );
    },
  );

  it("signs in eight times at once, and every one of the sessions is good", async () => {
    const { issuer } = await createTestBed();
    await issuer.users.import([ada()]);
    const pairs = await Promise.all(Array.from({ length: 8 }, () => issuer.login(credentials)));
    for (const { refreshToken } of pairs) expect(await refusal(issuer.refresh(refreshToken))).toBe("answered");
  });

  it("SECURITY 8: whose password changes while it is verified for a sign-in never gets the old one back", async () => {
    const clock = createTestClock();
    const store = await createSqliteStore(":memory:");
    const { random } = systemEnvironment;
    const passwords = createPasswords({ random });
    const bed = await createTestBed();
    await bed.issuer.users.import([ada()]);
    const imported = (await bed.store.findUser(ada().id))!;
    await store.importUsers([imported]);
    const changedHash = await passwords.hash(NEW_PASSWORD);
    // The change is committed after the old hash has been verified and before it is replaced.
    const racing = {
      ...passwords,
      async hash(password: string) {
        expect(await store.changePassword(passwordChange(imported, { newHash: changedHash }))).toEqual([]);
        return passwords.hash(password);
      },
    };
    const verification = createVerification({ store, passwords: racing, clock });
    expect(await verification(FOREIGN_PASSWORD, imported)).toMatchObject({ matches: false });
    expect((await store.findUser(imported.id))?.passwordHash).toBe(changedHash);
    await store.close();
  });

  it("is given back by the verification as they are stored after the rehash, and where a disabling came in between", async () => {
    const bed = await createTestBed();
    const { store, clock } = bed;
    await bed.issuer.users.import([ada(), ada({ id: "another", username: "eve" })]);
    const [first, second] = [(await store.findUser(ada().id))!, (await store.findUser("another"))!];
    const passwords = createPasswords({ random: systemEnvironment.random });
    const verified = await createVerification({ store, passwords, clock })(FOREIGN_PASSWORD, first);
    expect(verified).toEqual({ matches: true, user: await store.findUser(first.id) });
    expect(verified.user?.credentialsVersion).toBe(2);
    const racing = {
      ...passwords,
      async hash(password: string) {
        await store.disableUser(second.id, clock.now());
        await store.enableUser(second.id, clock.now());
        return passwords.hash(password);
      },
    };
    const late = await createVerification({ store, passwords: racing, clock })(FOREIGN_PASSWORD, second);
    expect(late).toEqual({ matches: true, user: await store.findUser(second.id) });
    expect(late.user).toMatchObject({ passwordHash: second.passwordHash, credentialsVersion: 3 });
  });

  it("changes the password and proves it again while the hash is still the imported one", async () => {
    const { issuer, store } = await createTestBed();
    await issuer.users.import([ada()]);
    const pair = await issuer.issue({ subject: ada().id });
    const claims = await issuer.verify(pair.accessToken);
    expect((await issuer.verify((await issuer.reauthenticate(claims, FOREIGN_PASSWORD)).accessToken)).fresh).toBe(true);
    await issuer.users.import([ada({ id: "another", username: "eve" })]);
    const change = { userId: "another", currentPassword: FOREIGN_PASSWORD, newPassword: NEW_PASSWORD };
    await issuer.users.changePassword(change);
    expect(await refusal(issuer.login({ username: "eve", password: NEW_PASSWORD }))).toBe("answered");
    expect(await store.findLastImportedHash()).toBeNull();
  });

  it("without a password cannot sign in with any, and has sessions by other means", async () => {
    const { issuer } = await createTestBed();
    await issuer.users.import([ada({ passwordHash: null })]);
    for (const password of ["!", "", "null", FOREIGN_PASSWORD]) {
      expect(await refusal(issuer.login({ username: "ada", password }))).toBe("invalid_credentials wrong_password");
    }
    expect(await refusal(issuer.issue({ subject: ada().id }))).toBe("answered");
  });

  it("who was disabled stays so, and their hash is left alone", async () => {
    const { issuer, store } = await createTestBed();
    await issuer.users.import([ada({ disabled: true })]);
    expect(await refusal(issuer.login(credentials))).toBe("invalid_credentials user_disabled");
    expect(await store.findLastImportedHash()).toContain(scrypt);
  });
});

describe("an import", () => {
  it("done again leaves everybody as they are, and says whose id or name is another's", async () => {
    const { issuer } = await createTestBed();
    await issuer.users.import([ada({ createdAt: 1_700_000_000_000 })]);
    await issuer.login(credentials);
    const before = await issuer.users.find(ada().id);
    expect(before?.createdAt).toBe(1_700_000_000_000);
    expect(
      await issuer.users.import([ada(), ada({ username: "eve" }), ada({ id: "another", username: "ADA" })]),
    ).toEqual(["known", "id_taken", "username_taken"]);
    expect(await issuer.users.find(ada().id)).toStrictEqual(before);
  });

  it.each<[string, Partial<ImportedUser>]>([
    ["invalid_request User 2: The user cannot be imported: 'id'", { id: "" }],
    ["invalid_request User 2: The user cannot be imported: 'id'", { id: "x".repeat(256) }],
    ["invalid_request User 2: The user cannot be imported: 'id'", { id: "lkc_AAAAAAAAAAAAAAAAAAAAAA" }],
    ["invalid_username User 2: A username must not contain spaces", { username: "ada lovelace" }],
    [
      "invalid_request User 2: The user cannot be imported: the format of the password hash is unknown",
      { passwordHash: "hunter2" },
    ],
    ["invalid_request User 2: A role", { roles: ["Editor!"] }],
    ["invalid_request User 2: The user cannot be imported: the time", { createdAt: Number.NaN }],
  ])("in which one cannot be creates nobody, and says which: %s", async (said, changes) => {
    const { issuer } = await createTestBed();
    const answer = await refusal(issuer.users.import([ada({ id: "first", username: "eve" }), ada(changes)]));
    expect(answer).toContain(said);
    expect(answer).not.toContain("hunter2");
    expect(await issuer.users.list()).toEqual([]);
  });

  it("of more than a thousand at once is refused", async () => {
    const { issuer } = await createTestBed();
    await expect(issuer.users.import(Array.from({ length: 1001 }, () => ada()))).rejects.toThrow(TypeError);
  });
});

describe("the work of a refusal", () => {
  /** A verification that says which hashes it has computed. */
  async function spied(...hashes: readonly string[]) {
    const clock = createTestClock();
    const bed = await createTestBed();
    await bed.issuer.users.import(
      hashes.map((passwordHash, index) => ada({ id: `id-${index}`, username: `user-${index}`, passwordHash })),
    );
    const passwords = createPasswords({ random: systemEnvironment.random });
    const work: string[] = [];
    const spy = {
      ...passwords,
      verify(password: string, stored: string) {
        work.push(stored.startsWith("imported:") ? stored.slice("imported:00000:".length) : "argon2id");
        return passwords.verify(password, stored);
      },
      verifyAgainstNobody(password: string) {
        work.push("argon2id");
        return passwords.verifyAgainstNobody(password);
      },
    };
    const verification = createVerification({ store: bed.store, passwords: spy, clock });
    const own = newUser({ passwordHash: await passwords.hash(NEW_PASSWORD) });
    return {
      ...bed,
      clock,
      own,
      async workOf(user: Parameters<typeof verification>[1], password = "wrong password") {
        work.length = 0;
        await verification(password, user);
        return work.toSorted();
      },
    };
  }

  it("SECURITY 17: is the same for nobody, a user with an own hash, one with an imported hash and one who is disabled", async () => {
    const { workOf, store, own } = await spied(betterAuth);
    const imported = (await store.findUser("id-0"))!;
    const same = ["argon2id", betterAuth].toSorted();
    expect(await workOf(null)).toEqual(same);
    expect(await workOf(own)).toEqual(same);
    expect(await workOf({ ...own, disabledAt: 1 }, NEW_PASSWORD)).toEqual(same);
    expect(await workOf(imported)).toEqual(same);
    expect(await workOf({ ...imported, disabledAt: 1 }, FOREIGN_PASSWORD)).toEqual(same);
  });

  it("goes by the costliest imported hash, and is one own hash again within a minute of the last one's going", async () => {
    const cheap = foreignHashes["passlib pbkdf2_sha256"]!;
    const { workOf, store, issuer, clock } = await spied(cheap, betterAuth);
    expect(await workOf(null)).toEqual(["argon2id", betterAuth].toSorted());
    await issuer.login({ username: "user-1", password: FOREIGN_PASSWORD });
    clock.advanceSeconds(61);
    expect(await workOf(null)).toEqual(["argon2id", cheap].toSorted());
    await issuer.login({ username: "user-0", password: FOREIGN_PASSWORD });
    clock.advanceSeconds(61);
    expect(await workOf(null)).toEqual(["argon2id"]);
    expect(await store.findLastImportedHash()).toBeNull();
  });
});
