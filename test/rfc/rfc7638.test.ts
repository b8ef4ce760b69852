import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import {
  generateKey,
  keyThumbprint,
  type SigningAlgorithm,
  signingAlgorithms,
} from "../../src/signing/signing-algorithms.ts";

it("RFC 7638 section 3.1: the thumbprint of the RSA key given there is the one given there", async () => {
  const n =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhM" +
    "stn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5" +
    "hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const thumbprint = await keyThumbprint({ kty: "RSA", n, e: "AQAB", alg: "RS256", kid: "2011-04-29" });
  expect(thumbprint).toBe("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
});

const required: { readonly [Alg in SigningAlgorithm]: readonly string[] } = {
  ES256: ["crv", "kty", "x", "y"],
  EdDSA: ["crv", "kty", "x"],
  RS256: ["e", "kty", "n"],
  PS256: ["e", "kty", "n"],
  HS256: ["k", "kty"],
};

it.each(signingAlgorithms)(
  "RFC 7638 section 3.2: the kid of a key for %s hashes its required members alone, by name, without white space",
  async (alg) => {
    const { kid, verificationKey } = await generateKey(alg, systemEnvironment.random);
    const jwk = verificationKey.export({ format: "jwk" });
    const canonical = JSON.stringify(Object.fromEntries(required[alg].map((name) => [name, jwk[name]])));
    expect(kid).toBe(createHash("sha256").update(canonical).digest("base64url"));
  },
);
