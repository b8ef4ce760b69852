import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.ts";
import { createTestBed, ISSUER, type TestBed } from "../support/test-bed.ts";

const guess = (
  bed: TestBed,
  ip: string,
  headers: Readonly<Record<string, string>> = {},
  password = "not hers at all",
) => bed.call("POST", "/auth/login", { json: { username: "ada", password }, ip, headers });

/** As many guesses as an account has from one address, and two more. */
async function statuses(bed: TestBed, headersOf: (nth: number) => Readonly<Record<string, string>>, peer = "10.0.0.1") {
  const answers: number[] = [];
  for (let nth = 0; nth < 12; nth++) answers.push((await guess(bed, peer, headersOf(nth))).status);
  return answers;
}

const tenThenNoMore = [...Array(10).fill(401), 429, 429];

describe("the limit of failed sign-ins", () => {
  it("CVE-2026-110861 Better Auth: is not to be raced: of 200 guesses at once ten are looked at, the rest are 429", async () => {
    const bed = await createTestBed();
    await bed.login();
    const answers = await Promise.all(Array.from({ length: 200 }, () => guess(bed, "192.0.2.66")));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(190);
  });

  it("CVE-2026-108162 Pingvin: is not to be had anew by an address that the client writes itself, where no proxy is trusted", async () => {
    const bed = await createTestBed();
    const invented = (nth: number) => ({ "x-forwarded-for": `198.51.100.${nth}`, "x-real-ip": `198.51.100.${nth}` });
    expect(await statuses(bed, invented)).toEqual(tenThenNoMore);
  });

  it("CVE-2026-27700 Hono: counts the address that the trusted proxy wrote last, not the first one, which the client wrote", async () => {
    const bed = await createTestBed({}, { trustedProxies: ["10.0.0.1"] });
    const appended = (nth: number) => ({ "x-forwarded-for": `198.51.100.${nth}, 192.0.2.66` });
    expect(await statuses(bed, appended)).toEqual(tenThenNoMore);
    expect(bed.events.filter(({ type }) => type === "login.failed").map(({ ip }) => ip)).toEqual(
      Array(12).fill("192.0.2.66"),
    );
  });

  it("CVE-2026-24398 Hono: takes nothing for an address that is none, such as octets above 255, and stays with the proxy's", async () => {
    const bed = await createTestBed({}, { trustedProxies: ["10.0.0.1"] });
    const spellings = [
      "1.2.3.999",
      "256.1.1.1",
      "1.2.3",
      "01.2.3.4",
      "0x1.2.3.4",
      "1.2.3.4.5",
      "::ffff:1.2.3.256",
      "1e1.2.3.4",
    ];
    const malformed = (nth: number) => ({ "x-forwarded-for": spellings[nth % spellings.length]! });
    expect(await statuses(bed, malformed)).toEqual(tenThenNoMore);
    expect(new Set(bed.events.filter(({ type }) => type === "login.failed").map(({ ip }) => ip))).toEqual(
      new Set(["10.0.0.1"]),
    );
    await expect(createTestBed({}, { trustedProxies: ["1.2.3.999"] })).rejects.toThrow(TypeError);
  });

  it("CVE-2024-47070 authentik: and the password are required whatever X-Forwarded-For says, and so is a guard's token", async () => {
    const bed = await createTestBed({}, { trustedProxies: ["10.0.0.1"] });
    await bed.login();
    const guard = createGuard(bed.issuer);
    const texts = ["a", "", ",", "null", "127.0.0.1:http", "[::", "%", "x".repeat(4000)];
    for (const text of texts) {
      const headers = { "x-forwarded-for": text };
      const request = new Request(`${ISSUER}/orders`, { headers });
      await expect(guard.admit(request, { ip: text })).rejects.toMatchObject({ code: "missing_token" });
    }
    expect(await statuses(bed, (nth) => ({ "x-forwarded-for": texts[nth % texts.length]! }))).toEqual(tenThenNoMore);
  });
});
