import { setImmediate } from "node:timers/promises";
import { LatchkeyError } from "../errors.ts";
import { createOptionSet, listOfTexts, wholeNumber, withDefault } from "../option-rules.ts";
import { estimateGuesses, repeatsItself, type Weakness } from "./password-guesses.ts";
import { preparePassword } from "./password-text.ts";

/** The requirements for a new password. */
export interface PasswordPolicyOptions {
  /** The minimum number of code points, 8 to 128. Default: 15 (NIST SP 800-63B-4 section 3.1.1.2). */
  readonly passwordMinLength?: number | undefined;
  /**
   * Words that no user may use as a password here, such as the issuer's host name. "latchkey" and the username always
   * are.
   */
  readonly contextWords?: readonly string[] | undefined;
}

/**
 * Checks new passwords as NIST SP 800-63B-4 requires: by length, as a whole against lists of what attackers try first,
 * and by how many guesses an attacker needs who knows such lists, keyboards, years and repetitions. There are no
 * composition rules. A password that is only being verified is never checked.
 */
export interface PasswordPolicy {
  readonly passwordMinLength: number;
  /**
   * @throws LatchkeyError `password_rejected` with the reason and what to do, or `invalid_request` if the password is
   * not a text of at most 1,024 bytes.
   */
  check(password: string, username: string): Promise<void>;
}

/** The rule for the minimum length, which applies to the issuer's options too. */
export const passwordMinLengthRule = withDefault(15, wholeNumber(8, 128));

const policyOptions = createOptionSet<
  PasswordPolicyOptions,
  { readonly passwordMinLength: number; readonly contextWords: readonly string[] }
>({
  of: "createPasswordPolicy",
  rules: { passwordMinLength: passwordMinLengthRule, contextWords: withDefault<readonly string[]>([], listOfTexts()) },
});

/** @throws TypeError naming the option that is wrong. */
export function createPasswordPolicy(options: PasswordPolicyOptions = {}): PasswordPolicy {
  const { passwordMinLength: minLength, contextWords: furtherWords } = policyOptions.resolveFrom(options);
  const contextWords = ["latchkey", ...furtherWords];
  let commonWords: Promise<ReadonlyMap<string, number>> | undefined;

  return {
    passwordMinLength: minLength,

    async check(password, username) {
      const prepared = preparePassword(password);
      if (prepared.includes("\0")) throw rejected("A password must not contain the character NUL.");
      if (codePoints(prepared) < minLength) throw rejected(`Use ${minLength} characters or more.`);
      const folded = fold(prepared);
      commonWords ??= loadCommonWords();
      const ranks = await commonWords;
      if (ranks.has(folded)) {
        throw rejected("This password is on lists that attackers try first. Choose another.");
      }
      const names = [...contextWords, username, username.split("@")[0] ?? ""].map(fold);
      if (names.some((word) => isRepetitionOf(word, folded))) {
        throw rejected("This password is your username or the name of this service, once or repeated. Choose another.");
      }
      if (repeatsItself(folded, minLength * LEAST_ORIGINAL)) throw easilyGuessed("repetition");
      const { log10, weakness } = estimateGuesses(folded, { ranks, names });
      if (log10 < Math.min(minLength, 15) * LEAST_LOG10_A_CHARACTER) throw easilyGuessed(weakness);
    },
  };
}

/** How much of the minimum length must be left when all repeated parts are removed. */
const LEAST_ORIGINAL = 0.8;
/**
 * Some hundred million guesses if 15 characters are required, like zxcvbn's third step of four; fewer if fewer are
 * required.
 */
const LEAST_LOG10_A_CHARACTER = 0.53;

const reasons: Readonly<Record<Weakness, string>> = {
  repetition: "It repeats itself.",
  keyboard: "It consists of adjacent keys.",
  sequence: "It consists of characters in sequence, such as abc or 123.",
  dates: "It consists of years or dates.",
  names: "It consists of your username or the name of this service.",
  common: "It consists of words that attackers try first.",
  short: "Too little of it is hard to guess.",
};

function easilyGuessed(weakness: Weakness): LatchkeyError {
  return rejected(`This password is easy to guess. ${reasons[weakness]} Choose several unrelated words.`);
}

function rejected(description: string): LatchkeyError {
  return new LatchkeyError("password_rejected", { description });
}

/** In pieces of a few milliseconds each. */
const ENTRIES_AT_ONCE = 4000;
/** Every attacker tries the words of Diceware, and in no particular order. */
const DICEWARE_RANK = 3000;

/**
 * How many words are tried before each word. The lists are a megabyte that only a process which sets passwords needs,
 * so they are loaded for the first such request, and other requests continue meanwhile.
 */
async function loadCommonWords(): Promise<ReadonlyMap<string, number>> {
  const { dictionary } = await import("@zxcvbn-ts/language-common");
  const ranks = new Map<string, number>();
  for (const [name, entries] of Object.entries(dictionary)) {
    for (const [index, entry] of entries.entries()) {
      const word = fold(entry);
      const rank = Math.max(index + 1, name === "diceware-common" ? DICEWARE_RANK : 1);
      if (!ranks.has(word) || ranks.get(word)! > rank) ranks.set(word, rank);
      if (index % ENTRIES_AT_ONCE === ENTRIES_AT_ONCE - 1) await setImmediate();
    }
  }
  return ranks;
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
