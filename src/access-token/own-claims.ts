import type { JsonValue } from "../json.ts";

/** The maximum size of a session's own claims, as JSON in UTF-8. */
export const OWN_CLAIMS_MAX_BYTES = 2048;
const MAX_DEPTH = 8;
/** Half a character, which JSON can spell and other languages cannot read. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Names that an application may not set: those that Latchkey sets itself, those that a verifier acts upon, and those
 * that an introspection response adds to the claims (RFC 7519, 7662, 7800, 8693, 9068, OpenID Connect Core).
 * Descriptive names such as `email`, `name`, `groups` and `entitlements` are for the application to set.
 */
const reservedNames: ReadonlySet<string> = new Set([
  ...[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "client_id",
    "auth_time",
    "roles",
    "scope",
    "amr",
    "fresh",
  ],
  ...["acr", "azp", "nonce", "at_hash", "c_hash", "s_hash", "cnf", "act", "may_act", "sub_id", "sub_jwk", "typ"],
  ...["events", "toe", "authorization_details", "active", "token_type", "token_use", "username"],
]);

/** Names that turn into something else when careless code copies an object. */
const perilousNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Checks the application's own claims and returns a frozen copy. Use only the copy: the argument may return other
 * values when it is read again, and later changes do not reach the copy. Each name and value is read once.
 * @throws TypeError naming the claim: one that would shadow a claim of Latchkey's or of a standard, a value that is not
 *   plain JSON, more than 8 levels, or more than 2,048 bytes in all.
 */
export function checkOwnClaims(claims: Readonly<Record<string, unknown>>): Readonly<Record<string, JsonValue>> {
  if (!isPlainObject(claims)) throw new TypeError("Option 'claims' must be a plain object.");
  const copied = copyObject(claims, "", 1);
  const bytes = Buffer.byteLength(JSON.stringify(copied));
  if (bytes > OWN_CLAIMS_MAX_BYTES) {
    throw new TypeError(`Option 'claims' has ${bytes} bytes as JSON; at most ${OWN_CLAIMS_MAX_BYTES} are allowed.`);
  }
  return copied;
}

function copy(value: unknown, path: string, depth: number): JsonValue {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "string" && !LONE_SURROGATE.test(value)) return value;
  const isArray = Array.isArray(value);
  if (!isArray && !isPlainObject(value)) throw refused(path, "is not plain JSON");
  if (depth >= MAX_DEPTH) throw refused(path, `is nested deeper than ${MAX_DEPTH} levels`);
  if (!isArray) return copyObject(value, `${path}.`, depth + 1);
  return Object.freeze(Array.from(value, (item: unknown, index) => copy(item, `${path}[${index}]`, depth + 1)));
}

function copyObject(value: Readonly<Record<string, unknown>>, prefix: string, depth: number) {
  const copied: Record<string, JsonValue> = {};
  for (const name of Reflect.ownKeys(value)) {
    if (typeof name === "symbol") throw refused(`${prefix}${String(name)}`, "has a symbol for a name");
    if (depth === 1 && reservedNames.has(name)) throw refused(name, "would shadow a registered claim");
    if (perilousNames.has(name)) throw refused(prefix + name, "has a name that can change other objects");
    if (LONE_SURROGATE.test(name)) throw refused(prefix, "has a name that is not well-formed text");
    copied[name] = copy(value[name], prefix + name, depth);
  }
  return Object.freeze(copied);
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function refused(path: string, why: string): TypeError {
  return new TypeError(`Option 'claims': '${path}' ${why}.`);
}
