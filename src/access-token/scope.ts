const MAX_LENGTH = 1024;
// RFC 6749 section 3.3: printable ASCII but space, quote and backslash.
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** The parts of a scope (RFC 6749 section 3.3), each once, or `undefined` for a text that is not a scope. */
export function parseScope(text: string): readonly string[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const parts = text.split(" ").filter((part) => part !== "");
  return parts.every((part) => SCOPE_TOKEN.test(part)) ? [...new Set(parts)] : undefined;
}

/**
 * The part of `allowed` that is granted when `asked` is requested: `asked` itself, all of `allowed` if no scope was
 * requested, and `undefined` if it is not a scope, empty, or more than is allowed (RFC 6749 section 5.2,
 * `invalid_scope`).
 */
export function grantedScope(asked: string | undefined, allowed: string): string | undefined {
  if (asked === undefined) return allowed;
  const parts = parseScope(asked);
  const allowedParts = allowed.split(" ");
  if (parts === undefined || parts.length === 0 || !parts.every((part) => allowedParts.includes(part)))
    return undefined;
  return parts.join(" ");
}
