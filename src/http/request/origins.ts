import { isIP } from "node:net";
import { listOfTexts, type Problem } from "../../option-rules.ts";

/** Schemes whose pages have an origin of another form, or none: of a WebSocket, too, `Origin` is the page's. */
const NO_PAGES = /^(?:wss?|ftp|file|data|blob|about|javascript):/;
/** Where web views and browser extensions keep their pages. Nothing is parsed, since every engine writes these as it likes. */
const OF_AN_APP = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._-]+(?::\d{1,5})?$/;
const LOOPBACK_NAME = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?=:|$)/;

/**
 * Whether a text is an origin as a browser writes it in `Origin` (RFC 6454 section 6.2): of a website, or of an app or extension,
 * such as `capacitor://localhost`. A pattern would never match, since origins are compared byte for byte.
 */
export function isExactOrigin(text: string): boolean {
  if (/^https?:/i.test(text)) return URL.canParse(text) && new URL(text).origin === text && !text.includes("*");
  return OF_AN_APP.test(text) && !NO_PAGES.test(text);
}

/** Refuses anything that is not a list of such origins. */
export const exactOrigins: Problem = listOfTexts((entry) =>
  isExactOrigin(entry) ? undefined : "is not an exact origin such as https://app.example.com",
);

/**
 * Whether an origin is the issuer's own. In development, on plain http, the three names of this machine are one: people
 * open any of them.
 */
export function isOwnOrigin(origin: string, ownOrigin: string): boolean {
  return origin === ownOrigin || unnamedLoopback(origin) === unnamedLoopback(ownOrigin);
}

function unnamedLoopback(origin: string): string {
  return origin.replace(LOOPBACK_NAME, "http://localhost");
}

/** What a browser states about where a request comes from. */
export interface StatedSource {
  readonly origin: string | null;
  readonly secFetchSite: string | null;
}

/**
 * Whether a request certainly comes from another site (HTML's "same site": scheme and registrable domain), so that a browser keeps
 * no cookie of its answer but one with SameSite=None. `Sec-Fetch-Site` says it, in every browser since March 2023, for each issuer
 * there can be: https, or this machine. Without the header, only what needs no list of public suffixes is certain: another scheme,
 * an address, or names that have not even their last two labels in common. Such a list would age with every installation.
 */
export function isOtherSite({ origin, secFetchSite }: StatedSource, ownOrigin: string): boolean {
  if (secFetchSite !== null) return secFetchSite === "cross-site";
  if (origin === null) return false;
  // Which name of this machine the browser has called shows in no origin.
  const [theirs, ours] = [schemeAndHost(unnamedLoopback(origin)), schemeAndHost(unnamedLoopback(ownOrigin))];
  if (theirs.scheme !== ours.scheme) return true;
  if (theirs.host === ours.host) return false;
  if (isAddress(theirs.host) || isAddress(ours.host)) return true;
  return lastTwoLabels(theirs.host) !== lastTwoLabels(ours.host);
}

function schemeAndHost(origin: string): { readonly scheme: string; readonly host: string } {
  const [scheme = "", authority = ""] = origin.split("://");
  return { scheme, host: authority.replace(/:\d+$/, "") };
}

function isAddress(host: string): boolean {
  return host.startsWith("[") || isIP(host) !== 0;
}

function lastTwoLabels(host: string): string {
  return host.split(".").slice(-2).join(".");
}
