import { type Below, pick } from "../support/seeded-random.ts";

export const TOKEN_BYTES = 57;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The token whose bytes are changed so, spelt correctly. */
export function withBytes(token: string, change: (bytes: Buffer) => unknown): string {
  const bytes = Buffer.from(token.slice("lkr_".length), "base64url");
  change(bytes);
  return `lkr_${bytes.toString("base64url")}`;
}

type Mutate = (token: string, other: string, below: Below) => string;

const mutations: readonly Mutate[] = [
  // One bit, or several, spelt correctly.
  (token, _, below) =>
    withBytes(token, (bytes) => {
      for (let count = 1 + below(3); count > 0; count--) {
        const at = below(bytes.length);
        bytes[at]! ^= 1 << below(8);
      }
    }),
  // One whole field, of chance or of another token: version, key id, session id, generation, MAC.
  (token, other, below) => {
    const [from, to] = pick(below, [
      [0, 1],
      [1, 5],
      [5, 21],
      [21, 25],
      [25, 57],
    ] as const);
    const foreign = Buffer.from(other.slice(4), "base64url");
    return withBytes(token, (bytes) => {
      for (let at = from; at < to; at++) bytes[at] = below(2) === 0 ? (foreign[at] ?? 0) : below(256);
    });
  },
  // A generation nearby, under the MAC of this one.
  (token, _, below) =>
    withBytes(token, (bytes) => bytes.writeUInt32BE((bytes.readUInt32BE(21) + below(7) - 3) >>> 0, 21)),
  // One character for another.
  (token, _, below) => {
    const at = below(token.length);
    return token.slice(0, at) + ALPHABET[below(64)] + token.slice(at + 1);
  },
  // Cut short or extended.
  (token, _, below) => token.slice(0, below(token.length)),
  (token, _, below) => token + Array.from({ length: 1 + below(8) }, () => ALPHABET[below(64)]).join(""),
  (token, _, below) => token + pick(below, ["=", "==", " ", "\n", "\0", ".", "AAAA"]),
  // Spelt otherwise.
  (token, _, below) => {
    const at = below(token.length + 1);
    return token.slice(0, at) + pick(below, [" ", "\n", "\r", "\t", "+", "/", "=", "\0", "\u200b"]) + token.slice(at);
  },
  (token, _, below) => token.slice(0, 4) + token.slice(4)[below(2) === 0 ? "toUpperCase" : "toLowerCase"](),
  // The head of one, the tail of another.
  (token, other, below) => {
    const at = below(token.length);
    return token.slice(0, at) + other.slice(at);
  },
  // Two characters that have changed places.
  (token, _, below) => {
    const [first, second] = [4 + below(76), 4 + below(76)].sort((a, b) => a - b) as [number, number];
    return (
      token.slice(0, first) + token[second] + token.slice(first + 1, second) + token[first] + token.slice(second + 1)
    );
  },
  // Nothing of it is left.
  (_, __, below) => `lkr_${Array.from({ length: 76 }, () => ALPHABET[below(64)]).join("")}`,
];

/** Alters a token once, or now and then twice. The result may by chance be `token` or `other` again. */
export function mutateRefreshToken(token: string, other: string, below: Below): string {
  const once = pick(below, mutations)(token, other, below);
  return below(4) === 0 && once.length === token.length ? pick(below, mutations)(once, other, below) : once;
}
