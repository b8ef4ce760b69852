import { availableParallelism } from "node:os";
import argon2, { parseOptions } from "@node-rs/argon2";
import { describe, expect, it, vi } from "vitest";
import { PASSWORD_MAX_BYTES, preparePassword } from "../../src/accounts/password-text.ts";
import { createPasswords, type PasswordsOptions } from "../../src/accounts/passwords.ts";
import { systemEnvironment } from "../../src/environment.ts";

const { random } = systemEnvironment;
const passwords = createPasswords({ random, hashConcurrency: 2 });

describe("parameters", () => {
  it.each<[keyof PasswordsOptions, Omit<PasswordsOptions, "random">]>([
    ["argon2MemoryKib", { argon2MemoryKib: 19_455 }],
    ["argon2MemoryKib", { argon2MemoryKib: 19_455, argon2Passes: 10 }],
    ["argon2MemoryKib", { argon2MemoryKib: 19_456.5 }],
    ["argon2Passes", { argon2Passes: 1 }],
    ["argon2Passes", { argon2Passes: 1, argon2MemoryKib: 47_103 }],
    ["argon2Passes", { argon2Passes: 0, argon2MemoryKib: 1_000_000 }],
    ["argon2Lanes", { argon2Lanes: 0 }],
    ["hashConcurrency", { hashConcurrency: 0 }],
    ["hashConcurrency", { hashConcurrency: Number.NaN }],
    ["hashQueueLength", { hashQueueLength: -1 }],
  ])("a %s that is too weak or no such number is refused by name: %j", (name, options) => {
    expect(() => createPasswords({ random, ...options })).toThrow(TypeError);
    expect(() => createPasswords({ random, ...options })).toThrow(`Option '${name}'`);
  });

  it("both of OWASP's pairs are accepted", () => {
    expect(() => createPasswords({ random, argon2MemoryKib: 19_456, argon2Passes: 2 })).not.toThrow();
    expect(() => createPasswords({ random, argon2MemoryKib: 47_104, argon2Passes: 1 })).not.toThrow();
  });

  it("a hash is an argon2id PHC string with the default parameters and a fresh 16-byte salt", async () => {
    const [one, two] = await Promise.all([passwords.hash("one and the same"), passwords.hash("one and the same")]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(parseOptions(one)).toMatchObject({ saltLen: 16, outputLen: 32 });
    expect(two).not.toBe(one);
    expect(two.split("$")[4]).not.toBe(one.split("$")[4]);
  });

  it("a hash has the configured parameters", async () => {
    const strong = createPasswords({ random, argon2MemoryKib: 20_480, argon2Passes: 3, argon2Lanes: 2 });
    const phc = await strong.hash("a stronger password hash");
    expect(parseOptions(phc)).toMatchObject({ memoryCost: 20_480, timeCost: 3, parallelism: 2 });
    expect(await passwords.verify("a stronger password hash", phc)).toBe(true);
  });
});

describe("verifying", () => {
  it.each([64, 73, 128])(
    "changing the first, 72nd or last character of a %i-character password fails",
    async (length) => {
      const password = "x".repeat(length);
      const phc = await passwords.hash(password);
      const changedAt = (at: number) => `${password.slice(0, at)}y${password.slice(at + 1)}`;
      expect(await passwords.verify(password, phc)).toBe(true);
      for (const at of [0, Math.min(71, length - 2), length - 1]) {
        expect(await passwords.verify(changedAt(at), phc)).toBe(false);
      }
      expect(await passwords.verify(password.slice(0, -1), phc)).toBe(false);
    },
  );

  it("NFC and NFD forms of one password both verify, whichever was hashed", async () => {
    const [nfc, nfd] = ["Ünïcödé pàsswörd".normalize("NFC"), "Ünïcödé pàsswörd".normalize("NFD")];
    expect(nfc).not.toBe(nfd);
    expect(await passwords.verify(nfd, await passwords.hash(nfc))).toBe(true);
    expect(await passwords.verify(nfc, await passwords.hash(nfd))).toBe(true);
  });

  it("case and outer spaces matter", async () => {
    const phc = await passwords.hash(" Correct Horse ");
    expect(await passwords.verify(" Correct Horse ", phc)).toBe(true);
    expect(await passwords.verify("Correct Horse", phc)).toBe(false);
    expect(await passwords.verify(" correct horse ", phc)).toBe(false);
  });

  it("against nobody, no password matches and one real hash is computed", async () => {
    const fresh = createPasswords({ random });
    expect(await fresh.verifyAgainstNobody("a password of nobody")).toBe(false);
    expect(fresh.statistics()).toEqual({ computed: 1, running: 0, waiting: 0, refused: 0 });
  });

  it.each([
    ["empty", ""],
    ["text", "not a hash"],
    ["of another kind", "$2b$10$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzab"],
    ["cut short", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA"],
    ["asking for 4 TiB", `$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$${"A".repeat(43)}`],
    ["asking for years", `$argon2id$v=19$m=19456,t=4294967295,p=1$AAAAAAAAAAAAAAAAAAAAAA$${"A".repeat(43)}`],
  ])("a stored hash that is %s matches nothing, throws nothing and costs one hash", async (_, phc) => {
    const verify = vi.spyOn(argon2, "verify");
    expect(await passwords.verify("any password at all", phc)).toBe(false);
    const finished = verify.mock.settledResults.filter(({ type }) => type === "fulfilled");
    verify.mockRestore();
    expect(finished).toEqual([{ type: "fulfilled", value: false }]);
  });
});

describe("concurrency and queue", () => {
  it("no more than the concurrency run at once, no more than the queue wait, the rest get server_busy, nothing hangs", async () => {
    const small = createPasswords({ random, hashConcurrency: 1, hashQueueLength: 2 });
    const attempts = Array.from({ length: 10 }, () => small.verifyAgainstNobody("a flood of passwords"));
    expect(small.statistics()).toMatchObject({ running: 1, waiting: 2, refused: 7 });
    const results = await Promise.allSettled(attempts);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    for (const result of results.filter(({ status }) => status === "rejected")) {
      expect(result).toMatchObject({ reason: { code: "server_busy", status: 503, retryAfterSeconds: 2 } });
    }
    expect(small.statistics()).toEqual({ computed: 3, running: 0, waiting: 0, refused: 7 });
    expect(await small.verifyAgainstNobody("after the flood")).toBe(false);
  });

  it("a queue of none still lets one hash run", async () => {
    const none = createPasswords({ random, hashConcurrency: 1, hashQueueLength: 0 });
    const results = await Promise.allSettled([none.hash("the first password"), none.hash("the second password")]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  it("by default one processor and one thread of libuv's pool stay free of hashing", async () => {
    const byDefault = createPasswords({ random });
    const attempts = Array.from({ length: 8 }, () => byDefault.verifyAgainstNobody("a flood of passwords"));
    const { running } = byDefault.statistics();
    await Promise.all(attempts);
    expect(running).toBe(Math.max(1, Math.min(availableParallelism() - 1, 3)));
  });
});

describe("preparing", () => {
  it("a password of 1,024 bytes is hashed and one of 1,025 is refused with invalid_request before any hashing", async () => {
    const fresh = createPasswords({ random });
    const longest = "é".repeat(PASSWORD_MAX_BYTES / 2);
    const phc = await fresh.hash(longest);
    expect(await fresh.verify(longest, phc)).toBe(true);
    for (const refused of [
      fresh.hash(`${longest}x`),
      fresh.verify(`${longest}x`, phc),
      fresh.verifyAgainstNobody(`${longest}x`),
    ]) {
      await expect(refused).rejects.toMatchObject({ code: "invalid_request", status: 400 });
    }
    expect(fresh.statistics()).toMatchObject({ computed: 2, refused: 0 });
  });

  it("the decomposed form of a password within the limit is not refused for being longer", () => {
    const composed = "é".repeat(500);
    const decomposed = composed.normalize("NFD");
    expect(Buffer.byteLength(decomposed)).toBeGreaterThan(PASSWORD_MAX_BYTES);
    expect(preparePassword(decomposed)).toBe(composed);
  });

  it("a text of megabytes is refused without being normalised", () => {
    expect(() => preparePassword("e\u0301".repeat(1_000_000))).toThrow("1,024 bytes");
  });

  it("spaces of other kinds count as the plain one, and nothing is trimmed", () => {
    expect(preparePassword(" no\u00a0break\u3000wide ")).toBe(" no break wide ");
  });

  it("a lone surrogate is refused, since its bytes would be those of another password", () => {
    expect(() => preparePassword("fifteen letters\ud800")).toThrow("not valid Unicode");
    expect(preparePassword("fifteen letters 🗝")).toBe("fifteen letters 🗝");
  });
});
