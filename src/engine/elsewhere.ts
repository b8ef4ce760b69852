import { addressKeys, UNKNOWN_ADDRESS } from "../accounts/address-keys.ts";
import { shortUserAgent } from "../records/session.ts";
import type { RequestContext } from "./events.ts";
import type { RefreshOrigin } from "./refresh-decision.ts";

const DAY_MS = 86_400_000;
/** How many sessions are remembered per day; beyond that the oldest may be reported a second time. */
const MOST_SESSIONS = 10_000;

/**
 * Whether a request comes from another address and another user agent than the one before. One of the two alone also
 * changes with an honest client: a phone leaves the house, a browser is updated. An address of a trusted proxy says
 * nothing about where a client is.
 */
export function isElsewhere(
  before: RefreshOrigin,
  { ip = null, userAgent = null, isTrustedProxy = () => false }: RequestContext,
): boolean {
  if (ip === null || before.ip === null || userAgent === null || before.userAgent === null) return false;
  if (isTrustedProxy(ip) || isTrustedProxy(before.ip)) return false;
  const [here, there] = [addressKeys(ip), addressKeys(before.ip)];
  // An application may pass any text as an address. A text that is not an address says nothing about a place.
  if (here === UNKNOWN_ADDRESS || there === UNKNOWN_ADDRESS) return false;
  return here.address !== there.address && shortUserAgent(userAgent) !== before.userAgent;
}

/** Returns whether this process is asked about the session for the first time that day (UTC). */
export function createElsewhereWatch(now: () => number): (sessionId: string) => boolean {
  const seen = new Set<string>();
  let day = 0;
  return (sessionId) => {
    const today = Math.floor(now() / DAY_MS);
    if (today !== day) seen.clear();
    day = today;
    if (seen.has(sessionId)) return false;
    const [oldest] = seen;
    if (seen.size >= MOST_SESSIONS && oldest !== undefined) seen.delete(oldest);
    seen.add(sessionId);
    return true;
  };
}
