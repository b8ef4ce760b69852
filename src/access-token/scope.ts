const MAX_LENGTH = 1024;
// RFC 6749 section 3.3: printable ASCII but space, quote and backslash.
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** The parts of a scope (RFC 6749 section 3.3), each once, or `undefined` for a text that is no scope. */
export function parseScope(text: string): readonly string[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const parts = text.split(" ").filter((part) => part !== "");
  return parts.every((part) => SCOPE_TOKEN.test(part)) ? [...new Set(parts)] : undefined;
}

/**
 * What is granted of `allowed` when `asked` is asked for: `asked` itself, all of `allowed` where nothing in particular was
 * asked for, and `undefined` where it is no scope, empty, or more than is allowed (RFC 6749 section 5.2, `invalid_scope`).
 */
export function grantedScope(asked: string | undefined, allowed: string): string | undefined {
  if (asked === undefined) return allowed;
  const parts = parseScope(asked);
  const allowedParts = allowed.split(" ");
  if (parts === undefined || parts.length === 0 || !parts.every((part) => allowedParts.includes(part)))
    return undefined;
  return parts.join(" ");
}
