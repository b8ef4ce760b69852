import { type BinaryLike, pbkdf2, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import argon2 from "@node-rs/argon2";
import bcrypt from "@node-rs/bcrypt";
import { IMPORTED_HASH_PREFIX } from "../records/user.ts";

/** A password hash created by another system, in a form and of a size that can be verified here. */
export interface ImportedHash {
  /** About how long one verification takes on one core of 2020, in milliseconds. */
  readonly costMilliseconds: number;
  /** Whether the password, exactly as it was typed, made this hash. Compared in constant time. */
  verify(password: string): Promise<boolean>;
}

// A stored hash must not be able to require more: it may come from a file of an untrusted origin.
const MOST_MILLISECONDS = 4000;
const MOST_MEMORY_BYTES = 256 * 1024 * 1024;
const MOST_CHARACTERS = 2048;

const deriveByPbkdf2 = promisify(pbkdf2);
const deriveByScrypt = promisify(
  (
    password: BinaryLike,
    salt: BinaryLike,
    bytes: number,
    cost: ScryptCost,
    done: (e: Error | null, k: Buffer) => void,
  ) => scrypt(password, salt, bytes, { ...cost, maxmem: 2 * scryptMemory(cost) }, done),
);

interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

interface Form {
  readonly pattern: RegExp;
  /** Reads what the pattern has matched; `undefined` if it requires too much memory or is not such a hash after all. */
  readonly read: (parts: Readonly<Record<string, string>>, text: string) => ImportedHash | undefined;
}

interface Digest {
  /** Its name in node:crypto, if Python uses another name. */
  readonly name?: string;
  /** How long one round of HMAC takes. */
  readonly nanoseconds: number;
  /** How many bytes of it passlib and Werkzeug use. */
  readonly bytes: number;
}

/** By their names in Python. */
const digests: Readonly<Record<string, Digest>> = {
  md5: { nanoseconds: 1500, bytes: 16 },
  sha1: { nanoseconds: 150, bytes: 20 },
  sha224: { nanoseconds: 1800, bytes: 28 },
  sha256: { nanoseconds: 160, bytes: 32 },
  sha384: { nanoseconds: 2800, bytes: 48 },
  sha512: { nanoseconds: 350, bytes: 64 },
  sha3_224: { name: "sha3-224", nanoseconds: 5000, bytes: 28 },
  sha3_256: { name: "sha3-256", nanoseconds: 5000, bytes: 32 },
  sha3_384: { name: "sha3-384", nanoseconds: 5000, bytes: 48 },
  sha3_512: { name: "sha3-512", nanoseconds: 5000, bytes: 64 },
  blake2b: { name: "blake2b512", nanoseconds: 5500, bytes: 64 },
  blake2s: { name: "blake2s256", nanoseconds: 4200, bytes: 32 },
};

const forms: readonly Form[] = [
  {
    // passlib's bcrypt, and that of all other systems. It uses only the first 72 bytes of a password.
    pattern: /^\$2[aby]\$(?<cost>\d\d)\$[A-Za-z0-9./]{53}$/,
    read({ cost }, text) {
      if (Number(cost) < 4) return undefined;
      return {
        costMilliseconds: 2 ** Number(cost) * 0.05,
        verify: (password) => bcrypt.verify(password, text),
      };
    },
  },
  {
    // passlib's argon2, and every other PHC string of it (RFC 9106), its parameters in any order.
    pattern:
      /^\$argon2(?:id|i|d)\$v=19\$(?<parameters>[a-z]{1,5}=[A-Za-z0-9+/]{1,43}(?:,[a-z]{1,5}=[A-Za-z0-9+/]{1,43}){2,4})\$(?<salt>[A-Za-z0-9+/]{11,1400})\$(?<key>[A-Za-z0-9+/]{16,86})$/,
    read({ parameters, salt, key }, text) {
      const read = readArgon2Parameters(parameters!);
      if (read === undefined || !isBase64(salt!) || !isBase64(key!)) return undefined;
      const { kibibytes, passes, lanes } = read;
      if (kibibytes * 1024 > MOST_MEMORY_BYTES || passes < 1 || lanes < 1 || lanes > 99 || kibibytes < 8 * lanes)
        return undefined;
      return {
        costMilliseconds: kibibytes * passes * 0.000_25,
        verify: (password) => argon2.verify(text, password),
      };
    },
  },
  {
    // passlib's pbkdf2_sha1, pbkdf2_sha256 and pbkdf2_sha512.
    pattern:
      /^\$pbkdf2(?:-(?<digest>sha256|sha512))?\$(?<rounds>\d{1,8})\$(?<salt>[A-Za-z0-9./]{0,1400})\$(?<key>[A-Za-z0-9./]{27,86})$/,
    read: ({ digest = "sha1", rounds, salt, key }) =>
      pbkdf2Hash(digest, Number(rounds), fromBase64(salt!.replaceAll(".", "+")), fromBase64(key!.replaceAll(".", "+"))),
  },
  {
    // Werkzeug's pbkdf2, whose salt is text.
    pattern:
      /^pbkdf2:(?<digest>[a-z0-9_]{3,8}):(?<rounds>\d{1,8})\$(?<salt>[!-#%-~]{1,1024})\$(?<key>[0-9a-f]{32,128})$/,
    read: ({ digest, rounds, salt, key }) =>
      pbkdf2Hash(digest!, Number(rounds), Buffer.from(salt!), Buffer.from(key!, "hex")),
  },
  {
    // passlib's scrypt.
    pattern:
      /^\$scrypt\$ln=(?<ln>\d{1,2}),r=(?<r>\d{1,3}),p=(?<p>\d{1,3})\$(?<salt>[A-Za-z0-9+/]{0,1400})\$(?<key>[A-Za-z0-9+/]{22,86})$/,
    read: ({ ln, r, p, salt, key }) =>
      scryptHash({ N: 2 ** Number(ln), r: Number(r), p: Number(p) }, fromBase64(salt!), fromBase64(key!)),
  },
  {
    // Werkzeug's scrypt, whose salt is text.
    pattern: /^scrypt:(?<N>\d{1,8}):(?<r>\d{1,3}):(?<p>\d{1,3})\$(?<salt>[!-#%-~]{1,1024})\$(?<key>[0-9a-f]{128})$/,
    read: ({ N, r, p, salt, key }) =>
      scryptHash({ N: Number(N), r: Number(r), p: Number(p) }, Buffer.from(salt!), Buffer.from(key!, "hex")),
  },
  {
    // Better Auth's own: the salt is the text of its hexadecimal digits, and the password is normalised to NFKC.
    // Hand-written code around node:crypto's scrypt with its defaults often has the same form and another block size:
    // both are tried.
    pattern: /^(?<salt>[0-9a-f]{32}):(?<key>[0-9a-f]{128})$/,
    read: ({ salt, key }) =>
      eitherHash(
        scryptHash({ N: 16_384, r: 16, p: 1 }, Buffer.from(salt!), Buffer.from(key!, "hex"), (password) =>
          password.normalize("NFKC"),
        ),
        scryptHash({ N: 16_384, r: 8, p: 1 }, Buffer.from(salt!), Buffer.from(key!, "hex")),
      ),
  },
];

/** Reads a hash as the other system wrote it; `undefined` if it has no known form or would cost too much to verify. */
export function readImportedHash(text: string): ImportedHash | undefined {
  if (text.length > MOST_CHARACTERS) return undefined;
  for (const { pattern, read } of forms) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const hash = read(found.groups ?? {}, text);
    return hash !== undefined && hash.costMilliseconds <= MOST_MILLISECONDS ? hash : undefined;
  }
  return undefined;
}

/**
 * How an imported hash is stored: marked, so that it can never be mistaken for one of Latchkey's own, and prefixed with
 * its cost, so that the costliest one is the last in order. The spaces that a fixed-width column appends and the
 * padding of its base64 are removed; `undefined` if it cannot be read or would cost too much to verify.
 */
export function storedImportedHash(given: string): string | undefined {
  const trimmed = given.trimEnd();
  const text = trimmed.startsWith("$argon2") ? trimmed.replace(/={1,2}(?=\$|$)/g, "") : trimmed;
  const hash = readImportedHash(text);
  if (hash === undefined) return undefined;
  return `${IMPORTED_HASH_PREFIX}${String(Math.ceil(hash.costMilliseconds)).padStart(COST_DIGITS, "0")}:${text}`;
}

/** Whether a stored hash was imported, and so must be replaced by one of Latchkey's own at the next sign-in. */
export function isImportedHash(stored: string): boolean {
  return stored.startsWith(IMPORTED_HASH_PREFIX);
}

/** Reads what {@link storedImportedHash} has created. */
export function readStoredImportedHash(stored: string): ImportedHash | undefined {
  return readImportedHash(stored.slice(IMPORTED_HASH_PREFIX.length + COST_DIGITS + 1));
}

const COST_DIGITS = 5;

interface Argon2Parameters {
  readonly kibibytes: number;
  readonly passes: number;
  readonly lanes: number;
}

/** A PHC string names each of its parameters once, in any order. `keyid` and `data` are read by the code that verifies. */
function readArgon2Parameters(text: string): Argon2Parameters | undefined {
  const given = text.split(",").map((one) => one.split("=") as [name: string, value: string]);
  const values = new Map(given);
  if (values.size !== given.length) return undefined;
  for (const [name, value] of given) {
    if (!(argon2Parameters[name as keyof typeof argon2Parameters]?.(value) ?? false)) return undefined;
  }
  const [m, t, p] = ["m", "t", "p"].map((name) => values.get(name));
  if (m === undefined || t === undefined || p === undefined) return undefined;
  return { kibibytes: Number(m), passes: Number(t), lanes: Number(p) };
}

const isNumber = (value: string) => /^[1-9]\d{0,6}$/.test(value);

const argon2Parameters = {
  m: isNumber,
  t: isNumber,
  p: isNumber,
  keyid: (value: string) => isBase64(value) && fromBase64(value).length <= 8,
  data: (value: string) => isBase64(value) && fromBase64(value).length <= 32,
} satisfies Record<string, (value: string) => boolean>;

/** Matches if either of the two has created the hash. */
function eitherHash(one: ImportedHash | undefined, other: ImportedHash | undefined): ImportedHash | undefined {
  if (one === undefined || other === undefined) return undefined;
  return {
    costMilliseconds: one.costMilliseconds + other.costMilliseconds,
    verify: async (password) => (await one.verify(password)) || other.verify(password),
  };
}

function pbkdf2Hash(digest: string, rounds: number, salt: Buffer, key: Buffer): ImportedHash | undefined {
  const known = Object.hasOwn(digests, digest) ? digests[digest] : undefined;
  if (known === undefined || rounds < 1 || key.length !== known.bytes) return undefined;
  const { nanoseconds, bytes, name = digest } = known;
  return {
    costMilliseconds: (rounds * nanoseconds) / 1e6,
    verify: async (password) => timingSafeEqual(await deriveByPbkdf2(password, salt, rounds, bytes, name), key),
  };
}

function scryptHash(
  cost: ScryptCost,
  salt: Buffer,
  key: Buffer,
  prepare: (password: string) => string = (password) => password,
): ImportedHash | undefined {
  const { N, r, p } = cost;
  const isPowerOfTwo = N > 1 && Number.isInteger(Math.log2(N));
  // RFC 7914 section 2: N is less than 2^(128 * r / 8).
  if (!isPowerOfTwo || r < 1 || p < 1 || p > 16 || Math.log2(N) >= 16 * r || scryptMemory(cost) > MOST_MEMORY_BYTES)
    return undefined;
  return {
    costMilliseconds: N * r * p * 0.000_3,
    verify: async (password) => timingSafeEqual(await deriveByScrypt(prepare(password), salt, key.length, cost), key),
  };
}

function scryptMemory({ N, r, p }: ScryptCost): number {
  return 128 * r * (N + p);
}

/** Whether the text is canonical base64, without padding: other spellings are refused when it is verified. */
function isBase64(text: string): boolean {
  return fromBase64(text).toString("base64").replaceAll("=", "") === text;
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, "base64");
}
