import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createPasswordPolicy } from "../../src/accounts/password-policy.ts";

const policy = createPasswordPolicy({ contextWords: ["auth.example.com"] });
const short = createPasswordPolicy({ passwordMinLength: 8, contextWords: ["auth.example.com"] });

const onAList = "This password is on lists that attackers try first. Choose another.";
const ofThisPlace = "This password is your username or the name of this service, once or repeated. Choose another.";

describe("length", () => {
  it.each([7, 129, 0, 15.5, Number.NaN])("a minimum of %d is refused by name", (passwordMinLength) => {
    expect(() => createPasswordPolicy({ passwordMinLength })).toThrow(TypeError);
    expect(() => createPasswordPolicy({ passwordMinLength })).toThrow("Option 'passwordMinLength'");
  });

  it("the default minimum is 15 and 8 is the least that can be configured", () => {
    expect(policy.passwordMinLength).toBe(15);
    expect(short.passwordMinLength).toBe(8);
  });

  it.each([
    ["letters", [..."wqzjvkxbmhtyfgd"]],
    ["emoji of two UTF-16 units", [..."🗝🚪🏠🌂🧵🔭🎷🥨🦉🪁🧊🌋🍉🛶🎲"]],
    ["letters composed of two code points", [..."wgzkmcrpylnsieo"].map((letter) => `${letter}\u0301`)],
  ])("of %s, 14 are rejected and 15 accepted, counted in code points after composition", async (_, characters) => {
    await expect(policy.check(characters.slice(0, 14).join(""), "alice")).rejects.toMatchObject({
      code: "password_rejected",
      status: 422,
      description: "Use 15 characters or more.",
    });
    await expect(policy.check(characters.join(""), "alice")).resolves.toBeUndefined();
  });

  it("with a minimum of 8, 7 are rejected and 8 accepted", async () => {
    await expect(short.check("wqzjvkx", "alice")).rejects.toMatchObject({ description: "Use 8 characters or more." });
    await expect(short.check("wqzjvkxb", "alice")).resolves.toBeUndefined();
  });

  it("128 code points of spaces and emoji are accepted, and 1,025 bytes are invalid_request", async () => {
    const emoji = Array.from({ length: 64 }, (_, nth) => String.fromCodePoint(0x1f400 + ((nth * 37) % 64)));
    await expect(policy.check(` ${emoji.join(" ")}`, "alice")).resolves.toBeUndefined();
    const long = Array.from({ length: 8 }, (_, nth) => createHash("sha512").update(`${nth}`).digest("hex")).join("");
    await expect(policy.check(long, "alice")).resolves.toBeUndefined();
    await expect(policy.check(`${long}x`, "alice")).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("content", () => {
  it("there is no rule of composition: lower-case letters alone are accepted", async () => {
    await expect(policy.check("correcthorsebatterystaple", "alice")).resolves.toBeUndefined();
  });

  it("NUL is rejected and other control characters are not", async () => {
    await expect(policy.check("fifteen letters\0", "alice")).rejects.toMatchObject({
      code: "password_rejected",
      description: "A password must not contain the character NUL.",
    });
    await expect(policy.check("fifteen\tletters and more", "alice")).resolves.toBeUndefined();
  });

  it.each(["passwordpassword", "PasswordPassword", "1qaz2wsx3edc4rfv", "12345678987654321"])(
    "the common password %s is rejected in any case, with the reason",
    async (password) => {
      await expect(policy.check(password, "alice")).rejects.toMatchObject({
        code: "password_rejected",
        description: onAList,
      });
    },
  );

  it("a common password may be part of one that is hard to guess", async () => {
    await expect(policy.check("trustno1 said the tiger", "alice")).resolves.toBeUndefined();
  });

  it("with a minimum of 8 the shorter common passwords are rejected too", async () => {
    for (const password of ["password", "Iloveyou", "football1", "trustno1"]) {
      await expect(short.check(password, "alice")).rejects.toMatchObject({ description: onAList });
    }
  });

  it.each([
    ["the username", "alice.in.wonderland", "alice.in.wonderland"],
    ["the username in another case", "Alice.In.Wonderland", "alice.in.wonderland"],
    ["the username in full-width letters", "ａlice.in.wonderland", "alice.in.wonderland"],
    ["the username twice in a row", "alicecarrollalicecarroll", "alicecarroll"],
    ["a short username many times", "alicealicealicealice", "alice"],
    ["the local part of the username", "alice.in.wonderland", "alice.in.wonderland@example.net"],
    ["the local part twice in a row", "alice.caralice.car", "alice.car@example.net"],
    ["the host name of the issuer", "auth.example.com", "bob"],
    ["the host name twice in a row", "Auth.Example.ComAuth.Example.Com", "bob"],
    ["the name of the product twice in a row", "latchkeyLATCHKEY", "bob"],
  ])("%s is rejected, with the reason", async (_, password, username) => {
    await expect(policy.check(password, username)).rejects.toMatchObject({
      code: "password_rejected",
      description: ofThisPlace,
    });
  });

  it("a password that merely contains such a word is accepted, as is any for a username without a local part", async () => {
    await expect(policy.check("alice likes latchkey", "alice")).resolves.toBeUndefined();
    await expect(policy.check("a password of mine", "@handle")).resolves.toBeUndefined();
  });

  it.each([
    ["correct horse battery staple"],
    ["correct-horse-battery"],
    ["my dog ate the cake"],
    ["wo die wilden kerle wohnen"],
    ["k7#mQ9$xL2@pR5!"],
    ["83920174650283915"],
    ["I was born in 1987, in Turin"],
  ])("'%s' is hard enough to guess", async (password) => {
    await expect(policy.check(password, "alice")).resolves.toBeUndefined();
  });

  it.each([
    [
      "repeats itself",
      ["aaaaaaaaaaaaaaa", "ööööööööööööööö", "               ", "aaaaaaaaaaaaaaab", "abababababababab"],
    ],
    [
      "repeats itself",
      ["bananabananabanana", "xylophonexylophone", "sunshine sunshine sunshine", "elephant-elephant!"],
    ],
    ["repeats itself", ["xylophone1xylophone2", "hunter2hunter2hunter2", "пароль пароль пароль", "k7#mQ9$k7#mQ9$k7"]],
    ["adjacent keys", ["zxcvbnm,./asdfghjkl", "!@#$%^&*()_+!@#", "poiuytrewqlkjhgf;", "йцукенгшщзхъфыва"]],
    ["adjacent keys", ["1q2w3e4r5t6y7u8i9o", "qwertzuiopasdfghj", "azertyuiopqsdfgh", "qazwsxedcrfvtgby"]],
    ["characters in sequence", ["abcdefghijklmnopq", "zyxwvutsrqponmlk", "αβγδεζηθικλμνξοπ"]],
    ["years or dates", ["1987 1992 2003 2011", "12/05/1987 03-04-2001", "2019/2004/1987/1999"]],
  ])("what %s is rejected, with the reason: %j", async (reason, passwords) => {
    for (const password of passwords) {
      const error = await policy.check(password, "alice").catch((rejection: Error) => rejection);
      expect(error, password).toMatchObject({ code: "password_rejected" });
      expect((error as unknown as { description: string }).description, password).toMatch(
        new RegExp(`^This password is easy to guess\\. It .*${reason}.* Choose several unrelated words`),
      );
    }
  });

  it.each([
    "1984198419841984",
    "19901991199219931994",
    "Summer2024Summer2024",
    "Winter2019Winter2020",
    "P@ssw0rdP@ssw0rd1",
    "Password123456789",
    "alice1234567890alice",
    "4lic3alice4lice1987",
    "qwertyqwertyqwerty",
    "letmeinletmein123",
    "welcometolatchkey",
    "11111222223333344444",
  ])("'%s' is rejected", async (password) => {
    await expect(policy.check(password, "alice")).rejects.toMatchObject({ code: "password_rejected" });
  });

  it("with a minimum of 8 as many guesses are asked for as eight characters can take", async () => {
    for (const password of ["aaaaaaaa", "qwertyui", "19871992", "alicealice", "abcdefgh", "monkey12"]) {
      await expect(short.check(password, "alice"), password).rejects.toMatchObject({ code: "password_rejected" });
    }
    for (const password of ["k7#mQ9$x", "wqzjvkxb", "blue tent"])
      await expect(short.check(password, "alice"), password).resolves.toBeUndefined();
  });

  it("no rejection repeats the password", async () => {
    for (const password of ["short", "passwordpassword", "latchkeylatchkey"]) {
      const error = await policy.check(password, "alice").catch((reason: Error) => reason);
      expect(JSON.stringify([error, `${error}`])).not.toContain(password);
    }
  });
});
