import { describe, expect, it, vi } from "vitest";
import { LatchkeyError } from "../../src/errors.ts";
import { ADDRESS, accountsWorld, PASSWORD, publicFace, refusal, WRONG_PASSWORD } from "./accounts-world.ts";

const world = accountsWorld();

describe("authenticate", () => {
  it("PARITY 2: unknown user, wrong password and disabled user get the very same error after one hash each", async () => {
    await world.createAlice();
    await world.accounts.create({ username: "bob", password: PASSWORD, roles: [] });
    await world.accounts.disable("bob");
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
      const before = world.passwords.statistics().computed;
      const error = await refusal(world.accounts.authenticate({ username, password }, ADDRESS));
      expect(error.detail).toBe(detail);
      expect(world.passwords.statistics().computed).toBe(before + 1);
      faces.add(publicFace(error));
    }
    expect([...faces]).toEqual([publicFace(new LatchkeyError("invalid_credentials"))]);
  });

  it("an unreadable stored hash is a wrong password", async () => {
    const user = await world.createAlice();
    const { id: userId, passwordHash: expectedHash, credentialsVersion: expectedVersion } = user;
    await world.store.replacePasswordHash({ userId, expectedHash, expectedVersion, newHash: "$argon2id$damaged" });
    const error = await refusal(world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
    expect(error).toMatchObject({ code: "invalid_credentials", detail: "wrong_password" });
  });

  it("a password of 1,025 bytes is invalid_request for known and unknown users, with nothing read, hashed or counted", async () => {
    world.use({ failuresPerAccountAndAddressPer15Minutes: 1 });
    await world.createAlice();
    const before = world.passwords.statistics().computed;
    const find = vi.spyOn(world.store, "findUserByUsername");
    for (const username of ["alice", "nobody", "alice", "nobody"]) {
      const error = await refusal(world.accounts.authenticate({ username, password: "x".repeat(1025) }, ADDRESS));
      expect(error).toMatchObject({ code: "invalid_request", status: 400 });
    }
    expect(world.passwords.statistics().computed).toBe(before);
    expect(find).not.toHaveBeenCalled();
    find.mockRestore();
    await world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("of 200 parallel guesses against a limit of 10, 10 reach the verifier and the others run zero hashes", async () => {
    await world.createAlice();
    const before = world.passwords.statistics().computed;
    const errors = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        refusal(world.accounts.authenticate({ username: "alice", password: `guess number ${index}` }, ADDRESS)),
      ),
    );
    const codes = errors.map(({ code }) => code);
    expect(codes.filter((code) => code === "invalid_credentials")).toHaveLength(10);
    expect(codes.filter((code) => code === "too_many_requests")).toHaveLength(190);
    expect(world.passwords.statistics().computed).toBe(before + 10);
  });

  it("PARITY 39: login is throttled by account and address, and the refusal is the same for an unknown account", async () => {
    // Each account's window begins at its own first failure, so for this the time stands still.
    vi.useFakeTimers({ toFake: ["Date"] });
    world.use({ failuresPerAccountAndAddressPer15Minutes: 2 });
    await world.createAlice();
    const faces = new Set<string>();
    for (const username of ["alice", "nobody", "not a username"]) {
      for (let index = 0; index < 2; index++) {
        await refusal(world.accounts.authenticate({ username, password: WRONG_PASSWORD }, ADDRESS));
      }
      const before = world.passwords.statistics().computed;
      const error = await refusal(world.accounts.authenticate({ username, password: PASSWORD }, ADDRESS));
      expect(error).toMatchObject({ code: "too_many_requests", status: 429, retryAfterSeconds: 900 });
      expect(world.passwords.statistics().computed).toBe(before);
      faces.add(publicFace(error));
    }
    expect(faces.size).toBe(1);
    await world.accounts.authenticate({ username: "alice", password: PASSWORD }, "198.51.100.1");
  });

  it("all spellings of a username share one limit", async () => {
    world.use({ failuresPerAccountAndAddressPer15Minutes: 2 });
    await world.createAlice();
    const codes = [];
    for (const username of ["alice", "ALICE", "Ａlice"]) {
      codes.push((await refusal(world.accounts.authenticate({ username, password: WRONG_PASSWORD }, ADDRESS))).code);
    }
    expect(codes).toEqual(["invalid_credentials", "invalid_credentials", "too_many_requests"]);
  });

  it("a success forgets the failures before it", async () => {
    world.use({ failuresPerAccountAndAddressPer15Minutes: 2 });
    await world.createAlice();
    for (let round = 0; round < 3; round++) {
      await refusal(world.accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS));
      await world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
    }
  });

  it("logins refused because the hashing queue is full get server_busy, and are not counted as failures", async () => {
    world.use({ failuresPerAccountAndAddressPer15Minutes: 200, failuresPerAccountPerHour: 200 });
    await world.createAlice();
    const errors = await Promise.all(
      Array.from({ length: 100 }, () =>
        refusal(world.accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS)),
      ),
    );
    const verified = errors.filter(({ code }) => code === "invalid_credentials").length;
    const busy = errors.filter(({ code }) => code === "server_busy");
    expect(verified + busy.length).toBe(100);
    expect(busy.length).toBeGreaterThan(0);
    expect(busy[0]).toMatchObject({ status: 503, retryAfterSeconds: 2 });
    // The address may fail 100 times. Had the busy ones counted, it could not fail once more.
    const error = await refusal(world.accounts.authenticate({ username: "bob", password: WRONG_PASSWORD }, ADDRESS));
    expect(error.code).toBe("invalid_credentials");
  });

  it("a login during which the store fails is not counted as a failure", async () => {
    world.use({ failuresPerAccountAndAddressPer15Minutes: 1 });
    await world.createAlice();
    const find = vi.spyOn(world.store, "findUserByUsername").mockRejectedValue(new LatchkeyError("store_unavailable"));
    for (let index = 0; index < 3; index++) {
      const error = await refusal(world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
      expect(error.code).toBe("store_unavailable");
    }
    find.mockRestore();
    await world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS);
  });

  it("NFC and NFD forms of a password both sign in", async () => {
    const password = "Schlüssel unter der Fußmatte";
    await world.accounts.create({ username: "alice", password: password.normalize("NFD"), roles: [] });
    for (const form of ["NFC", "NFD"]) {
      await world.accounts.authenticate({ username: "alice", password: password.normalize(form) }, ADDRESS);
    }
  });

  it("no error holds the password or the hash", async () => {
    const user = await world.createAlice();
    const errors = [
      await refusal(world.accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS)),
      await refusal(world.accounts.authenticate({ username: "nobody", password: WRONG_PASSWORD }, ADDRESS)),
      await refusal(world.accounts.authenticate({ username: "alice", password: WRONG_PASSWORD.repeat(99) }, ADDRESS)),
      await refusal(world.accounts.create({ username: "bob", password: WRONG_PASSWORD.slice(0, 14), roles: [] })),
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
    const user = await world.createAlice();
    const known = await refusal(world.accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS));
    const unknown = await refusal(
      world.accounts.authenticate({ username: "nobody", password: WRONG_PASSWORD }, ADDRESS),
    );
    expect([known.subject, unknown.subject]).toEqual([user.id, undefined]);
    expect(publicFace(known)).not.toContain(user.id);
  });
});

describe("verifyPassword", () => {
  it("accepts the password of the user, refuses any other and a disabled user alike", async () => {
    const user = await world.createAlice();
    await world.accounts.verifyPassword(user, PASSWORD, ADDRESS);
    const wrong = await refusal(world.accounts.verifyPassword(user, WRONG_PASSWORD, ADDRESS));
    const disabled = await refusal(world.accounts.verifyPassword({ ...user, disabledAt: 1 }, PASSWORD, ADDRESS));
    expect([wrong.code, wrong.status, wrong.detail]).toEqual(["wrong_password", 403, "wrong_password"]);
    expect([disabled.code, disabled.detail]).toEqual(["session_revoked", "user_disabled"]);
  });

  it("has a limit of the session's own, which failed logins do not touch", async () => {
    world.use({ failuresPerAccountAndAddressPer15Minutes: 2, reauthenticationsPer15Minutes: 2 });
    const user = await world.createAlice();
    for (let nth = 0; nth < 3; nth++)
      await refusal(world.accounts.authenticate({ username: "alice", password: WRONG_PASSWORD }, ADDRESS));
    await refusal(world.accounts.verifyPassword(user, WRONG_PASSWORD, "session"));
    expect(await world.accounts.verifyPassword(user, PASSWORD, "session")).toMatchObject({ user });
    expect((await refusal(world.accounts.verifyPassword(user, PASSWORD, "session"))).code).toBe("too_many_requests");
    expect(await world.accounts.verifyPassword(user, PASSWORD, "another")).toMatchObject({ user });
  });
});
