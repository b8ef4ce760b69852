import { pbkdf2Sync } from "node:crypto";
import bcrypt from "@node-rs/bcrypt";
import { describe, expect, it } from "vitest";
import { isImportedHash, readImportedHash, storedImportedHash } from "../../src/accounts/imported-hashes.ts";
import { createPasswords } from "../../src/accounts/passwords.ts";
import { systemEnvironment } from "../../src/environment.ts";
import {
  betterAuthLigatureHash,
  FOREIGN_PASSWORD,
  foreignHashes,
  LIGATURE_PASSWORD,
} from "../support/foreign-hashes.ts";

const passwords = createPasswords({ random: systemEnvironment.random, hashConcurrency: 2 });
const SALT = "AAAAAAAAAAAAAAAAAAAAAA";
const KEY_20 = "A".repeat(27);
const KEY_32 = "A".repeat(43);

describe("a hash of another system", () => {
  it.each(Object.entries(foreignHashes))("PARITY 37: one of %s verifies its password and no other", async (_, text) => {
    const hash = readImportedHash(text);
    expect(await hash?.verify(FOREIGN_PASSWORD)).toBe(true);
    expect(await hash?.verify(`${FOREIGN_PASSWORD} `)).toBe(false);
    expect(await hash?.verify(FOREIGN_PASSWORD.toLowerCase())).toBe(false);
    expect(await hash?.verify("")).toBe(false);
  });

  it("of Better Auth takes the password in NFKC, as Better Auth does; of passlib, as it was typed, as passlib does", async () => {
    const hash = readImportedHash(betterAuthLigatureHash);
    expect(await hash?.verify(LIGATURE_PASSWORD)).toBe(true);
    expect(await hash?.verify(LIGATURE_PASSWORD.normalize("NFKC"))).toBe(true);
    const exact = readImportedHash(foreignHashes["passlib pbkdf2_sha256"]!);
    expect(await exact?.verify(FOREIGN_PASSWORD.normalize("NFD"))).toBe(false);
  });

  it.each(Object.entries(foreignHashes))("with its last digit changed, one of %s matches nothing", async (_, text) => {
    const at = text.length - 2;
    const changed = `${text.slice(0, at)}${text[at] === "a" ? "b" : "a"}${text.slice(at + 1)}`;
    expect(await readImportedHash(changed)?.verify(FOREIGN_PASSWORD)).toBe(false);
  });

  it("is verified among Latchkey's own once it is stored, and stored it cannot be taken for one of them", async () => {
    for (const text of Object.values(foreignHashes)) {
      const stored = storedImportedHash(text)!;
      expect(isImportedHash(stored)).toBe(true);
      expect(await passwords.verify(FOREIGN_PASSWORD, stored)).toBe(true);
      expect(await passwords.verify("another", stored)).toBe(false);
    }
    expect(isImportedHash(await passwords.hash(FOREIGN_PASSWORD))).toBe(false);
    const damaged = "imported:00001:what is this";
    expect(await passwords.verify(FOREIGN_PASSWORD, damaged)).toBe(false);
    expect(await passwords.verify("", "!")).toBe(false);
    expect(await passwords.verify("!", "!")).toBe(false);
  });

  it("once stored still takes the password as it was typed, which Latchkey's own hashes do not", async () => {
    const decomposed = FOREIGN_PASSWORD.normalize("NFD");
    const key = pbkdf2Sync(decomposed, "salt", 1000, 32, "sha256").toString("hex");
    const stored = storedImportedHash(`pbkdf2:sha256:1000$salt$${key}`)!;
    expect(await passwords.verify(decomposed, stored)).toBe(true);
    expect(await passwords.verify(FOREIGN_PASSWORD, stored)).toBe(false);
    expect(await passwords.verify(FOREIGN_PASSWORD, await passwords.hash(decomposed))).toBe(true);
  });

  it("of bcrypt sees 72 bytes of a password, as everywhere; Latchkey's own that follows sees all of it", async () => {
    const long = "a".repeat(72);
    const hash = readImportedHash(await bcrypt.hash(long, 4))!;
    expect(await hash.verify(`${long}b`)).toBe(true);
    expect(await hash.verify(long.slice(1))).toBe(false);
    expect(await passwords.verify(`${long}b`, await passwords.hash(long))).toBe(false);
  });

  it("is stored in the order of what it costs", () => {
    const rounds = [1000, 999_999, 50_000, 29_000];
    const stored = rounds.map((n) => storedImportedHash(`$pbkdf2-sha256$${n}$${SALT}$${KEY_32}`)!);
    expect(stored.toSorted()).toEqual([stored[0], stored[3], stored[2], stored[1]]);
  });
});

describe("what a stored hash may ask for", () => {
  it.each([
    ["256 MiB of argon2", `$argon2id$v=19$m=262145,t=1,p=1$${SALT}$${KEY_32}`],
    ["4 TiB of argon2", `$argon2id$v=19$m=4294967295,t=1,p=1$${SALT}$${KEY_32}`],
    ["minutes of argon2", `$argon2id$v=19$m=262144,t=9999,p=1$${SALT}$${KEY_32}`],
    ["lanes of argon2", `$argon2id$v=19$m=1024,t=1,p=999$${SALT}$${KEY_32}`],
    ["3 seconds of bcrypt", `$2b$17$${"a".repeat(53)}`],
    ["days of bcrypt", `$2b$31$${"a".repeat(53)}`],
    ["minutes of PBKDF2", `$pbkdf2-sha256$99999999$${SALT}$${KEY_32}`],
    ["minutes of Werkzeug's PBKDF2", `pbkdf2:sha512:99999999$salt$${"0".repeat(128)}`],
    ["256 MiB of scrypt", `$scrypt$ln=18,r=9,p=1$${SALT}$${KEY_32}`],
    ["4 GiB of scrypt", `$scrypt$ln=22,r=8,p=1$${SALT}$${KEY_32}`],
    ["scrypt of 2^99", `$scrypt$ln=99,r=8,p=1$${SALT}$${KEY_32}`],
    ["minutes of scrypt", `$scrypt$ln=15,r=8,p=999$${SALT}$${KEY_32}`],
    ["4 GiB of Werkzeug's scrypt", `scrypt:4194304:8:1$salt$${"0".repeat(128)}`],
  ])("more than %s is not: it is refused unread", (_, text) => {
    expect(readImportedHash(text)).toBeUndefined();
    expect(storedImportedHash(text)).toBeUndefined();
  });

  it.each([
    ["nothing", ""],
    ["a password", "hunter2"],
    ["crypt's SHA-512", "$6$rounds=5000$saltsalt$abc"],
    ["an MD5 sum", "5f4dcc3b5aa765d61d8327deb882cf99"],
    ["bcrypt of another letter", `$2x$10$${"a".repeat(53)}`],
    ["bcrypt that is too short", `$2b$10$${"a".repeat(52)}`],
    ["bcrypt of a cost below 4", `$2b$03$${"a".repeat(53)}`],
    ["no rounds", `$pbkdf2-sha256$0$${SALT}$${KEY_32}`],
    ["a digest of the wrong length", `$pbkdf2-sha512$1000$${SALT}$${KEY_32}`],
    ["a digest that nobody takes", `$pbkdf2-md5$1000$${SALT}$${KEY_20}`],
    ["scrypt of no power of two", `scrypt:32769:8:1$salt$${"0".repeat(128)}`],
    ["scrypt of N = 1", `$scrypt$ln=0,r=8,p=1$${SALT}$${KEY_32}`],
    ["a line end behind it", `${foreignHashes["Better Auth"]}\n`],
    ["one character too many", `${foreignHashes["Better Auth"]}0`],
    ["a text without end", "$".repeat(1_000_000)],
  ])("%s is no hash", (_, text) => {
    expect(readImportedHash(text)).toBeUndefined();
  });
});
