import { isIP } from "node:net";

/** The keys that limits on addresses use. */
export interface AddressKeys {
  /**
   * An IPv4 address; for an IPv6 address the /64, since every subscriber has a whole one; `unknown` if there is
   * neither.
   */
  readonly address: string;
  /** The /48 around an IPv6 address, the most that one subscriber is usually given; `null` for all others. */
  readonly network: string | null;
}

/** The keys of all unknown addresses, which no limit counts. */
export const UNKNOWN_ADDRESS: AddressKeys = Object.freeze({ address: "unknown", network: null });

/**
 * Derives the keys. All spellings of an address have the same keys, and an IPv4-mapped IPv6 address (RFC 4291) is IPv4.
 */
export function addressKeys(address: string | null): AddressKeys {
  if (address === null) return UNKNOWN_ADDRESS;
  const version = isIP(address);
  if (version === 4) return { address, network: null };
  if (version !== 6) return UNKNOWN_ADDRESS;
  const groups = expand(address);
  if (groups.slice(0, 6).join(":") === "0:0:0:0:0:ffff")
    return { address: dotted(groups[6]!, groups[7]!), network: null };
  return { address: `${groups.slice(0, 4).join(":")}::/64`, network: `${groups.slice(0, 3).join(":")}::/48` };
}

/** The eight groups of an IPv6 address, in lower case and without leading zeros. */
function expand(address: string): readonly string[] {
  const [withoutZone = ""] = address.split("%");
  const [head = "", tail = ""] = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1).split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  return [...before, ...new Array<string>(8 - before.length - after.length).fill("0"), ...after];
}

function dotted(high: string, low: string): string {
  const [upper, lower] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [upper >> 8, upper & 0xff, lower >> 8, lower & 0xff].join(".");
}
