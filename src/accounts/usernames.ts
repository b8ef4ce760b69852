import { LatchkeyError } from "../errors.ts";

/** The maximum number of code points of a normalised username. */
const USERNAME_MAX_LENGTH = 128;

/** The same for an email address (RFC 5321 section 4.5.3.1.3, without the angle brackets). */
const ADDRESS_MAX_LENGTH = 254;

/** More than any typed username has before it is normalised, in UTF-16 code units. */
const MOST_CODE_UNITS = 1024;

/** What keyboards and the clipboard add at either end. */
const SPACE_AROUND = /^[\t\r\n\p{Zs}]+|[\t\r\n\p{Zs}]+$/gu;

const ASCII_PUNCTUATION = /[!-/:-@[-`{-~]/g;

/**
 * What a username must not be, in the order in which problems are reported. Every pattern is tested on the normalised
 * form.
 */
const refusals: readonly { readonly found: RegExp; readonly problem: string }[] = [
  { found: /[\p{Control}\p{Surrogate}]/u, problem: "A username must not contain control characters." },
  { found: /\p{White_Space}/u, problem: "A username must not contain spaces." },
  {
    found: /[\p{Format}\p{Default_Ignorable_Code_Point}]/u,
    problem: "A username must not contain invisible characters. Type it instead of pasting it.",
  },
  { found: /@.*@/u, problem: "A username may contain at most one @." },
  // The specials of RFC 5322 section 3.2.3 except the dot and the @: with them an e-mail address could be a list of
  // addresses.
  { found: /[()<>[\]:;\\,"]/u, problem: 'A username must not contain any of ( ) < > [ ] : ; \\ , ".' },
  // The identifier class of RFC 8264 section 4.2: letters, their marks and digits of every script, and printable ASCII.
  {
    found: /[^\p{Ll}\p{Lu}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}!-~]/u,
    problem: "A username may contain only letters, digits and the punctuation of email addresses.",
  },
  { found: /^\p{Mark}/u, problem: "A username must not begin with a combining accent." },
];

/** A username as it is shown: what was typed, without the spaces around it. */
export function trimmedUsername(username: string): string {
  return username.length > MOST_CODE_UNITS ? username : username.replace(SPACE_AROUND, "");
}

/**
 * The form of a username that uniqueness and sign-in use: without spaces around it, NFKC, then validated, then in lower
 * case. E-mail addresses are usernames like any other.
 * @throws LatchkeyError `invalid_username` with what was wrong, without repeating the value.
 */
export function canonicalUsername(username: string): string {
  const problem = usernameProblem(username);
  if (problem !== undefined) throw new LatchkeyError("invalid_username", { description: problem });
  return trimmedUsername(username).normalize("NFKC").toLowerCase().normalize("NFKC");
}

/** What is wrong with a username, for the person who chose it, or `undefined`. */
export function usernameProblem(username: string): string | undefined {
  if (username.length > MOST_CODE_UNITS) return lengthProblem;
  const typed = trimmedUsername(username);
  const normalised = typed.normalize("NFKC");
  const length = [...normalised].length;
  if (length < 1 || length > (normalised.includes("@") ? ADDRESS_MAX_LENGTH : USERNAME_MAX_LENGTH))
    return lengthProblem;
  const refusal = refusals.find(({ found }) => found.test(normalised));
  if (refusal !== undefined) return refusal.problem;
  // A look-alike that only normalisation turns into an @ would be one address on paper and another in the database.
  if (punctuation(typed) !== punctuation(normalised)) return "A username's @ and punctuation must be plain ASCII.";
  return undefined;
}

const lengthProblem = `A username has 1 to ${USERNAME_MAX_LENGTH} characters, an email address up to ${ADDRESS_MAX_LENGTH}.`;

function punctuation(text: string): string {
  return (text.match(ASCII_PUNCTUATION) ?? []).join("");
}
