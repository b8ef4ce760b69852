import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalUsername, usernameProblem } from "../../src/accounts/usernames.ts";

describe("the canonical form", () => {
  it.each([
    ["ALICE", "alice"],
    ["Alice.Smith+test@Example.COM", "alice.smith+test@example.com"],
    ["o'brien@example.com", "o'brien@example.com"],
    ["ａｌｉｃｅ", "alice"],
    ["ﬁona", "fiona"],
    ["Jose\u0301", "josé"],
    ["ÅNGSTRÖM", "ångström"],
    ["J\u030cane", "\u01f0ane"],
    ["\u212Bngstrom", "ångstrom"],
    ["李小龙", "李小龙"],
    ["Νίκος", "νίκος"],
    ["a", "a"],
    ["x".repeat(128), "x".repeat(128)],
    ["𝒜".repeat(128), "a".repeat(128)],
    ["alice ", "alice"],
    ["  alice", "alice"],
    ["\tAlice\r\n", "alice"],
    ["\u3000alice\u00a0", "alice"],
    [` ${"x".repeat(128)} `, "x".repeat(128)],
    [`${"x".repeat(64)}@${"y".repeat(185)}.org`, `${"x".repeat(64)}@${"y".repeat(185)}.org`],
    ["-_.!#$%&'*+/=?^`{|}~", "-_.!#$%&'*+/=?^`{|}~"],
  ])("of %j is %j", (username, canonical) => {
    expect(canonicalUsername(username)).toBe(canonical);
  });

  it("of every single character that is accepted is itself accepted and its own canonical form", () => {
    let accepted = 0;
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      const username = `a${String.fromCodePoint(codePoint)}`;
      if (usernameProblem(username) !== undefined) continue;
      accepted++;
      const canonical = canonicalUsername(username);
      if (usernameProblem(canonical) !== undefined || canonicalUsername(canonical) !== canonical) {
        expect.fail(`U+${codePoint.toString(16)}`);
      }
    }
    expect(accepted).toBeGreaterThan(100_000);
  });

  it("is the same for NFC, NFD, NFKC and NFKD, and canonical itself, for any text that is accepted", () => {
    const letters = fc.stringMatching(/^[\p{L}\p{Nd}\p{Mn}.@_-]{1,20}$/u);
    fc.assert(
      fc.property(letters, (username) => {
        fc.pre(usernameProblem(username) === undefined);
        const canonical = canonicalUsername(username);
        for (const form of ["NFC", "NFD", "NFKC", "NFKD"]) {
          expect(canonicalUsername(username.normalize(form))).toBe(canonical);
        }
        expect(canonicalUsername(canonical)).toBe(canonical);
      }),
      { numRuns: 500 },
    );
  });
});

describe("refused with invalid_username", () => {
  it.each([
    ["nothing", "", "1 to 128 characters"],
    ["129 characters in spaces", ` ${"x".repeat(129)} `, "1 to 128 characters"],
    ["129 characters", "x".repeat(129), "1 to 128 characters"],
    ["43 ligatures that normalise to 129 characters", "ﬃ".repeat(43), "1 to 128 characters"],
    ["a text of megabytes", "x".repeat(2_000_000), "1 to 128 characters"],
    ["NUL", "alice\0", "control characters"],
    ["a line break", "alice\r\nbob", "control characters"],
    ["a terminal's escape", "\u001b[31malice", "control characters"],
    ["C1 control", "alice\u0085", "control characters"],
    ["a lone surrogate", "alice\ud800", "control characters"],
    ["a space inside", "alice smith", "spaces"],
    ["spaces alone", " \t ", "1 to 128 characters"],
    ["a no-break space inside", "alice\u00a0smith", "spaces"],
    ["an ideographic space inside", "alice\u3000smith", "spaces"],
    ["an address of 255 characters", `${"x".repeat(64)}@${"y".repeat(186)}.org`, "up to 254"],
    ["a line separator", "alice\u2028", "spaces"],
    ["a spacing accent, which normalises to a space", "alice\u00b4", "spaces"],
    ["a zero-width space", "al\u200bice", "invisible"],
    ["a zero-width joiner", "al\u200dice", "invisible"],
    ["a byte-order mark", "\ufeffalice", "invisible"],
    ["a soft hyphen", "al\u00adice", "invisible"],
    ["a right-to-left override", "alice\u202etxt", "invisible"],
    ["a variation selector", "alice\ufe0f", "invisible"],
    ["a Hangul filler", "alice\u3164", "invisible"],
    ["a tag character", "alice\u{e0061}", "invisible"],
    ["a private-use character", "alice\ue000", "may contain only letters"],
    ["an unassigned character", "alice\u{1fffe}", "may contain only letters"],
    ["an emoji", "alice🗝", "may contain only letters"],
    ["typographic quotes", "“alice”", "may contain only letters"],
    ["a blank Braille pattern", "alice\u2800", "may contain only letters"],
    ["two @", "alice@example.com@evil.example", "one @"],
    ["a list of addresses", "alice@example.com,bob", "must not contain any of"],
    ["a list with a semicolon", "alice;bob@example.com", "must not contain any of"],
    ["a display name", "Alice<alice@example.com>", "must not contain any of"],
    ["a quoted local part", '"alice"@example.com', "must not contain any of"],
    ["a backslash", "domain\\alice", "must not contain any of"],
    ["a comment", "alice(admin)@example.com", "must not contain any of"],
    ["a full-width @", "alice＠example.com", "plain ASCII"],
    ["a small @", "alice﹫example.com", "plain ASCII"],
    ["a one-dot leader", "alice\u2024smith", "plain ASCII"],
    ["an ellipsis", "alice…", "plain ASCII"],
    ["a full-width comma", "alice，bob", "must not contain any of"],
    ["a Greek question mark", "alice\u037ebob", "must not contain any of"],
    ["a combining accent at the beginning", "\u0301alice", "begin with a combining accent"],
  ])("%s", (_, username, reason) => {
    expect(() => canonicalUsername(username)).toThrow(
      expect.objectContaining({ code: "invalid_username", status: 422, description: expect.stringContaining(reason) }),
    );
  });

  it("no refusal repeats the username", () => {
    for (const username of ["alice secret", "bob,secret@example.com", "secret🗝"]) {
      expect(usernameProblem(username)).toBeDefined();
      expect(usernameProblem(username)).not.toContain("secret");
    }
  });
});
