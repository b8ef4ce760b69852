import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import {
  exportPrivateKey,
  generateKey,
  importPrivateKey,
  isSigningAlgorithm,
  type SigningAlgorithm,
  signingAlgorithms,
  signWith,
} from "../../src/signing/signing-algorithms.ts";

const { random } = systemEnvironment;
const pkcs8 = (key: KeyObject) => key.export({ format: "der", type: "pkcs8" });

describe("the signing algorithms", () => {
  it("are ES256, the default, EdDSA, RS256, PS256 and HS256, and no other name is one", () => {
    expect(signingAlgorithms).toEqual(["ES256", "EdDSA", "RS256", "PS256", "HS256"]);
    expect(signingAlgorithms.every(isSigningAlgorithm)).toBe(true);
    for (const name of ["none", "es256", "ES384", "toString", "__proto__", ""])
      expect(isSigningAlgorithm(name)).toBe(false);
  });

  it.each(signingAlgorithms)("%s: a key that was exported and imported is the same key and signs", async (alg) => {
    const made = await generateKey(alg, random);
    const imported = await importPrivateKey(alg, exportPrivateKey(made));
    expect(imported).toMatchObject({ kid: made.kid, alg, publicJwk: made.publicJwk });
    const [bySame, byText] = [await signWith(imported, Buffer.from("input")), await signWith(imported, "input")];
    expect(bySame).toHaveLength(byText.length);
    if (alg === "HS256") expect(bySame).toEqual(await signWith(made, "input"));
  });

  it("ES256 signatures are R and S side by side, 64 bytes (RFC 7518 section 3.4)", async () => {
    const key = await generateKey("ES256", random);
    const signature = await signWith(key, "input");
    expect(signature).toHaveLength(64);
    const input = { key: createPublicKey(key.privateKey), dsaEncoding: "ieee-p1363" } as const;
    expect(verify("sha256", Buffer.from("input"), input, signature)).toBe(true);
  });

  it("SECURITY 49: RSA under 3,072 bits, secrets that are not of 32 bytes, and keys of another type are refused", async () => {
    const rsa2048 = pkcs8(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey);
    const p384 = pkcs8(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey);
    const p256 = pkcs8(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    const ed25519 = pkcs8(generateKeyPairSync("ed25519").privateKey);
    const wrong: readonly [SigningAlgorithm, Uint8Array][] = [
      ["RS256", rsa2048],
      ["PS256", rsa2048],
      ["RS256", p256],
      ["ES256", p384],
      ["ES256", ed25519],
      ["EdDSA", p256],
      ["HS256", random.bytes(31)],
      ["HS256", random.bytes(33)],
    ];
    for (const [alg, key] of wrong) await expect(importPrivateKey(alg, key), alg).rejects.toThrow(TypeError);
  });

  it("SECURITY 49: a new RSA key has 3,072 bits", async () => {
    const { privateKey } = await generateKey("RS256", random);
    expect(privateKey.asymmetricKeyDetails?.modulusLength).toBe(3072);
  });
});
