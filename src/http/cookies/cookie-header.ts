/** A cookie as a request carries it. */
export type CookiePair = readonly [name: string, value: string];

/**
 * The value of the first cookie with exactly that name; `undefined` if there is none. Browsers send the cookie with the
 * more specific path first, and of two with the same path the older one (RFC 6265 section 5.4), and the parsers of most
 * frameworks use the first as well. Quotes around the value are not part of it, and escapes are decoded where they can
 * be.
 */
export function cookieNamed(header: string, name: string): string | undefined {
  for (const part of header.split(";")) {
    if (nameOf(part) !== name) continue;
    const value = trimmed(part.slice(part.indexOf("=") + 1));
    return unescaped(value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value);
  }
  return undefined;
}

/**
 * The header with these cookies first, and all others as they were sent, byte for byte and in their order. Earlier
 * cookies with the same names are removed, however often they occur. Nothing is decoded: text inside another cookie
 * must not become a cookie.
 */
export function withCookiesFirst(header: string, first: readonly CookiePair[]): string {
  const others = withoutCookies(
    header,
    first.map(([name]) => name),
  );
  if (first.length === 0) return others;
  const ours = first.map(([name, value]) => `${name}=${value}`).join("; ");
  const rest = others.replace(/^[ \t;]+/, "");
  return rest === "" ? ours : `${ours}; ${rest}`;
}

/** The header without the cookies of these names, the others as they were sent. */
export function withoutCookies(header: string, names: readonly string[]): string {
  if (names.length === 0) return header;
  const isNamed = (part: string) => names.includes(nameOf(part) ?? "");
  return header
    .split(";")
    .filter((part) => !isNamed(part))
    .join(";");
}

/**
 * The name of `name=value`; `undefined` if there is no `=`, which makes it a value without a name (RFC 6265bis
 * section 5.6).
 */
function nameOf(part: string): string | undefined {
  const at = part.indexOf("=");
  return at === -1 ? undefined : trimmed(part.slice(0, at));
}

/** Without spaces and tabs at its ends, and nothing else that `trim` would remove. A pattern takes quadratic time on many spaces. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function unescaped(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
