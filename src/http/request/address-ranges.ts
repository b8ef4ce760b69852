import { BlockList, isIP } from "node:net";

/** Addresses and networks in CIDR notation, of both versions of IP. */
export interface AddressRanges {
  /** Whether an IP address is one of the addresses, or is in one of the networks. */
  has(address: string): boolean;
}

/**
 * Reads entries such as `192.0.2.1` and `2001:db8::/32`.
 * @throws TypeError for an entry that is neither.
 */
export function createAddressRanges(entries: readonly string[]): AddressRanges {
  const ranges = new BlockList();
  for (const entry of entries) {
    const problem = addressRangeProblem(entry);
    if (problem !== undefined) throw new TypeError(`'${entry}' ${problem}.`);
    const [address = "", prefix] = entry.split("/");
    const type = typeOf(address);
    if (prefix === undefined) ranges.addAddress(address, type);
    else ranges.addSubnet(address, Number(prefix), type);
  }
  return { has: (address) => ranges.check(address, typeOf(address)) };
}

/** What is wrong with an entry, as words that follow it, or `undefined`. */
export function addressRangeProblem(entry: string): string | undefined {
  const [address = "", prefix, ...rest] = entry.split("/");
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address) as 0 | 4 | 6];
  const isRange = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
  return bits > 0 && !address.includes("%") && rest.length === 0 && isRange
    ? undefined
    : "is neither an IP address nor a network such as 10.0.0.0/8";
}

function typeOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
