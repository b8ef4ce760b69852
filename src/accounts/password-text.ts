import { LatchkeyError } from "../errors.ts";

/** The maximum length of a password in bytes of UTF-8. */
export const PASSWORD_MAX_BYTES = 1024;

// Composing may shorten a text, so a decomposed form may be longer than the limit; but a text of unlimited length must
// not be normalised.
const MOST_BYTES_BEFORE_COMPOSING = 4 * PASSWORD_MAX_BYTES;

/**
 * Converts a password to the one form that is counted, compared and hashed (RFC 8265 section 4.2, OpaqueString): every
 * kind of space becomes U+0020, and the text is NFC, so that it does not matter which keyboard or system composed it.
 * Nothing is trimmed, case-folded or cut. Every use of a password begins here, before any work is spent on it.
 * @throws LatchkeyError `invalid_request` when the password has more than 1,024 bytes of UTF-8 or is not valid Unicode.
 */
export function preparePassword(password: string): string {
  if (Buffer.byteLength(password, "utf8") > MOST_BYTES_BEFORE_COMPOSING) throw tooLong();
  // A lone surrogate has no UTF-8 form: two such passwords would become the same bytes.
  if (/\p{Surrogate}/u.test(password)) {
    throw new LatchkeyError("invalid_request", { description: "The password is not valid Unicode text." });
  }
  const prepared = password.replace(/\p{Space_Separator}/gu, " ").normalize("NFC");
  if (Buffer.byteLength(prepared, "utf8") > PASSWORD_MAX_BYTES) throw tooLong();
  return prepared;
}

function tooLong(): LatchkeyError {
  return new LatchkeyError("invalid_request", { description: "A password may have at most 1,024 bytes." });
}
