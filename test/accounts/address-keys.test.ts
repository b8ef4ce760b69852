import { describe, expect, it } from "vitest";
import { addressKeys } from "../../src/accounts/address-keys.ts";

describe("the keys of an address", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7", null],
    ["::ffff:192.0.2.7", "192.0.2.7", null],
    ["::FFFF:c000:207", "192.0.2.7", null],
    ["0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7", null],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"],
    ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64", "2001:db8:1::/48"],
    ["2001:db8::1", "2001:db8:0:0::/64", "2001:db8:0::/48"],
    ["::1", "0:0:0:0::/64", "0:0:0::/48"],
    ["::", "0:0:0:0::/64", "0:0:0::/48"],
    ["fe80::1%eth0", "fe80:0:0:0::/64", "fe80:0:0::/48"],
    ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/64", "64:ff9b:0::/48"],
  ])("%s are %s and %s", (text, address, network) => {
    expect(addressKeys(text)).toEqual({ address, network });
  });

  it.each([null, "", "unknown", "localhost", "192.0.2", "192.0.2.07", "192.0.2.7:443", "[::1]", "::g", "1, 2"])(
    "%j is no address and shares the key of the unknown",
    (text) => {
      expect(addressKeys(text)).toEqual({ address: "unknown", network: null });
    },
  );
});
