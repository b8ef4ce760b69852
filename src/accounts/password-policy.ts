import { LatchkeyError } from "../errors.ts";
import { preparePassword } from "./password-text.ts";

/** What is asked of a new password. */
export interface PasswordPolicyOptions {
  /** The fewest code points, 8 to 128. Default: 15 (NIST SP 800-63B-4 section 3.1.1.2). */
  readonly passwordMinLength?: number | undefined;
  /** Words that nobody may use as a password here, such as the issuer's host name. "latchkey" and the username always are. */
  readonly contextWords?: readonly string[] | undefined;
}

/**
 * Judges new passwords as NIST SP 800-63B-4 asks: by length and against lists of what attackers try first, as a whole.
 * There are no rules of composition. A password that is only being verified is never judged.
 */
export interface PasswordPolicy {
  readonly passwordMinLength: number;
  /**
   * @throws LatchkeyError `password_rejected` saying why and what to do, or `invalid_request` where the password is no text
   * of 1,024 bytes at most.
   */
  check(password: string, username: string): Promise<void>;
}

/** @throws TypeError naming the option that is wrong. */
export function createPasswordPolicy(options: PasswordPolicyOptions = {}): PasswordPolicy {
  const minLength = options.passwordMinLength ?? 15;
  if (!Number.isInteger(minLength) || minLength < 8 || minLength > 128) {
    throw new TypeError("Option 'passwordMinLength' must be a whole number from 8 to 128.");
  }
  const contextWords = ["latchkey", ...(options.contextWords ?? [])];
  let commonPasswords: Promise<ReadonlySet<string>> | undefined;

  return {
    passwordMinLength: minLength,

    async check(password, username) {
      const prepared = preparePassword(password);
      if (prepared.includes("\0")) throw rejected("A password may not hold the character NUL.");
      if (codePoints(prepared) < minLength) throw rejected(`Use ${minLength} characters or more.`);
      const folded = fold(prepared);
      commonPasswords ??= loadCommonPasswords(minLength);
      if ((await commonPasswords).has(folded)) {
        throw rejected("This password is on lists that attackers try first. Choose another.");
      }
      const words = [...contextWords, username, username.split("@")[0] ?? ""];
      if (words.some((word) => isRepetitionOf(fold(word), folded))) {
        throw rejected("This password is your username or the name of this service, once or repeated. Choose another.");
      }
    },
  };
}

function rejected(description: string): LatchkeyError {
  return new LatchkeyError("password_rejected", { description });
}

/** The list is half a megabyte that only a process which sets passwords needs. Entries too short to be reached are left out. */
async function loadCommonPasswords(minLength: number): Promise<ReadonlySet<string>> {
  const { dictionary } = await import("@zxcvbn-ts/language-common");
  return new Set(dictionary["passwords-common"].map(fold).filter((entry) => codePoints(entry) >= minLength));
}

function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

function codePoints(text: string): number {
  return [...text].length;
}

/** Whether `text` is `word`, once or several times in a row. */
function isRepetitionOf(word: string, text: string): boolean {
  const times = text.length / word.length;
  return Number.isInteger(times) && word.repeat(times) === text;
}
