import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { deriveRootKeys } from "../../src/secrets/root-secret.ts";
import { seal, unseal } from "../../src/secrets/sealing.ts";
import { OTHER_SECRET, rootKeys, SECRET } from "../support/key-rings.ts";

const { random } = systemEnvironment;
const identity = { kid: "a-key", alg: "ES256" };
const privateKey = Buffer.from(random.bytes(138));
const unusable = expect.objectContaining({ code: "store_unusable" });

describe("sealing a private key", () => {
  it("opens under the root secret that sealed it and gives the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.string(), fc.string(), (bytes, kid, alg) => {
        const sealed = seal(rootKeys.current, { kid, alg }, bytes, random);
        expect(unseal(rootKeys, { kid, alg }, sealed)).toEqual({
          privateKey: Buffer.from(bytes),
          underPrevious: false,
        });
      }),
    );
  });

  it("never seals the same key to the same bytes twice, and shows nothing of it", () => {
    const [once, again] = [
      seal(rootKeys.current, identity, privateKey, random),
      seal(rootKeys.current, identity, privateKey, random),
    ];
    expect(Buffer.from(once).equals(again)).toBe(false);
    expect(Buffer.from(once).includes(privateKey.subarray(0, 8))).toBe(false);
  });

  it("refuses a sealed key with any one bit changed", () => {
    const sealed = seal(rootKeys.current, identity, privateKey, random);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const altered = Buffer.from(sealed);
      altered[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => unseal(rootKeys, identity, altered), `bit ${bit}`).toThrow(unusable);
    }
  });

  it("refuses a sealed key cut short anywhere, or extended", () => {
    const sealed = seal(rootKeys.current, identity, privateKey, random);
    for (let length = 0; length < sealed.length; length++) {
      expect(() => unseal(rootKeys, identity, sealed.subarray(0, length)), `${length} bytes`).toThrow(unusable);
    }
    expect(() => unseal(rootKeys, identity, Buffer.concat([sealed, Uint8Array.of(0)]))).toThrow(unusable);
  });

  it("refuses a sealed key that stands under another kid or another algorithm", () => {
    const sealed = seal(rootKeys.current, identity, privateKey, random);
    expect(() => unseal(rootKeys, { ...identity, kid: "b-key" }, sealed)).toThrow(unusable);
    expect(() => unseal(rootKeys, { ...identity, alg: "HS256" }, sealed)).toThrow(unusable);
    expect(() => unseal(rootKeys, { kid: "a-keyES256", alg: "" }, sealed)).toThrow(unusable);
  });

  it("opens under the previous root secret and says so", () => {
    const sealed = seal(rootKeys.current, identity, privateKey, random);
    const changed = deriveRootKeys(OTHER_SECRET, SECRET);
    expect(unseal(changed, identity, sealed)).toEqual({ privateKey, underPrevious: true });
  });

  it("names LATCHKEY_SECRET and LATCHKEY_SECRET_PREVIOUS as the remedy when it opens under neither", () => {
    const sealed = seal(rootKeys.current, identity, privateKey, random);
    const detail = expect.stringMatching(/LATCHKEY_SECRET\b.*LATCHKEY_SECRET_PREVIOUS/);
    expect(() => unseal(deriveRootKeys(OTHER_SECRET), identity, sealed)).toThrow(
      expect.objectContaining({ code: "store_unusable", detail }),
    );
  });
});
