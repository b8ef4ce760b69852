const DEFAULT = "max-age=31536000";
/** The requirements of the browsers' preload list (hstspreload.org). */
const PRELOAD_SECONDS = 31_536_000;
const SHAPE =
  "must be 'off', or a Strict-Transport-Security value such as 'max-age=31536000' or 'max-age=63072000; includeSubDomains'";

/**
 * The value of `Strict-Transport-Security` (RFC 6797) for the responses of `issuer`, or `undefined` to send no such
 * header: browsers must not see it on plain http (section 7.2).
 */
export function hstsHeader(issuer: string, given: string = DEFAULT): string | undefined {
  return issuer.startsWith("https:") && given !== "off" ? given : undefined;
}

/** What is wrong with a value to be sent (RFC 6797 section 6.1, and `preload`), or `undefined`. */
export function hstsProblem(value: unknown): string | undefined {
  if (value === "off") return undefined;
  if (typeof value !== "string" || !/^[\x20-\x7e]+$/.test(value)) return SHAPE;
  const directives = value.split(";").map((directive) => directive.trim().toLowerCase());
  const maxAge = directives.find((directive) => directive.startsWith("max-age"));
  const others = directives.filter((directive) => directive !== maxAge);
  const seconds = /^max-age=(\d{1,10})$/.exec(maxAge ?? "")?.[1];
  const isKnown = others.every((directive) => directive === "includesubdomains" || directive === "preload");
  if (seconds === undefined || !isKnown || new Set(directives).size !== directives.length) return SHAPE;
  if (!others.includes("preload")) return undefined;
  return others.includes("includesubdomains") && Number(seconds) >= PRELOAD_SECONDS
    ? undefined
    : `must have includeSubDomains and a max-age of at least ${PRELOAD_SECONDS} if it has preload, which browsers ignore otherwise`;
}

/** The same together with the issuer: a value that could never be sent is not silently ignored. */
export function hstsMismatch(issuer: string, given: string | undefined): string | undefined {
  return given === undefined || given === "off" || issuer.startsWith("https:")
    ? undefined
    : "requires an https issuer: browsers ignore it on plain http. Omit it";
}
