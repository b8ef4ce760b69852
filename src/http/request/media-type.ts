const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t !#-[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
// No space can be matched in two ways, or a long row of them would take for ever.
const PARAMETER = `;[\\t ]*(?:(${TOKEN})=(${TOKEN}|${QUOTED})[\\t ]*)?`;
const MEDIA_TYPE = new RegExp(`^[\\t ]*(${TOKEN}/${TOKEN})[\\t ]*((?:${PARAMETER})*)$`);
const EACH_PARAMETER = new RegExp(PARAMETER, "g");

/** A media type, its name in lower case. */
export interface MediaType {
  readonly name: string;
  /** The values of every `charset`, in lower case: at most one from a sane sender. */
  readonly charsets: readonly string[];
}

/**
 * Reads a `Content-Type` as RFC 9110 section 8.3.1 defines it: the type and parameter names in any case, values with or
 * without quotes, parameters that say nothing. `undefined` for a text that is not a media type.
 */
export function readMediaType(text: string): MediaType | undefined {
  const [, name, parameters = ""] = MEDIA_TYPE.exec(text) ?? [];
  if (name === undefined) return undefined;
  const charsets = [...parameters.matchAll(EACH_PARAMETER)]
    .filter(([, parameter]) => parameter?.toLowerCase() === "charset")
    .map(([, , value = ""]) => unquoted(value).toLowerCase());
  return { name: name.toLowerCase(), charsets };
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
}
