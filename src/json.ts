/** Plain JSON. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

// A byte order mark is kept, so that it fails to parse.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads JSON that `JSON.stringify` wrote, or returns `undefined` for every other spelling. So a repeated name, which
 * parsers read differently, is never accepted, nor is white space or a number in another notation.
 */
export function parseExactJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    const text = utf8.decode(bytes);
    const value: JsonValue = JSON.parse(text);
    return JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads JSON of any spelling, for what other programs write and no one else reads: for a repeated name the last value
 * counts (RFC 7515 section 4). `undefined` for anything that is not JSON in UTF-8.
 */
export function parseJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined;
  }
}

/** Whether a value is a JSON object: neither an array nor null. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, JsonValue>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Freezes a JSON value to its last leaf. */
export function freezeJson<Value extends JsonValue>(value: Value): Value {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) freezeJson(inner as JsonValue);
    Object.freeze(value);
  }
  return value;
}
