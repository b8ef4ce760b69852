/** What a password mostly consists of, if it is easy to guess. */
export type Weakness = "repetition" | "keyboard" | "sequence" | "dates" | "names" | "common" | "short";

/** How hard a password is to guess. */
export interface Guesses {
  /**
   * The decimal logarithm of the approximate number of guesses for an attacker who knows how people choose passwords.
   */
  readonly log10: number;
  readonly weakness: Weakness;
}

/** What is known about people's choices. */
export interface KnownWords {
  /** Common passwords and words in lower case, and how many are tried before each; 1 for the first. */
  readonly ranks: ReadonlyMap<string, number>;
  /** The username, the service's name and the like, in lower case: tried before anything else. */
  readonly names: readonly string[];
}

/** A part of the password that an attacker guesses in one piece. */
interface Piece {
  readonly length: number;
  readonly cost: number;
  readonly kind: Weakness;
}

interface Step extends Piece {
  readonly from: number;
  readonly total: number;
}

/**
 * Longer parts are not checked: a password that is hard to guess up to here does not become easier. This limits the
 * work that strangers can cause.
 */
const MOST_CHARACTERS = 64;
const LONGEST_WORD = 24;
const SHORTEST_RUN = 3;
/** For a character that nothing explains, as in zxcvbn. */
const CHARACTER_COST = 1;
const SEEN_SEPARATOR_COST = 0.2;
/** The order of the pieces must be guessed too: about the logarithm of a factorial, in even parts. */
const NEXT_PIECE_COST = 0.5;
const COPY_COST = 1;
const YEAR_COST = 1.2;
const NEXT_YEAR_COST = 0.3;
const NAME_COST = 1.7;
const DATE_COST = 3;

/**
 * Estimates guesses in the manner of zxcvbn (Wheeler, USENIX Security 2016): the cheapest way to put the password
 * together from common words, rows of keys, sequences, dates, copies of earlier parts, and single characters.
 *
 * Not zxcvbn-ts itself: on the event loop it needs from 20 milliseconds to seconds for 64 characters that a stranger
 * sends. This code needs less than one millisecond.
 *
 * @param text in lower case.
 */
export function estimateGuesses(text: string, words: KnownWords): Guesses {
  const characters = [...text].slice(0, MOST_CHARACTERS);
  const pieces = piecesOf(characters, words);
  const best: Step[] = [{ from: 0, length: 0, cost: 0, total: 0, kind: "short" }];
  for (let at = 0; at < characters.length; at++) {
    const { total } = best[at]!;
    for (const piece of pieces[at]!) {
      const end = at + piece.length;
      const isAttached = piece.kind === "dates" || piece.length === 1 || at === 0;
      const sum = total + piece.cost + (isAttached ? 0 : NEXT_PIECE_COST);
      if (sum < (best[end]?.total ?? Number.POSITIVE_INFINITY)) best[end] = { ...piece, from: at, total: sum };
    }
  }
  return { log10: best[characters.length]!.total, weakness: mostOf(best, characters.length) };
}

/** Whether a text is repetitive: most of it has appeared in it before, and what is left is shorter than `least`. */
export function repeatsItself(text: string, least: number): boolean {
  const characters = [...text].slice(0, 4 * MOST_CHARACTERS);
  const copies = longestRepeats(characters.length, 0, (one, other) => characters[one] === characters[other]);
  let copied = 0;
  for (let at = 1; at < characters.length; ) {
    const length = copies[at]!;
    if (length >= SHORTEST_RUN) copied += length;
    at += Math.max(1, length);
  }
  return copied * 3 > characters.length && characters.length - copied < least;
}

function mostOf(best: readonly Step[], end: number): Weakness {
  const lengths = new Map<Weakness, number>();
  for (let at = end; at > 0; ) {
    const { kind, length, from } = best[at]!;
    lengths.set(kind, (lengths.get(kind) ?? 0) + length);
    at = from;
  }
  return [...lengths].sort(([, one], [, other]) => other - one)[0]?.[0] ?? "short";
}

/** Every piece by where it begins. */
function piecesOf(characters: readonly string[], words: KnownWords): readonly (readonly Piece[])[] {
  const seen = new Set<string>();
  const spellings = spellingsOf(characters);
  const moves = keyboards.map((keyboard) => movesOn(keyboard, characters));
  const copies = longestRepeats(characters.length, 0, (one, other) => characters[one] === characters[other]);
  const sameMoves = longestRepeats(characters.length, 1, (one, other) => moves[0]![one] === moves[0]![other]);
  const names = words.names.filter((name) => [...name].length >= SHORTEST_RUN);
  return characters.map((character, at) => {
    const isSeenSeparator = seen.has(character) && !/[\p{L}\p{N}]/u.test(character);
    seen.add(character);
    return [
      { length: 1, cost: isSeenSeparator ? SEEN_SEPARATOR_COST : CHARACTER_COST, kind: "short" } as const,
      ...wordsAt(spellings, at, words.ranks),
      ...namesAt(spellings, at, names),
      ...moves.flatMap((ofKeyboard) => [...keysAt(ofKeyboard, at)]),
      ...sequencesAt(characters, at),
      // Two of the same character are already a run.
      ...copiesOf(copies[at]!, character === characters[at - 1] ? 2 : SHORTEST_RUN, "repetition"),
      ...copiesOf(sameMoves[at]!, SHORTEST_RUN, "keyboard"),
      ...datesAt(characters, at),
    ];
  });
}

function* wordsAt(spellings: readonly string[][], at: number, ranks: KnownWords["ranks"]): Generator<Piece> {
  for (const [nth, spelling] of spellings.entries()) {
    let word = "";
    for (let length = 1; length <= LONGEST_WORD && at + length <= spelling.length; length++) {
      word += spelling[at + length - 1]!;
      const rank = length >= SHORTEST_RUN ? ranks.get(word) : undefined;
      if (rank !== undefined) yield { length, cost: Math.log10(rank) + (nth === 0 ? 0 : 0.3), kind: "common" };
    }
  }
}

function* namesAt(spellings: readonly string[][], at: number, names: readonly string[]): Generator<Piece> {
  for (const spelling of spellings) {
    const rest = spelling.slice(at).join("");
    for (const name of names) {
      if (rest.startsWith(name)) yield { length: [...name].length, cost: NAME_COST, kind: "names" };
    }
  }
}

/** Keys next to one another: the longest run, and every shorter part. */
function* keysAt(moves: Float64Array, at: number): Generator<Piece> {
  let turns = 0;
  for (let end = at + 1; end < moves.length && neighbours.has(moves[end]!); end++) {
    if (end === at + 1 || moves[end] !== moves[end - 1]) turns += 1;
    const length = end - at + 1;
    if (length >= SHORTEST_RUN) yield { length, cost: 1.3 + turns * 0.6 + Math.log10(length) / 2, kind: "keyboard" };
  }
}

/** Characters in the order of their codes. */
function* sequencesAt(characters: readonly string[], at: number): Generator<Piece> {
  const step = codeOf(characters[at + 1]) - codeOf(characters[at]);
  if (Math.abs(step) > 2 || step === 0) return;
  for (let end = at + 1; codeOf(characters[end]) - codeOf(characters[end - 1]) === step; end++) {
    const length = end - at + 1;
    if (length >= SHORTEST_RUN) yield { length, cost: 1 + Math.log10(length) / 2, kind: "sequence" };
  }
}

/** What has appeared in the password before, or is typed like earlier keys: 1qaz2wsx, 1q2w3e4r. */
function* copiesOf(longest: number, least: number, kind: Weakness): Generator<Piece> {
  for (let length = longest; length >= least; length--) yield { length, cost: COPY_COST, kind };
}

function* datesAt(characters: readonly string[], at: number): Generator<Piece> {
  const rest = characters.slice(at, at + 10).join("");
  const year = yearIn(rest);
  if (year !== undefined) {
    const before = characters.slice(Math.max(0, at - 5), at).join("");
    const last = yearIn(before.slice(-4)) ?? yearIn(before.slice(-5, -1));
    const isNext = last !== undefined && Math.abs(year - last) <= 1;
    yield { length: 4, cost: isNext ? NEXT_YEAR_COST : YEAR_COST, kind: "dates" };
  }
  const date = /^(?:\d{1,2}([-./ ])\d{1,2}\1(?:19|20)?\d\d|(?:19|20)\d\d([-./ ])\d{1,2}\2\d{1,2})/.exec(rest)?.[0];
  if (date !== undefined) yield { length: date.length, cost: DATE_COST, kind: "dates" };
  const plain =
    /^(?:(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?:(?:19|20)?\d\d)?/.exec(
      rest,
    );
  if (plain !== null) yield { length: plain[0].length, cost: plain[0].length === 4 ? 2.5 : DATE_COST, kind: "dates" };
}

function yearIn(text: string): number | undefined {
  return /^(?:19\d\d|20[0-4]\d)/.test(text) ? Number(text.slice(0, 4)) : undefined;
}

/** The password as it is, and with digits and signs replaced by the letters that they resemble. */
function spellingsOf(characters: readonly string[]): readonly string[][] {
  const read = characters.map((character) => letters[character] ?? character);
  const readOtherwise = characters.map((character) => otherLetters[character] ?? letters[character] ?? character);
  const isPlain = read.every((character, at) => character === characters[at]);
  return isPlain ? [[...characters]] : [[...characters], read, readOtherwise];
}

// biome-ignore format: pairs.
const letters: Readonly<Record<string, string>> = {
  "4": "a", "@": "a", "8": "b", "(": "c", "3": "e", "6": "g", "1": "i", "!": "i", "|": "i", "0": "o", "5": "s", $: "s", "7": "t", "+": "t", "2": "z",
};
const otherLetters: Readonly<Record<string, string>> = { "1": "l", "|": "l", "9": "g", "7": "l", "6": "b" };

/** Where a key is: its row times {@link ROW} and its column. */
type Keyboard = ReadonlyMap<string, number>;
const ROW = 100;

/** Rows of keys, and what the first row types with Shift. */
const keyboards: readonly [Keyboard, ...Keyboard[]] = [
  keyboardOf(["1234567890-=", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./"], "!@#$%^&*()_+"),
  keyboardOf(["1234567890ß", "qwertzuiopü+", "asdfghjklöä#", "yxcvbnm,.-"], '!"§$%&/()=?'),
  keyboardOf(["&é\"'(-è_çà)=", "azertyuiop^$", "qsdfghjklmù*", "wxcvbn,;:!"], "1234567890"),
  keyboardOf(["1234567890-=", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю."], '!"№;%:?*()'),
  keyboardOf(["789", "456", "123", "0."], ""),
];

function keyboardOf(rows: readonly string[], shifted: string): Keyboard {
  const keys = new Map<string, number>();
  for (const [row, text] of [shifted, ...rows].entries()) {
    for (const [column, key] of [...text].entries()) keys.set(key, Math.max(0, row - 1) * ROW + column);
  }
  return keys;
}

/** How the finger goes to each character from the one before; `NaN` where one of the two is not on the keyboard. */
function movesOn(keyboard: Keyboard, characters: readonly string[]): Float64Array {
  const places = characters.map((character) => keyboard.get(character) ?? Number.NaN);
  return Float64Array.from(places, (place, at) => place - (places[at - 1] ?? Number.NaN));
}

const neighbours: ReadonlySet<number> = new Set([-1, 1, -ROW, -ROW - 1, -ROW + 1, ROW, ROW - 1, ROW + 1]);

/**
 * For each position, the longest run from there that has already started at an earlier position; `first` is the
 * earliest.
 */
function longestRepeats(length: number, first: number, isSame: (one: number, other: number) => boolean): Uint16Array {
  const longest = new Uint16Array(length);
  let next = new Uint16Array(length + 1);
  for (let from = length - 1; from >= first; from--) {
    const runs = new Uint16Array(length + 1);
    for (let at = length - 1; at > from; at--) {
      if (!isSame(from, at)) continue;
      const run = next[at + 1]! + 1;
      runs[at] = run;
      if (run > longest[at]!) longest[at] = run;
    }
    next = runs;
  }
  return longest;
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? Number.NaN;
}
