import argon2 from "@node-rs/argon2";
import { describe, expect, it } from "vitest";
import { hashFamily } from "../../src/accounts/hash-families.ts";
import { readStoredImportedHash, storedImportedHash } from "../../src/accounts/imported-hashes.ts";
import { userOfImport } from "../../src/accounts/user-import.ts";
import { REFUSED_PASSWORD, refusedHashes, unusualHashes } from "./unusual-hashes.ts";

const imported = (passwordHash: string) => userOfImport({ id: "1", username: "ada", passwordHash }, 0);
// Made by @noble/hashes, whose "personalization" is what RFC 9106 calls associated data.
const WITH_DATA =
  "$argon2id$v=19$m=1024,t=2,p=1,data=dGVuYW50LTc$AwMDAwMDAwMDAwMDAwMDAw$sPSfHl54M/HIwGvAf86+5SVLtucrGJygGWHqXwJuDbk";
const PHC = "$argon2id$v=19$m=1024,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ$oIFABpnL1x+VJqYTQdkyvaUdfCeMKY2Fiwgm74rWEEw";

describe("a password hash in a form that few write", () => {
  it.each(Object.entries(unusualHashes))(
    "of %s is imported and verifies its password and no other",
    async (_, hash) => {
      const stored = readStoredImportedHash(storedImportedHash(hash)!);
      expect(await stored?.verify(REFUSED_PASSWORD)).toBe(true);
      expect(await stored?.verify(`${REFUSED_PASSWORD} `)).toBe(false);
    },
  );

  it.each(["t=2,m=1024,p=1", "p=1,t=2,m=1024", "m=1024,t=2,p=1,keyid=AAAA", "keyid=AAAA,m=1024,p=1,t=2"])(
    "of argon2 with the parameters %s is imported and verifies its password",
    async (parameters) => {
      const stored = readStoredImportedHash(storedImportedHash(PHC.replace("m=1024,t=2,p=1", parameters))!);
      expect(await stored?.verify(REFUSED_PASSWORD)).toBe(true);
      expect(await stored?.verify("another")).toBe(false);
    },
  );

  it("of argon2 with associated data verifies its password with these data only", async () => {
    const stored = readStoredImportedHash(storedImportedHash(WITH_DATA)!);
    expect(await stored?.verify(REFUSED_PASSWORD)).toBe(true);
    const withOthers = readStoredImportedHash(storedImportedHash(WITH_DATA.replace("data=", "data=AAAA"))!);
    expect(await withOthers?.verify(REFUSED_PASSWORD)).toBe(false);
  });

  it.each([
    ["a parameter twice", PHC.replace("t=2", "t=2,t=2")],
    ["a parameter that argon2 does not have", PHC.replace("p=1", "p=1,x=1")],
    ["no passes", PHC.replace(",t=2", "")],
    ["less memory than its lanes need", PHC.replace("p=1", "p=256").replace("m=1024", "m=512")],
    ["a salt that is not base64", PHC.replace("AQEBAQEBAQEBAQEBAQEBAQ", "AQEBAQEBAQEBAQEBAQEBAR")],
    ["a key id that is too long", PHC.replace("p=1", `p=1,keyid=${"A".repeat(20)}`)],
    ["version 1.0", PHC.replace("v=19", "v=16")],
  ])("of argon2 with %s, which could never be verified, is refused by its name", (_, hash) => {
    expect(() => imported(hash)).toThrow("the password hash is argon2, but damaged");
  });
});

describe("a password hash of a family that is not verified here", () => {
  it.each(refusedHashes)("is refused by its name: %s", (_, hash, name) => {
    expect(() => imported(hash)).toThrow(`The user cannot be imported: the password hash is ${name}`);
  });

  it.each([
    ["", "an empty string; write null"],
    ["!", "a mark for an account without a password; write null"],
    ["!aBcDeF0123456789aBcDeF0123456789aBcDeF01", "a mark for an account without a password"],
    ["*LK*", "a mark for an account without a password"],
    ["*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29", "MySQL's native password hash"],
    ["{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr", "a salted digest of LDAP"],
    ["{noop}hunter2", "a password in the clear"],
    ["{hunter2}", "a hash with a scheme in braces"],
    ["$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC", "yescrypt"],
    ["1000:5b4240333032306164:f38d165fce8ce42f59d366139ef5d9e1", "PBKDF2 as rounds:salt:hash"],
    ["$2b$10$short", "bcrypt, but damaged"],
    ["$argon2id$v=19$m=262145,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAA", "argon2, but damaged, of a"],
    ["hunter2", "the format of the password hash is unknown"],
  ])("is named without being repeated: %s", (hash, name) => {
    expect(() => imported(hash)).toThrow(name);
    expect(() => imported(hash)).not.toThrow(/hunter2|94BDCEBE|F5Jx5f|5b4240/);
  });

  it("has a name for every hash that argon2 itself makes, whatever its kind", async () => {
    for (const algorithm of [0, 1, 2]) expect(hashFamily(await argon2.hash("x", { algorithm }))).toBe("argon2");
  });
});
