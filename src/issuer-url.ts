/** The start of every message about an issuer that is not this shape, so that readers see at once what is right. */
const SHAPE = "must be an absolute http(s) URL with no query, fragment, credentials or trailing slash";
const REACHABLE =
  "must be an https URL, because it is not on this machine: over plain http, tokens and passwords can be read on the way. " +
  "Plain http is only for localhost, 127.0.0.1 and [::1]";

/**
 * What is wrong with an issuer identifier (RFC 8414 section 2), or `undefined`. The issuer and its verifiers ask the same, so that
 * no service verifies for an issuer that cannot start.
 */
export function issuerProblem(value: unknown): string | undefined {
  if (typeof value !== "string" || !URL.canParse(value)) return SHAPE;
  const { protocol, origin, pathname, hostname } = new URL(value);
  const plain = pathname === "/" ? origin : origin + pathname;
  if (!/^https?:$/.test(protocol) || value !== plain || value.endsWith("/")) return SHAPE;
  return protocol === "https:" || isLoopback(hostname) ? undefined : REACHABLE;
}

/**
 * Whether a host, as in a URL or a bind address, is this machine and cannot be reached from another: `localhost` and the names
 * below it (RFC 6761 section 6.3), 127.0.0.0/8 and ::1, in every spelling that a URL can have of them.
 */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const url = `http://${bare.includes(":") ? `[${bare}]` : bare}`;
  if (!URL.canParse(url)) return false;
  return /^(?:(?:.+\.)?localhost\.?|127(?:\.\d+){3}|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/.test(
    new URL(url).hostname,
  );
}
