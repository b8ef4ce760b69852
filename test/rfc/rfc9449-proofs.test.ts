import { CompactSign, exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { type DpopExpectations, dpopAlgorithms, readDpopProof } from "../../src/access-token/dpop-proof.ts";
import { createProofKey, hashOf, type ProofParts, presented, proofBy } from "../support/dpop-proofs.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { createTestClock, ISSUER } from "../support/test-bed.ts";
import { outcome } from "./dpop-outcome.ts";

const clock = createTestClock();
const keyOf: Record<string, Awaited<ReturnType<typeof createProofKey>>> = {};
for (const alg of dpopAlgorithms) keyOf[alg] = await createProofKey(alg);
const key = keyOf.ES256!;

const read = (proof: string | null, expected: Partial<DpopExpectations> = {}) =>
  readDpopProof(presented(proof), { now: clock.now(), ...expected });

/** `good`, or what is said of a proof that is made so. */
async function verdict(parts: ProofParts, expected: Partial<DpopExpectations> = {}, by = key): Promise<string> {
  return outcome(read(await proofBy(by, clock, parts), expected));
}

describe("RFC 9449, proofs", () => {
  it.each(dpopAlgorithms)("section 4.2: %s is taken, and names the key by its thumbprint (RFC 7638)", async (alg) => {
    const by = keyOf[alg]!;
    expect(await read(await proofBy(by, clock))).toMatchObject({ jkt: by.jkt });
    expect(await verdict({ header: { typ: "application/DPoP+JWT" } }, {}, by)).toBe("good");
    // What else stands in the key does not make it another one.
    const jwk = { ...by.publicJwk, kid: "mine", use: "sig", key_ops: ["verify"], ext: true, alg };
    expect(await read(await proofBy(by, clock, { header: { jwk } }))).toMatchObject({ jkt: by.jkt });
    const contrary = { ...by.publicJwk, use: "enc", key_ops: ["encrypt"], alg: "RSA-OAEP", ext: false };
    expect(await read(await proofBy(by, clock, { header: { jwk: contrary } }))).toMatchObject({ jkt: by.jkt });
  });

  it("section 4.2: other programs' JSON is read: white space, escapes and members that are not known", async () => {
    const claims = { jti: "1", htm: "POST", htu: `${ISSUER}/token`, iat: Math.floor(clock.now() / 1000), extra: {} };
    const text = JSON.stringify(claims, null, 2).replaceAll("/", "\\/");
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: key.publicJwk, kid: "x" };
    const proof = await new CompactSign(Buffer.from(text)).setProtectedHeader(header).sign(key.privateKey);
    expect(await outcome(read(proof))).toBe("good");
  });

  it("section 4.3, 1: there is exactly one DPoP header", async () => {
    const proof = await proofBy(key, clock);
    expect(await outcome(read(null))).toBe("The request has no 'DPoP' header.");
    expect(await outcome(read(""))).toBe("The request has no 'DPoP' header.");
    const headers = new Headers([
      ["dpop", proof],
      ["dpop", await proofBy(key, clock)],
    ]);
    expect(await outcome(read(headers.get("dpop")))).toBe("It is not one JWS in the compact form.");
  });

  it("section 4.3, 2: it is one well-formed JWT of 8 KiB at most, each part in its canonical spelling", async () => {
    const proof = await proofBy(key, clock);
    const [header, payload, signature] = proof.split(".") as [string, string, string];
    const form = "It is not one JWS in the compact form.";
    for (const wrong of [
      "x",
      `${header}.${payload}`,
      `${proof}.`,
      `${proof}.e30`,
      `${proof} `,
      `${header}=.${payload}.${signature}`,
      `${header}..${signature}`,
      `${header}.${payload}.`,
      JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
    ]) {
      expect([wrong, await outcome(read(wrong))]).toEqual([wrong, form]);
    }
    expect(await verdict({ claims: { extra: "x".repeat(6000) } })).toBe("It is too long.");
    expect(await verdict({ claims: { extra: "x".repeat(4000) } })).toBe("good");
    const sign = (text: string) =>
      new CompactSign(Buffer.from(text))
        .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk: key.publicJwk })
        .sign(key.privateKey);
    for (const text of ["[]", "null", "1", "no JSON", '\u{feff}{"jti":"1"}']) {
      expect([text, await outcome(read(await sign(text)))]).toEqual([text, "Its payload is not a JSON object."]);
    }
  });

  it.each(["jti", "htm", "htu", "iat"])("section 4.3, 3: '%s' is required, and of its type", async (name) => {
    for (const value of [undefined, null, true, "", [], {}, name === "iat" ? "1" : 1]) {
      expect(await verdict({ claims: { [name]: value } })).toMatch(`Its '${name}' is not`);
    }
    if (name === "jti") {
      expect(await verdict({ claims: { jti: "x".repeat(128) } })).toBe("good");
      expect(await verdict({ claims: { jti: "x".repeat(129) } })).toMatch("Its 'jti' is not");
    }
  });

  it.each([undefined, "JWT", "at+jwt", "dpop", "application/x-dpop+jwt", 1, null])(
    "section 4.3, 4: typ %j is refused",
    async (typ) => {
      expect(await verdict({ header: { typ } })).toBe("Its 'typ' is not 'dpop+jwt'.");
    },
  );

  it("section 4.3, 5: alg is an asymmetric one of the list: neither none nor an HMAC, whatever the key", async () => {
    const [, payload] = (await proofBy(key, clock)).split(".");
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const alg of ["none", "None", "HS256", "HS512", "ES256K", "ES512", "RS1", "toString", "", 1, null]) {
      const header = part({ typ: "dpop+jwt", alg, jwk: key.publicJwk });
      expect(await outcome(read(`${header}.${payload}.AAAA`))).toMatch("Its 'alg' is not one of ES256,");
    }
    const secret = { kty: "oct", k: "AAAA" };
    const hmac = await new CompactSign(Buffer.from(payload!, "base64url"))
      .setProtectedHeader({ typ: "dpop+jwt", alg: "HS256", jwk: secret } as never)
      .sign(new Uint8Array(32));
    expect(await outcome(read(hmac))).toMatch("Its 'alg' is not one of");
  });

  it("section 4.3, 6: the signature is that of the jwk, by the alg that fits it", async () => {
    const other = await createProofKey();
    const wrong = "Its signature was not made with its 'jwk'.";
    expect(await verdict({ header: { jwk: other.publicJwk } })).toBe(wrong);
    const unfit = "Its 'jwk' cannot be used with its 'alg'.";
    for (const [alg, by] of Object.entries(keyOf)) {
      for (const [otherAlg, { publicJwk }] of Object.entries(keyOf)) {
        if (alg === otherAlg) continue;
        const said = await verdict({ header: { jwk: publicJwk } }, {}, by);
        expect([alg, otherAlg, [wrong, unfit]]).toEqual([alg, otherAlg, expect.arrayContaining([said])]);
      }
    }
    for (const jwk of [undefined, null, [], "x"]) {
      expect(await verdict({ header: { jwk } })).toBe("Its 'jwk' is not a public key.");
    }
    for (const broken of [{ x: undefined }, { x: "" }, { x: "!" }, { x: 1 }, { crv: "P-384" }, { kty: "ec" }]) {
      expect(await verdict({ header: { jwk: { ...key.publicJwk, ...broken } } })).toBe(unfit);
    }
    const offCurve = { ...key.publicJwk, y: key.publicJwk.x };
    expect(await verdict({ header: { jwk: offCurve } })).toBe(wrong);
  });

  it("section 4.3, 6: a header that has a 'crit' is refused, and RSA keys that are too weak or would be slow", async () => {
    const [, payload] = (await proofBy(key, clock)).split(".");
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const crit = part({ typ: "dpop+jwt", alg: "ES256", jwk: key.publicJwk, crit: ["exp"] });
    expect(await outcome(read(`${crit}.${payload}.AAAA`))).toBe("Its header has a 'crit'.");
    const rsa = keyOf.RS256!;
    for (const wrong of [{ n: "A".repeat(684) }, { e: "AQABAQABAQ" }]) {
      expect(await verdict({ header: { jwk: { ...rsa.publicJwk, ...wrong } } }, {}, rsa)).toMatch(
        "cannot be used with",
      );
    }
    const { publicKey } = await generateKeyPair("RS256", { extractable: true });
    const short = { ...(await exportJWK(publicKey)), n: rsa.publicJwk.n!.slice(0, 171) };
    expect(await verdict({ header: { jwk: short } }, {}, rsa)).toMatch(
      /Its (?:signature was not made|'jwk' cannot be used)/,
    );
  });

  it("section 4.3, 7: a jwk with any private member is refused", async () => {
    const alone = "Its 'jwk' holds more than a public key.";
    for (const [alg, by] of Object.entries(keyOf)) {
      expect([alg, await verdict({ header: { jwk: by.privateJwk } }, {}, by)]).toEqual([alg, alone]);
    }
    for (const member of ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]) {
      expect(await verdict({ header: { jwk: { ...key.publicJwk, [member]: "AA" } } })).toBe(alone);
    }
  });

  it.each(["GET", "post", "Post", "POST ", "PUT"])("section 4.3, 8: htm %j is not POST", async (htm) => {
    expect(await verdict({ claims: { htm } })).toBe("Its 'htm' is not the method of this request.");
  });

  it("section 4.3, 9: htu is compared after normalisation, without query and fragment", async () => {
    const at = async (url: string, htu: string) =>
      outcome(
        readDpopProof(
          { proof: await proofBy(key, clock, { claims: { htu } }), method: "POST", url },
          { now: clock.now() },
        ),
      );
    const url = "https://auth.example.com/a/b~c";
    for (const same of [
      url,
      `${url}?x=1`,
      `${url}#y`,
      "HTTPS://AUTH.example.COM:443/a/b~c",
      "https://auth.example.com/a/./x/../b%7Ec",
      "https://auth.example.com/a/b%7ec?y",
    ]) {
      expect([same, await at(url, same)]).toEqual([same, "good"]);
    }
    expect(await at(`${url}?x=1#z`, `${url}?other`)).toBe("good");
    expect(await at("https://a.example/%2f", "https://a.example/%2F")).toBe("good");
    for (const other of [
      "http://auth.example.com/a/b~c",
      "https://auth.example.com:8443/a/b~c",
      "https://auth.example.com.evil.example/a/b~c",
      "https://evil.example/a/b~c",
      "https://ada@auth.example.com/a/b~c",
      "https://ada:pw@auth.example.com/a/b~c",
      "https://auth.example.com/a/b~c/",
      "https://auth.example.com/A/b~c",
      "https://auth.example.com/a%2Fb~c",
      "https://auth.example.com/a",
      "https://auth.example.com",
      "/a/b~c",
      "a/b~c",
      "blob:https://auth.example.com/a/b~c",
      "",
    ]) {
      expect([other, await at(url, other)]).toEqual([other, "Its 'htu' is not the URL of this request."]);
    }
    expect(await at("ws://auth.example.com/a", "ws://auth.example.com/a")).toMatch("'htu'");
    expect(await at("no url", "no url")).toBe("Its 'htu' is not the URL of this request.");
  });

  it("section 4.3, 10: where the server asks for a nonce, only one of its own will do; otherwise none is looked at", async () => {
    const isNonce = (nonce: string) => nonce === "ours";
    expect(await verdict({ nonce: "ours" }, { isNonce })).toBe("good");
    for (const nonce of [undefined, "theirs", ""]) {
      expect(await verdict({ nonce }, { isNonce })).toBe("use_dpop_nonce");
    }
    for (const nonce of [1, null, ["ours"]]) {
      expect(await verdict({ claims: { nonce } }, { isNonce })).toBe("use_dpop_nonce");
    }
    expect(await verdict({ nonce: "theirs" })).toBe("good");
    // Whoever is wrong in anything else is told that first.
    expect(await verdict({ claims: { htm: "GET" } }, { isNonce })).toMatch("htm");
  });

  it("section 4.3, 11: it is good from 60 seconds before its iat to 60 seconds after, and not a moment longer", async () => {
    const iat = clock.now() / 1000;
    for (const [off, expected] of [
      [-60.001, /iat/],
      [-60, /good/],
      [0, /good/],
      [0.5, /good/],
      [60, /good/],
      [60.001, /iat/],
      [1e300, /iat/],
    ] as const) {
      expect([off, await verdict({ claims: { iat: iat + off } })]).toEqual([off, expect.stringMatching(expected)]);
    }
  });

  it("section 4.3, 12: with an access token, ath is its hash", async () => {
    const accessToken = "an.access.token";
    expect(await verdict({ accessToken }, { accessToken })).toBe("good");
    for (const ath of [undefined, null, "", hashOf("another"), `${hashOf(accessToken)}=`, accessToken, 1]) {
      expect(await verdict({ claims: { ath } }, { accessToken })).toBe(
        "Its 'ath' is not the hash of this access token.",
      );
    }
    // Without one there is nothing that it could be the hash of (section 5).
    expect(await verdict({ accessToken })).toBe("good");
  });

  it("never repeats what was sent", async () => {
    const CANARY = "canary-4711";
    for (const parts of [
      { claims: { jti: [CANARY] } },
      { claims: { htm: CANARY } },
      { claims: { htu: CANARY } },
      { claims: { iat: CANARY } },
      { header: { typ: CANARY } },
      { header: { jwk: { ...key.publicJwk, x: CANARY } } },
    ]) {
      expect(await verdict(parts)).not.toContain(CANARY);
    }
  });

  it("is refused after any change of one character, any part cut, swapped or repeated: 6,000 mutants, none accepted", async () => {
    const pick = seededRandom(9449);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= ";
    let accepted = 0;
    let tried = 0;
    for (const alg of ["ES256", "Ed25519", "RS256"]) {
      const proof = await proofBy(keyOf[alg]!, clock);
      const other = await proofBy(keyOf[alg]!, clock);
      for (let round = 0; round < 2000; round++) {
        const at = pick(proof.length);
        const one = alphabet[pick(alphabet.length)]!;
        const ours = proof.split(".");
        const theirs = other.split(".");
        const mutant = [
          () => proof.slice(0, at) + one + proof.slice(at + 1),
          () => proof.slice(0, at) + one + proof.slice(at),
          () => proof.slice(0, at) + proof.slice(at + 1),
          () => proof.slice(0, at),
          () => proof.slice(at),
          () => [ours[0], ours[1], theirs[2]].join("."),
          () => [ours[0], theirs[1], ours[2]].join("."),
          () => `${proof}${one}${proof}`,
        ][pick(8)]!();
        if (mutant === proof) continue;
        tried++;
        if ((await outcome(read(mutant))) === "good") accepted++;
      }
    }
    expect(tried).toBeGreaterThan(5000);
    expect(accepted).toBe(0);
  });
});
