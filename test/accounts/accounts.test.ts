import { describe, expect, it } from "vitest";
import { ADDRESS, accountsWorld, OTHER_PASSWORD, PASSWORD, publicFace, refusal } from "./accounts-world.ts";

const world = accountsWorld();

describe("register", () => {
  it("creates a user without roles who can sign in at once", async () => {
    const user = await world.accounts.register({ username: "Alice@Example.com", password: PASSWORD }, ADDRESS);
    expect(user).toMatchObject({
      id: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      username: "Alice@Example.com",
      canonicalUsername: "alice@example.com",
      roles: [],
      disabledAt: null,
    });
    const signedIn = await world.accounts.authenticate({ username: "ALICE@example.com", password: PASSWORD }, ADDRESS);
    expect(signedIn).toEqual({ user, amr: ["pwd"], credentialsVersion: 1 });
    expect(signedIn.user.passwordHash).toMatch(/^\$argon2id\$/);
  });

  it("is refused while registration is closed, before anything else is looked at", async () => {
    world.use({ registration: "closed" });
    const error = await refusal(world.accounts.register({ username: " ", password: "short" }, ADDRESS));
    expect(error).toMatchObject({ code: "registration_closed", status: 403 });
    expect(await world.accounts.list()).toEqual([]);
  });

  it.each([
    ["invalid_username", { username: "alice,bob", password: PASSWORD }],
    ["password_rejected", { username: "alice", password: "too short" }],
    ["password_rejected", { username: "alice.in.wonderland", password: "alice.in.wonderland" }],
    ["invalid_request", { username: "alice", password: "x".repeat(1025) }],
  ])("throws %s without hashing or counting a registration", async (code, credentials) => {
    world.use({ registrationsPerHour: 1 });
    for (let index = 0; index < 3; index++) {
      expect(await refusal(world.accounts.register(credentials, ADDRESS))).toMatchObject({ code });
    }
    expect(world.passwords.statistics().computed).toBe(0);
    await world.accounts.register({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("throws username_taken for any spelling of a username that exists, also to one of two at the same time", async () => {
    const spellings = ["josé", "JOSÉ", "Jose\u0301", "ｊosé"];
    const results = await Promise.allSettled(
      spellings.map((username) => world.accounts.register({ username, password: PASSWORD }, ADDRESS)),
    );
    const rejected = results.filter((result) => result.status === "rejected");
    expect(rejected).toHaveLength(3);
    for (const { reason } of rejected) expect(reason).toMatchObject({ code: "username_taken", status: 409 });
    expect(await world.accounts.list()).toHaveLength(1);
  });

  it("is throttled by address before any hashing, whether the username is free or taken", async () => {
    world.use({ registrationsPerHour: 2 });
    await world.accounts.register({ username: "alice", password: PASSWORD }, ADDRESS);
    await refusal(world.accounts.register({ username: "alice", password: PASSWORD }, ADDRESS));
    const [taken, free] = await Promise.all(
      ["alice", "bob"].map((username) => refusal(world.accounts.register({ username, password: PASSWORD }, ADDRESS))),
    );
    expect(taken).toMatchObject({ code: "too_many_requests", status: 429 });
    expect(publicFace(taken!)).toBe(publicFace(free!));
    expect(world.passwords.statistics().computed).toBe(2);
  });
});

describe("create", () => {
  it("gives the roles sorted and is neither closed nor throttled", async () => {
    world.use({ registration: "closed", registrationsPerHour: 1 });
    const first = await world.accounts.create({
      username: "one",
      password: PASSWORD,
      roles: ["staff", "admin", "staff"],
    });
    await world.accounts.create({ username: "two", password: PASSWORD, roles: [] });
    expect(first.roles).toEqual(["admin", "staff"]);
    expect((await world.accounts.list()).map(({ username }) => username)).toEqual(["one", "two"]);
  });

  it("follows the same policy, and refuses roles that are none", async () => {
    const refused = [
      [{ username: "a b", password: PASSWORD, roles: [] }, "invalid_username"],
      [{ username: "alice", password: "passwordpassword", roles: [] }, "password_rejected"],
      [{ username: "alice", password: PASSWORD, roles: ["Super User"] }, "invalid_request"],
    ] as const;
    for (const [user, code] of refused) expect(await refusal(world.accounts.create(user))).toMatchObject({ code });
    expect(world.passwords.statistics().computed).toBe(0);
  });
});

describe("createFirstAdmin", () => {
  it("creates exactly one admin out of parallel attempts", async () => {
    const results = await Promise.allSettled(
      ["one", "two", "three"].map((username) => world.accounts.createFirstAdmin({ username, password: PASSWORD })),
    );
    const created = results.filter((result) => result.status === "fulfilled");
    expect(created.map(({ value }) => value.roles)).toEqual([["admin"]]);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "setup_closed", status: 403 });
    }
    expect(await world.accounts.list()).toHaveLength(1);
  });

  it("throws username_taken where the name belongs to somebody else", async () => {
    await world.createAlice();
    const error = await refusal(world.accounts.createFirstAdmin({ username: "ALICE", password: OTHER_PASSWORD }));
    expect(error).toMatchObject({ code: "username_taken" });
    expect((await world.accounts.list()).map(({ roles }) => roles)).toEqual([[]]);
  });
});

describe("administration", () => {
  it("disable revokes all sessions of the user and keeps them out, enable lets them in again", async () => {
    const user = await world.createAlice();
    const sessionId = await world.openSession(user, "one");
    const disabled = await world.accounts.disable("ALICE");
    expect(disabled.revokedSessionIds).toEqual([sessionId]);
    expect(disabled.user).toEqual(await world.store.findUser(user.id));
    expect(disabled.user.disabledAt).not.toBeNull();
    await refusal(world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
    expect(await world.accounts.enable("alice")).toEqual(await world.store.findUser(user.id));
    await world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("disabling twice revokes nothing more, and the user stays disabled since the first time", async () => {
    await world.createAlice();
    const first = await world.accounts.disable("alice");
    world.advanceMs(1000);
    const again = await world.accounts.disable("alice");
    expect(again.revokedSessionIds).toEqual([]);
    expect(again.user).toEqual(await world.store.findUserByUsername("alice"));
    expect(again.user.disabledAt).toBe(first.user.disabledAt);
  });

  it("setRoles replaces the roles, sorted and each once", async () => {
    await world.createAlice();
    const user = await world.accounts.setRoles("alice", ["staff", "admin", "staff"]);
    expect(user).toEqual(await world.store.findUserByUsername("alice"));
    expect(user.roles).toEqual(["admin", "staff"]);
    expect(await refusal(world.accounts.setRoles("alice", ["No Role"]))).toMatchObject({ code: "invalid_request" });
    expect(await world.store.findUserByUsername("alice")).toEqual(user);
  });

  it.each(["nobody", "not a username"])("an unknown user (%s) is not_found, with what to do", async (username) => {
    const attempts = [
      world.accounts.disable(username),
      world.accounts.enable(username),
      world.accounts.setRoles(username, []),
    ];
    for (const attempt of attempts) {
      const error = await refusal(attempt);
      expect(error).toMatchObject({ code: "not_found", status: 404 });
      expect(error.description).toContain("latchkey user list");
    }
  });

  it("list goes page by page in order of canonical username", async () => {
    await Promise.all(
      ["carol", "Alice", "bob"].map((username) => world.accounts.create({ username, password: PASSWORD, roles: [] })),
    );
    const first = await world.accounts.list({ limit: 2 });
    expect(first.map(({ username }) => username)).toEqual(["Alice", "bob"]);
    const second = await world.accounts.list({ limit: 2, afterUsername: first.at(-1)!.canonicalUsername });
    expect(second.map(({ username }) => username)).toEqual(["carol"]);
  });
});
