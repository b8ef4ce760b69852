import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPair,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
} from "node:crypto";
import { promisify } from "node:util";
import { calculateJwkThumbprint, type JWK } from "jose";
import type { Random } from "../environment.ts";

const HMAC_KEY_BYTES = 32;
const RSA_MODULUS_BITS = 3072;

const generatePair = promisify(generateKeyPair);
const signOnThreadPool = promisify(sign);

/** What is particular to one algorithm. */
interface Algorithm {
  readonly generate: (random: Random) => Promise<KeyObject>;
  /** Whether a key is of the algorithm's type and strong enough. */
  readonly fits: (key: KeyObject) => boolean;
  readonly sign: (key: KeyObject, input: Uint8Array) => Promise<Uint8Array>;
}

// Signatures are made on the thread pool, which on two cores with 32 in flight measured half as fast again as signing
// on the event loop for the elliptic curves and twice as fast for RSA. An HMAC costs less than the way to the pool.
const algorithms = {
  ES256: {
    generate: async () => (await generatePair("ec", { namedCurve: "P-256" })).privateKey,
    fits: (key) => key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1",
    // RFC 7518 section 3.4: R and S side by side, not DER.
    sign: (key, input) => signOnThreadPool("sha256", input, { key, dsaEncoding: "ieee-p1363" }),
  },
  EdDSA: {
    generate: async () => (await generatePair("ed25519")).privateKey,
    fits: (key) => key.asymmetricKeyType === "ed25519",
    sign: (key, input) => signOnThreadPool(null, input, { key }),
  },
  RS256: rsa({ padding: constants.RSA_PKCS1_PADDING }),
  // RFC 7518 section 3.5: the salt is as long as the hash.
  PS256: rsa({ padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }),
  HS256: {
    generate: async (random) => createSecretKey(random.bytes(HMAC_KEY_BYTES)),
    fits: (key) => key.type === "secret" && key.symmetricKeySize === HMAC_KEY_BYTES,
    sign: async (key, input) => createHmac("sha256", key).update(input).digest(),
  },
} as const satisfies Record<string, Algorithm>;

function rsa(padding: Omit<SignKeyObjectInput, "key">): Algorithm {
  return {
    generate: async () => (await generatePair("rsa", { modulusLength: RSA_MODULUS_BITS })).privateKey,
    fits: (key) =>
      key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_MODULUS_BITS,
    sign: (key, input) => signOnThreadPool("sha256", input, { ...padding, key }),
  };
}

/** An algorithm that access tokens can be signed with (RFC 7518 section 3.1, RFC 8037). A key has exactly one. */
export type SigningAlgorithm = keyof typeof algorithms;

/** Every {@link SigningAlgorithm}; the first is the default. */
export const signingAlgorithms = Object.freeze(Object.keys(algorithms)) as readonly SigningAlgorithm[];

/** A public key as the JWKS shows it (RFC 7517): no private member, one algorithm, for signatures only. */
export interface PublicJwk {
  readonly kty: string;
  readonly kid: string;
  readonly alg: string;
  readonly use: "sig";
  /** EC and OKP: the curve and the point (RFC 7518 section 6.2, RFC 8037 section 2). */
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  /** RSA: modulus and exponent (RFC 7518 section 6.3). */
  readonly n?: string;
  readonly e?: string;
}

/** A key that can sign and verify, imported once. */
export interface KeyMaterial {
  /** RFC 7638 thumbprint of the public key; of the secret for HS256, whose 256 random bits it does not give away. */
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly privateKey: KeyObject;
  /** The public key, or the secret for HS256. */
  readonly verificationKey: KeyObject;
  /** `null` for HS256: the secret is never published. */
  readonly publicJwk: PublicJwk | null;
}

export function isSigningAlgorithm(text: string): text is SigningAlgorithm {
  return Object.hasOwn(algorithms, text);
}

/** Creates a key: P-256, Ed25519, RSA of 3,072 bits, or 32 random bytes. */
export async function generateKey(alg: SigningAlgorithm, random: Random): Promise<KeyMaterial> {
  return describe(alg, await algorithms[alg].generate(random));
}

/** The private part: PKCS #8 in DER, or the bare secret for HS256. */
export function exportPrivateKey({ alg, privateKey }: KeyMaterial): Uint8Array {
  return alg === "HS256" ? privateKey.export() : privateKey.export({ format: "der", type: "pkcs8" });
}

/**
 * Reads what {@link exportPrivateKey} wrote. The public part is derived from the private one, never taken on trust.
 * @throws TypeError when the key is of another type than `alg` needs, or too weak: RSA under 3,072 bits, a secret that
 *   is not of 32 bytes.
 */
export async function importPrivateKey(alg: SigningAlgorithm, exported: Uint8Array): Promise<KeyMaterial> {
  const key =
    alg === "HS256"
      ? createSecretKey(exported)
      : createPrivateKey({ key: Buffer.from(exported), format: "der", type: "pkcs8" });
  if (!algorithms[alg].fits(key)) throw new TypeError(`The key cannot be used with ${alg}.`);
  return describe(alg, key);
}

/** Signs as RFC 7515 section 5.1 step 5 says. */
export function signWith({ alg, privateKey }: KeyMaterial, input: Uint8Array | string): Promise<Uint8Array> {
  return algorithms[alg].sign(privateKey, typeof input === "string" ? Buffer.from(input) : input);
}

/** The `kid` of a key: the base64url SHA-256 thumbprint of its required members (RFC 7638). */
export function keyThumbprint(jwk: JWK): Promise<string> {
  return calculateJwkThumbprint(jwk, "sha256");
}

async function describe(alg: SigningAlgorithm, privateKey: KeyObject): Promise<KeyMaterial> {
  const verificationKey = privateKey.type === "secret" ? privateKey : createPublicKey(privateKey);
  const jwk = verificationKey.export({ format: "jwk" }) as JWK & { readonly kty: string };
  const kid = await keyThumbprint(jwk);
  const publicJwk = alg === "HS256" ? null : Object.freeze({ ...jwk, kid, alg, use: "sig" as const });
  return Object.freeze({ kid, alg, privateKey, verificationKey, publicJwk });
}
