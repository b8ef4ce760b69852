import { isIP } from "node:net";
import { addressRangeProblem, createAddressRanges } from "./address-ranges.ts";

const WITH_PORT = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/;

/** Finds the client that a request really comes from. */
export interface ClientAddress {
  (headers: Headers, peer: string | null | undefined): string | null;
  /** Whether the address is a trusted proxy's own. */
  readonly isTrusted: (address: string) => boolean;
}

/**
 * The peer's address or, if the peer is a trusted proxy, the nearest address in `X-Forwarded-For` that is not one. From
 * any other peer the header is ignored, since its sender can write anything into it.
 * @param trustedProxies addresses, or networks in CIDR notation.
 * @throws TypeError naming an entry that is neither.
 */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  for (const entry of trustedProxies) {
    const problem = addressRangeProblem(entry);
    if (problem !== undefined) throw new TypeError(`Option 'trustedProxies': '${entry}' ${problem}.`);
  }
  const isTrusted = createAddressRanges(trustedProxies).has;

  const clientAddress = (headers: Headers, peer: string | null | undefined) => {
    const direct = plainAddress(peer ?? "");
    if (direct === null || trustedProxies.length === 0 || !isTrusted(direct)) return direct;
    const forwarded = headers.get("x-forwarded-for")?.split(",") ?? [];
    let nearest = direct;
    for (const hop of forwarded.reverse()) {
      const address = plainAddress(hop.trim());
      // A hop that our own proxy did not write as an address cannot be distinguished from a forged one.
      if (address === null) return nearest;
      nearest = address;
      if (!isTrusted(address)) return address;
    }
    return nearest;
  };
  return Object.assign(clientAddress, { isTrusted });
}

const nearby = createAddressRanges([
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "::1/128",
  "fc00::/7",
  "fe80::/10",
]);

/**
 * Whether the peer is this machine or in a private network, as a proxy in front is; if so, the address is returned in
 * one spelling.
 */
export function nearbyPeer(peer: string | null | undefined): string | undefined {
  const address = plainAddress(peer ?? "");
  return address !== null && nearby.has(address) ? address : undefined;
}

/**
 * Reads an address, which some proxies write with the port (`192.0.2.1:4711`, `[2001:db8::1]:4711`), or returns `null`.
 * An IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2) is the same client.
 */
function plainAddress(text: string): string | null {
  const [, bracketed, before] = WITH_PORT.exec(text) ?? [];
  const address = (bracketed ?? before ?? text).toLowerCase();
  const mapped = address.startsWith("::ffff:") ? address.slice("::ffff:".length) : "";
  if (isIP(mapped) === 4) return mapped;
  return isIP(address) === 0 ? null : address;
}
