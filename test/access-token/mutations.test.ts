import { afterAll, describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import {
  generateKey,
  type SigningAlgorithm,
  signingAlgorithms,
  signWith,
} from "../../src/signing/signing-algorithms.ts";
import type { Store } from "../../src/store/store.ts";
import { compactJws, goodClaims, goodHeader, grantAt, outcome, tokensOn } from "../support/access-tokens.ts";
import { createClock, openRing, openStore } from "../support/key-rings.ts";
import { report, seed, times } from "../support/long-run.ts";
import { type Below, seededRandom } from "../support/seeded-random.ts";

const mutationCount = times({ short: 50_000, long: 1_000_000 }) / signingAlgorithms.length;
const clock = createClock();
const stores: Store[] = [];
afterAll(() => Promise.all(stores.map((store) => store.close())));

type Mutate = (token: string, other: string, below: Below) => string;

const mutations: readonly Mutate[] = [
  // One bit of the text.
  (token, _, below) => flipBits(Buffer.from(token), 1, below).toString("latin1"),
  // Up to four bits of what the text stands for, spelt correctly.
  (token, _, below) =>
    changePart(token, below(3), (part) =>
      flipBits(Buffer.from(part, "base64url"), 1 + below(4), below).toString("base64url"),
    ),
  // One character for another of the alphabet.
  (token, _, below) =>
    replaceAt(
      token,
      below(token.length),
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="[below(66)]!,
    ),
  // Cut short, at either end or in the middle.
  (token, _, below) => token.slice(0, below(token.length)),
  (token, _, below) => token.slice(1 + below(token.length - 1)),
  (token, _, below) => token.slice(0, below(token.length)) + token.slice(below(token.length)),
  // Extended.
  (token, _, below) => token + "A.=-_ \n\0e"[below(9)]!.repeat(1 + below(4)),
  (token, _, below) => insertAt(token, below(token.length + 1), "A.=+/ \n\0"[below(8)]!),
  // Characters that have changed places, or stand twice.
  (token, _, below) => swapCharacters(token, below(token.length), below(token.length)),
  (token, _, below) => insertAt(token, below(token.length), token.slice(0, 1 + below(40))),
  // Parts in another order, or of another good token.
  (token, _, below) => shuffleParts(token, below),
  (token, other, below) => changePart(token, below(3), (part, at) => other.split(".")[at] ?? part),
  (token, other, below) => token.slice(0, below(token.length)) + other.slice(below(other.length)),
  // Bytes put in, taken out or moved inside one part, spelt correctly.
  (token, _, below) =>
    changePart(token, below(3), (part) => moveBytes(Buffer.from(part, "base64url"), below).toString("base64url")),
];

describe.each(signingAlgorithms)("a mutated access token, %s", (alg) => {
  it(`SECURITY 40: is never accepted, in ${mutationCount} mutations (seed ${seed})`, {
    timeout: 60_000 + mutationCount * 5,
  }, async () => {
    const began = performance.now();
    const below = seededRandom(seed + signingAlgorithms.indexOf(alg));
    const { tokens, good } = await setUp(alg);
    let made = 0;
    while (made < mutationCount) {
      const batch = Array.from({ length: 500 }, () => mutate(good, below)).filter((text) => !good.includes(text));
      made += batch.length;
      const codes = await Promise.all(batch.map((text) => outcome(tokens.verify(text))));
      expect(codes.findIndex((code) => code !== "invalid_access_token")).toBe(-1);
    }
    for (const token of good) expect(await outcome(tokens.verify(token))).toBe("accepted");
    report({
      run: `mutated access tokens, ${alg}`,
      count: made,
      seed,
      seconds: (performance.now() - began) / 1000,
      found: { accepted: 0 },
    });
  });

  it("SECURITY 40: is refused with any single bit of its text changed, and with any single bit of what it stands for", async () => {
    const { tokens, good } = await setUp(alg);
    const token = good[0]!;
    const altered: string[] = [];
    for (let bit = 0; bit < token.length * 8; bit++) altered.push(flipBit(Buffer.from(token), bit).toString("latin1"));
    for (const at of [0, 1, 2]) {
      const bytes = Buffer.from(token.split(".")[at]!, "base64url");
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        altered.push(changePart(token, at, () => flipBit(Buffer.from(bytes), bit).toString("base64url")));
      }
    }
    const codes = await Promise.all(altered.map((text) => outcome(tokens.verify(text))));
    expect(new Set(codes)).toEqual(new Set(["invalid_access_token"]));
  });

  it("SECURITY 40: is refused with an edited header or payload that a key outside the ring has signed again", async () => {
    const { tokens, ring } = await setUp(alg);
    const strangers = await Promise.all(
      [alg, "ES256", "HS256"].map((own) => generateKey(own as SigningAlgorithm, systemEnvironment.random)),
    );
    const codes: string[] = [];
    for (const stranger of strangers) {
      const headers = [
        goodHeader(ring.current()),
        goodHeader(ring.current(), { alg: stranger.alg }),
        goodHeader(stranger),
        goodHeader(stranger, { alg }),
        goodHeader(ring.current(), { jwk: stranger.publicJwk }),
      ];
      for (const header of headers) {
        for (const claims of [goodClaims(clock), goodClaims(clock, { roles: ["admin"] })]) {
          const forged = await compactJws(header, claims, (input) => signWith(stranger, input));
          codes.push(await outcome(tokens.verify(forged)));
        }
      }
    }
    expect(codes).toEqual(Array(30).fill("invalid_access_token"));
  });
});

const opened = new Map<SigningAlgorithm, Awaited<ReturnType<typeof open>>>();

async function open(signingAlg: SigningAlgorithm) {
  const store = await openStore();
  stores.push(store);
  const ring = await openRing({ store, clock, signingAlg });
  const tokens = tokensOn(ring, clock);
  const good: string[] = [];
  for (let generation = 1; generation <= 4; generation++) {
    const { token } = await tokens.sign(
      grantAt(clock, { generation, roles: generation % 2 === 0 ? ["admin"] : ["user"] }),
    );
    // Half of them are in the cache of verified tokens when their mutations come.
    if (generation > 2) await tokens.verify(token);
    good.push(token);
  }
  return { ring, tokens, good };
}

async function setUp(alg: SigningAlgorithm) {
  const known = opened.get(alg) ?? (await open(alg));
  opened.set(alg, known);
  return known;
}

function mutate(good: readonly string[], below: Below): string {
  const [token, other] = [good[below(good.length)]!, good[below(good.length)]!];
  const once = mutations[below(mutations.length)]!(token, other, below);
  return below(4) === 0 ? mutations[below(mutations.length)]!(once || token, other, below) : once;
}

function flipBit(bytes: Buffer, bit: number): Buffer {
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return bytes;
}

function flipBits(bytes: Buffer, count: number, below: Below): Buffer {
  for (let n = 0; n < count && bytes.length > 0; n++) flipBit(bytes, below(bytes.length * 8));
  return bytes;
}

function changePart(token: string, index: number, change: (part: string, at: number) => string): string {
  return token
    .split(".")
    .map((part, at) => (at === index ? change(part, at) : part))
    .join(".");
}

function insertAt(token: string, at: number, text: string): string {
  return token.slice(0, at) + text + token.slice(at);
}

function replaceAt(token: string, at: number, text: string): string {
  return token.slice(0, at) + text + token.slice(at + 1);
}

function swapCharacters(token: string, first: number, second: number): string {
  return replaceAt(replaceAt(token, first, token[second] ?? ""), second, token[first] ?? "");
}

function shuffleParts(token: string, below: Below): string {
  const parts = token.split(".");
  return Array.from({ length: 2 + below(3) }, () => parts[below(parts.length)]).join(".");
}

function moveBytes(bytes: Buffer, below: Below): Buffer {
  const [from, to, length] = [below(bytes.length + 1), below(bytes.length + 1), 1 + below(8)];
  const rest = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)]);
  return Buffer.concat([rest.subarray(0, to), bytes.subarray(from, from + below(length + 1)), rest.subarray(to)]);
}
