import { setImmediate } from "node:timers/promises";
import { LatchkeyError } from "../errors.ts";
import { createOptionSet, listOfTexts, wholeNumber, withDefault } from "../option-rules.ts";
import { estimateGuesses, repeatsItself, type Weakness } from "./password-guesses.ts";
import { preparePassword } from "./password-text.ts";

/** What is asked of a new password. */
export interface PasswordPolicyOptions {
  /** The fewest code points, 8 to 128. Default: 15 (NIST SP 800-63B-4 section 3.1.1.2). */
  readonly passwordMinLength?: number | undefined;
  /** Words that nobody may use as a password here, such as the issuer's host name. "latchkey" and the username always are. */
  readonly contextWords?: readonly string[] | undefined;
}

/**
 * Judges new passwords as NIST SP 800-63B-4 asks: by length, against lists of what attackers try first, as a whole, and by how
 * many guesses they take of somebody who knows such lists, keyboards, years and repetitions. There are no rules of composition.
 * A password that is only being verified is never judged.
 */
export interface PasswordPolicy {
  readonly passwordMinLength: number;
  /**
   * @throws LatchkeyError `password_rejected` saying why and what to do, or `invalid_request` where the password is no text
   * of 1,024 bytes at most.
   */
  check(password: string, username: string): Promise<void>;
}

/** The rule of the shortest length, which the issuer's options hold too. */
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

/** How much of the shortest length has to be left where all that was there before is taken away. */
const LEAST_ORIGINAL = 0.8;
/** Some hundred million guesses where 15 characters are asked for, as zxcvbn's third step of four; fewer where fewer are. */
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
/** The words of Diceware are tried by everybody, and in no order. */
const DICEWARE_RANK = 3000;

/**
 * How many words are tried before each. The lists are a megabyte that only a process which sets passwords needs, so they are
 * loaded for the first of these, and other requests go on meanwhile.
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
