/**
 * Texts as a header field can carry them (RFC 9110 section 5.5), comma-separated. Anything but visible ASCII is
 * percent-encoded as UTF-8, and so are `%` and `,`: different lists never look the same, and no text can end a line or
 * a list's entry.
 */
export function headerList(texts: readonly string[]): string {
  return texts.map(headerText).join(",");
}

/** One such text. */
export function headerText(text: string): string {
  return text.replace(/[^\x21-\x24\x26-\x2b\x2d-\x7e]/gu, percentEncoded);
}

function percentEncoded(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}
