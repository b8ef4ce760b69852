import { describe, expect, it } from "vitest";
import { createClientAddress } from "../../src/http/request/client-address.ts";
import { createTestBed } from "../support/test-bed.ts";

const forwarded = (...values: string[]) => new Headers(values.map((value) => ["x-forwarded-for", value]));

describe("the client's address", () => {
  it("is the peer's where no proxy is trusted, whatever the headers say", () => {
    const address = createClientAddress([]);
    expect(address(forwarded("198.51.100.1"), "192.0.2.1")).toBe("192.0.2.1");
    expect(address(forwarded("198.51.100.1"), "2001:DB8::1")).toBe("2001:db8::1");
    expect(address(new Headers(), "::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(address(new Headers(), "::FFFF:192.0.2.1")).toBe("192.0.2.1");
  });

  it("is not known where the peer's is not, whatever the headers say", () => {
    const address = createClientAddress(["10.0.0.0/8", "::1"]);
    for (const peer of [undefined, null, "", "localhost", "@", "10.0.0", "10.0.0.1.1", "/var/run/latchkey.sock"]) {
      expect([peer, address(forwarded("198.51.100.1"), peer)]).toEqual([peer, null]);
    }
  });

  it("is the peer's where another proxy is trusted", () => {
    const address = createClientAddress(["10.0.0.1", "172.16.0.0/12", "2001:db8:1::/48"]);
    for (const peer of ["10.0.0.2", "172.32.0.1", "2001:db8:2::1", "192.0.2.1"]) {
      expect(address(forwarded("198.51.100.1"), peer)).toBe(peer);
    }
  });

  it("is, behind a trusted proxy, the last one forwarded, and nothing to the left of it counts", () => {
    const address = createClientAddress(["10.0.0.1", "2001:db8:1::/48"]);
    for (const peer of ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8:1::7", "2001:DB8:1:0::7"]) {
      expect(address(forwarded("198.51.100.1"), peer)).toBe("198.51.100.1");
      expect(address(forwarded("6.6.6.6, 198.51.100.1"), peer)).toBe("198.51.100.1");
      expect(address(forwarded("6.6.6.6,  10.0.0.1 ,198.51.100.1"), peer)).toBe("198.51.100.1");
      expect(address(forwarded("6.6.6.6", "198.51.100.1"), peer)).toBe("198.51.100.1");
      expect(address(forwarded("nonsense, 198.51.100.1"), peer)).toBe("198.51.100.1");
    }
  });

  it("is found from right to left, past every trusted proxy in a chain", () => {
    const address = createClientAddress(["10.0.0.0/8", "192.168.1.1"]);
    expect(address(forwarded("6.6.6.6, 198.51.100.1, 192.168.1.1, 10.9.9.9"), "10.0.0.1")).toBe("198.51.100.1");
    expect(address(forwarded("6.6.6.6, 198.51.100.1, 192.168.1.2, 10.9.9.9"), "10.0.0.1")).toBe("192.168.1.2");
  });

  it("is the outermost trusted proxy's where all of them are trusted, or the header is empty or missing", () => {
    const address = createClientAddress(["10.0.0.0/8"]);
    expect(address(forwarded("10.3.3.3, 10.2.2.2"), "10.0.0.1")).toBe("10.3.3.3");
    for (const headers of [new Headers(), forwarded(""), forwarded(","), forwarded(" , ")]) {
      expect(address(headers, "10.0.0.1")).toBe("10.0.0.1");
    }
  });

  it("ends at whatever is no address, since that was not written by a proxy that can be trusted", () => {
    const address = createClientAddress(["10.0.0.0/8"]);
    for (const hop of [
      "unknown",
      "_hidden",
      "",
      "localhost",
      "198.51.100",
      "198.51.100.1.1",
      "198.51.100.256",
      "0x7f.0.0.1",
      "2130706433",
      "010.0.0.1",
      "198.51.100.1/8",
      "for=198.51.100.1",
      "198.51.100.1:port",
      "198.51.100.1:123456",
      "[198.51.100.1",
      "198.51.100.1]",
      "2001:db8::1::2",
      "::ffff:198.51.100.256",
      "<script>",
    ]) {
      expect([hop, address(forwarded(`6.6.6.6, ${hop}, 10.2.2.2`), "10.0.0.1")]).toEqual([hop, "10.2.2.2"]);
    }
  });

  it("is the same address with and without a port, in brackets, in capitals, and mapped into IPv6", () => {
    const address = createClientAddress(["10.0.0.1"]);
    for (const [hop, expected] of [
      ["198.51.100.1:4711", "198.51.100.1"],
      ["::ffff:198.51.100.1", "198.51.100.1"],
      ["::FFFF:198.51.100.1", "198.51.100.1"],
      ["[::ffff:198.51.100.1]:4711", "198.51.100.1"],
      ["[2001:db8::1]:4711", "2001:db8::1"],
      ["[2001:db8::1]", "2001:db8::1"],
      ["2001:DB8::1", "2001:db8::1"],
    ] as const) {
      expect([hop, address(forwarded(hop), "10.0.0.1")]).toEqual([hop, expected]);
    }
  });

  it("refuses a trusted proxy that is neither an address nor a network, and names it", () => {
    for (const entry of [
      "",
      "proxy.example.com",
      "10.0.0.0/33",
      "10.0.0.0/-1",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "10.0.0",
      "::/129",
      "10.0.0.1:80",
      "*",
      "0x0a.0.0.1",
      "10.0.0.0/0x8",
    ]) {
      expect(() => createClientAddress(["127.0.0.1", entry])).toThrow(
        new TypeError(`Option 'trustedProxies': '${entry}' is neither an IP address nor a network such as 10.0.0.0/8.`),
      );
    }
  });
});

describe("twenty ways to look like somebody else", () => {
  const variants = [
    ...Array.from({ length: 8 }, (_, at) => ({ "x-forwarded-for": `198.51.100.${at}` })),
    { "x-forwarded-for": "10.0.0.1, 198.51.100.9" },
    { "x-forwarded-for": "127.0.0.1" },
    { "x-forwarded-for": "2001:db8::1" },
    { "x-real-ip": "198.51.100.10" },
    { "x-client-ip": "198.51.100.11" },
    { "x-originating-ip": "198.51.100.12" },
    { "x-cluster-client-ip": "198.51.100.13" },
    { "true-client-ip": "198.51.100.14" },
    { "cf-connecting-ip": "198.51.100.15" },
    { "fly-client-ip": "198.51.100.16" },
    { forwarded: "for=198.51.100.17;proto=https" },
    { "x-forwarded": "for=198.51.100.18", via: "1.1 198.51.100.18", "x-remote-addr": "198.51.100.18" },
  ];
  const guess = { refresh_token: `lkr_${"A".repeat(76)}` };

  it("share one count, that of the peer", async () => {
    expect(variants).toHaveLength(20);
    const bed = await createTestBed();
    const statuses: number[] = [];
    for (let round = 0; round < 4; round++) {
      for (const headers of variants) {
        statuses.push((await bed.call("POST", "/auth/refresh", { json: guess, headers, ip: "192.0.2.66" })).status);
      }
    }
    expect(statuses).toEqual([...Array(60).fill(401), ...Array(20).fill(429)]);
    const login = { username: "ada", password: "not her password" };
    for (const headers of variants) await bed.call("POST", "/auth/login", { json: login, headers, ip: "192.0.2.66" });
    const failures = bed.events.filter(({ type }) => type === "login.failed");
    expect(failures.map((event) => [event.ip, "reason" in event && event.reason])).toEqual([
      ...Array(10).fill(["192.0.2.66", "unknown_user"]),
      ...Array(10).fill(["192.0.2.66", "too_many_requests"]),
    ]);
  });

  it("share the count of the address that the trusted proxy wrote, and others have their own", async () => {
    const bed = await createTestBed({}, { trustedProxies: ["10.0.0.0/8"] });
    const ask = async (spoofed: string, real: string) => {
      const headers = { "x-forwarded-for": `${spoofed}, ${real}`, "x-real-ip": spoofed };
      return (await bed.call("POST", "/auth/refresh", { json: guess, headers, ip: "10.0.0.1" })).status;
    };
    const statuses: number[] = [];
    for (let at = 0; at < 62; at++) statuses.push(await ask(`198.51.100.${at}`, "192.0.2.66"));
    expect(statuses).toEqual([...Array(60).fill(401), 429, 429]);
    expect(await ask("192.0.2.66", "192.0.2.67")).toBe(401);
    // From the network itself, past the proxy, the header is worth nothing.
    const direct = await bed.call("POST", "/auth/refresh", {
      json: guess,
      headers: { "x-forwarded-for": "192.0.2.99" },
      ip: "192.0.2.66",
    });
    expect(direct.status).toBe(429);
  });
});
