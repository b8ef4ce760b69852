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
    ["letters", "m"],
    ["emoji of two UTF-16 units", "🗝"],
    ["letters composed of two code points", "n\u0303"],
  ])("of %s, 14 are rejected and 15 accepted, counted in code points after composition", async (_, one) => {
    await expect(policy.check(one.repeat(14), "alice")).rejects.toMatchObject({
      code: "password_rejected",
      status: 422,
      description: "Use 15 characters or more.",
    });
    await expect(policy.check(one.repeat(15), "alice")).resolves.toBeUndefined();
  });

  it("with a minimum of 8, 7 are rejected and 8 accepted", async () => {
    await expect(short.check("wqzjvkx", "alice")).rejects.toMatchObject({ description: "Use 8 characters or more." });
    await expect(short.check("wqzjvkxb", "alice")).resolves.toBeUndefined();
  });

  it("128 code points of spaces and emoji are accepted, and 1,025 bytes are invalid_request", async () => {
    await expect(policy.check(" 🗝".repeat(64), "alice")).resolves.toBeUndefined();
    await expect(policy.check("x".repeat(1024), "alice")).resolves.toBeUndefined();
    await expect(policy.check("x".repeat(1025), "alice")).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("content", () => {
  it("there is no rule of composition: lower-case letters alone are accepted", async () => {
    await expect(policy.check("correcthorsebatterystaple", "alice")).resolves.toBeUndefined();
  });

  it("NUL is rejected and other control characters are not", async () => {
    await expect(policy.check("fifteen letters\0", "alice")).rejects.toMatchObject({
      code: "password_rejected",
      description: "A password may not hold the character NUL.",
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

  it("a common password is rejected as a whole only", async () => {
    await expect(policy.check("passwordpassword!", "alice")).resolves.toBeUndefined();
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

  it("no rejection repeats the password", async () => {
    for (const password of ["short", "passwordpassword", "latchkeylatchkey"]) {
      const error = await policy.check(password, "alice").catch((reason: Error) => reason);
      expect(JSON.stringify([error, `${error}`])).not.toContain(password);
    }
  });
});
