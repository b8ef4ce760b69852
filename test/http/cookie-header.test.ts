import { describe, expect, it } from "vitest";
import { cookieNamed, withCookiesFirst } from "../../src/http/cookies/cookie-header.ts";

const ours = [
  ["__Host-k-access", "A"],
  ["__Host-k-refresh", "R"],
  ["__Host-k-csrf", "C"],
] as const;
const first = "__Host-k-access=A; __Host-k-refresh=R; __Host-k-csrf=C";

/** Every byte that a header value may have, as node:http hands it over. */
const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");

describe("a Cookie header after an implicit refresh", () => {
  it.each([
    ["city=%E6%9D%B1%E4%BA%AC", "city=%E6%9D%B1%E4%BA%AC"],
    ["name=J%C3%BCrgen", "name=J%C3%BCrgen"],
    ["prefs=a%3Bb%3D1", "prefs=a%3Bb%3D1"],
    ['cart={"a":1}; ok=1', 'cart={"a":1}; ok=1'],
    ["sid=first; sid=second", "sid=first; sid=second"],
    ["x=1%3B%20__Host-k-access%3Devil", "x=1%3B%20__Host-k-access%3Devil"],
    ["x=%0d%0aSet-Cookie:a; y=%F0%9F%94%91", "x=%0d%0aSet-Cookie:a; y=%F0%9F%94%91"],
    ["__Host-k-access=old; a=1; __Host-k-access=older;b=2", "a=1;b=2"],
    [" \t__Host-k-refresh \t= old ;a = 1 ;\tb=2", "a = 1 ;\tb=2"],
    [
      "__host-k-access=a; __HOST-k-refresh=b; __Host-K-csrf=c",
      "__host-k-access=a; __HOST-k-refresh=b; __Host-K-csrf=c",
    ],
    ["__Host-k-accessory=a; x__Host-k-access=b", "__Host-k-accessory=a; x__Host-k-access=b"],
    ["__Host-k-access; nothing; =only; a=", "__Host-k-access; nothing; =only; a="],
    ['q="a b"; r="__Host-k-csrf"; __Host-k-csrf="old"', 'q="a b"; r="__Host-k-csrf"'],
    ["__Host-k-device=d; __Host-k-csrf=old", "__Host-k-device=d"],
    ["\u00a0__Host-k-access=nbsp", "\u00a0__Host-k-access=nbsp"],
    ["a=1;; b=2;", "a=1;; b=2;"],
  ])("has every other cookie of %j as it was sent, and ours first and once", (sent, others) => {
    expect(withCookiesFirst(sent, ours)).toBe(`${first}; ${others}`);
  });

  it.each(["", ";", " ; ;", "__Host-k-access=1", "__Host-k-csrf=1;__Host-k-csrf=2; "])(
    "has ours alone where %j holds no other",
    (sent) => {
      expect(withCookiesFirst(sent, ours)).toBe(first);
    },
  );

  it("keeps every byte of a cookie of 16 KB, and 200 cookies in their order", () => {
    const value = everyByte.replace(";", "").repeat(64);
    expect(withCookiesFirst(`a=${value}; __Host-k-access=old`, ours)).toBe(`${first}; a=${value}`);
    const many = Array.from({ length: 200 }, (_, at) => `c${at % 50}=${at}`).join("; ");
    expect(withCookiesFirst(`${many}; __Host-k-refresh=old`, ours)).toBe(`${first}; ${many}`);
  });

  it("is read as it is written: of several cookies with one name the first counts, before and after", () => {
    for (const sent of ["__Host-k-access=1; __Host-k-access=2", '__Host-k-access="1";__Host-k-access=2; a=%zz']) {
      expect(cookieNamed(sent, "__Host-k-access")).toBe("1");
      expect(cookieNamed(withCookiesFirst(sent, ours), "__Host-k-access")).toBe("A");
      expect(withCookiesFirst(withCookiesFirst(sent, ours), ours)).toBe(withCookiesFirst(sent, ours));
    }
    expect(cookieNamed("__host-k-access=1; a=__Host-k-access=2", "__Host-k-access")).toBeUndefined();
    expect(cookieNamed("__Host-k-access", "__Host-k-access")).toBeUndefined();
  });

  // A pattern that tries every space would take minutes, and the test would run out of time.
  it("keeps the spaces inside of cookies, however many, and is made of them without trying each", () => {
    const spaces = " ".repeat(200_000);
    const sent = `a${spaces}x=${spaces}y${spaces}z; b=1`;
    expect(withCookiesFirst(sent, ours)).toBe(`${first}; ${sent}`);
    expect(cookieNamed(sent, "b")).toBe("1");
  });
});
