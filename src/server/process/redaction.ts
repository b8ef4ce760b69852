const REDACTED = "[redacted]";

/** Fields whose values are secrets, wherever they appear. */
const SECRET_FIELD = /authorization|cookie|password|passphrase|secret|token|credential|private.?key|csrf/i;
const DEEPEST = 6;
const LONGEST_CHAIN = 4;

/** What a secret of Latchkey looks like inside any text. */
const secretShapes: readonly (readonly [shape: RegExp, replacement: string])[] = [
  [/lk([rs])_[\w-]{8,}/g, `lk$1_${REDACTED}`],
  [/eyJ[\w-]{6,}\.[\w-]*(?:\.[\w-]*)*/g, REDACTED],
  [/\b(Bearer|Basic|DPoP)(?:\s|\\[nrt])+[^\s"\\]+/gi, `$1 ${REDACTED}`],
  [/\$(?:argon2\w{0,2}|2[aby]|scrypt|pbkdf2[\w-]*)\$[^\s"\\]+/g, REDACTED],
];

/** U+007F to U+009F move the cursor of some terminals, and JSON leaves them as they are; the rest reorders or breaks lines. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * What is to be logged, but fields that hold secrets say so, and errors show no more than they must. Nearly every line is flat
 * and without a secret, and is given back as it is.
 */
export function withoutSecretFields(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || isHarmless(value)) return value;
  if (value instanceof Error) return describeError(value);
  if (depth >= DEEPEST) return "[deeper]";
  if (Array.isArray(value)) return value.map((entry) => withoutSecretFields(entry, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [
      name,
      SECRET_FIELD.test(name) ? REDACTED : withoutSecretFields(entry, depth + 1),
    ]),
  );
}

function isHarmless(value: object): boolean {
  // Others could have a `toJSON` that reveals more than their fields do.
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.entries(value).every(
    ([name, entry]) => (typeof entry !== "object" || entry === null) && !SECRET_FIELD.test(name),
  );
}

/**
 * Creates the last check that every line passes, regardless of what wrote it. `secrets` are texts that no line may
 * contain.
 */
export function createLineFilter(secrets: readonly string[]): (line: string) => string {
  return (line) => {
    let clean = line;
    for (const secret of secrets) clean = clean.replaceAll(secret, REDACTED);
    for (const [shape, replacement] of secretShapes) clean = clean.replace(shape, replacement);
    return printable(clean);
  };
}

/** Escapes what could move a terminal's cursor or turn text around. Line feeds stay. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** An error as it is logged: no own fields but its codes, and of the stack the places only. */
function describeError(error: Error, depth = 0): object {
  const { name, code, rawCode, detail } = error as Error & { code?: unknown; rawCode?: unknown; detail?: unknown };
  return {
    type: name,
    // A parser repeats what it was given.
    message: error instanceof SyntaxError ? REDACTED : error.message,
    ...(code === undefined ? {} : { code }),
    ...(rawCode === undefined ? {} : { rawCode }),
    ...(detail === undefined ? {} : { detail }),
    stack: places(error.stack),
    ...(error.cause instanceof Error && depth < LONGEST_CHAIN ? { cause: describeError(error.cause, depth + 1) } : {}),
  };
}

function places(stack: string | undefined): string {
  return (stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
}
