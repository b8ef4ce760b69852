import { createHmac, type KeyObject } from "node:crypto";
import { CompactSign, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyRing } from "../../src/signing/key-ring.ts";
import type { AccessTokens } from "../../src/signing/sign-access-token.ts";
import { type SigningAlgorithm, signingAlgorithms } from "../../src/signing/signing-algorithms.ts";
import type { Store } from "../../src/store/store.ts";
import {
  base64url,
  compactJws,
  goodClaims,
  goodHeader,
  outcome,
  signedBy,
  tokensOn,
} from "../support/access-tokens.ts";
import { counting, createClock, openRing, openStore } from "../support/key-rings.ts";

const clock = createClock();
const published = signingAlgorithms.filter((alg) => alg !== "HS256");
const opened: Store[] = [];
const rings = new Map<
  SigningAlgorithm,
  { readonly ring: KeyRing; readonly tokens: AccessTokens; readonly reads: () => number }
>();

beforeAll(async () => {
  await Promise.all(
    signingAlgorithms.map(async (signingAlg) => {
      const store = await openStore();
      opened.push(store);
      const counted = counting(store);
      const ring = await openRing({ store: counted, clock, signingAlg });
      rings.set(signingAlg, { ring, tokens: tokensOn(ring, clock), reads: () => counted.counts.reads });
    }),
  );
});
afterAll(() => Promise.all(opened.map((store) => store.close())));

const ringOf = (alg: SigningAlgorithm) => rings.get(alg)!;

async function expectRefused(alg: SigningAlgorithm, token: string, what?: string): Promise<void> {
  expect(await outcome(ringOf(alg).tokens.verify(token)), what).toBe("invalid_access_token");
}

describe("SECURITY 34", () => {
  it.each(signingAlgorithms)(
    "%s ring: alg none in any case, with no signature or any, is refused (RFC 8725 section 3.1)",
    async (alg) => {
      const key = ringOf(alg).ring.current();
      const cases = Array.from({ length: 16 }, (_, bits) =>
        [..."none"].map((letter, at) => ((bits >> at) & 1 ? letter.toUpperCase() : letter)).join(""),
      );
      for (const none of [...cases, "", " none", "none\0", "NONE\n", "ⓝone"]) {
        const unsigned = `${base64url(goodHeader(key, { alg: none }))}.${base64url(goodClaims(clock))}`;
        for (const signature of ["", "AAAA", base64url("signature")])
          await expectRefused(alg, `${unsigned}.${signature}`, none);
        await expectRefused(alg, await signedBy(key, goodHeader(key, { alg: none }), goodClaims(clock)), none);
      }
    },
  );

  it.each(published)(
    "%s refuses a public-key HMAC: CVE-2023-48223 CVE-2026-34950 CVE-2024-33663 CVE-2026-85394 CVE-2026-22817 CVE-2026-22818",
    async (alg) => {
      const { ring } = ringOf(alg);
      const { kid, key } = ring.find(ring.current().kid)!;
      for (const [name, secret] of publicKeySpellings(key, ring)) {
        for (const [hmac, digest] of [
          ["HS256", "sha256"],
          ["HS384", "sha384"],
          ["HS512", "sha512"],
          [alg, "sha256"],
        ] as const) {
          const header = goodHeader({ alg, kid }, { alg: hmac });
          const forged = await compactJws(header, goodClaims(clock), (input) =>
            createHmac(digest, secret).update(input).digest(),
          );
          await expectRefused(alg, forged, `${name} ${hmac}`);
        }
      }
    },
  );

  it.each(signingAlgorithms)(
    "%s ring: a token that names any other algorithm is refused, though the ring's own key signed it",
    async (alg) => {
      const key = ringOf(alg).ring.current();
      const others = [
        ...signingAlgorithms,
        "ES384",
        "ES256K",
        "Ed25519",
        "RS512",
        "PS512",
        "HS512",
        "RSA-OAEP",
        "dir",
        "A128KW",
      ];
      for (const other of others.filter((name) => name !== alg)) {
        await expectRefused(alg, await signedBy(key, goodHeader(key, { alg: other }), goodClaims(clock)), other);
      }
      for (const other of [undefined, null, 1, [alg], { 0: alg }, alg.toLowerCase(), ` ${alg}`]) {
        await expectRefused(alg, await signedBy(key, goodHeader(key, { alg: other }), goodClaims(clock)));
      }
    },
  );

  it("an RSA key of one algorithm does not verify the other's signatures: RS256 and PS256 keep to their own", async () => {
    const [rs256, ps256] = [ringOf("RS256").ring.current(), ringOf("PS256").ring.current()];
    for (const [alg, header] of [
      ["RS256", goodHeader(rs256)],
      ["RS256", goodHeader(rs256, { alg: "PS256" })],
      ["PS256", goodHeader(ps256)],
      ["PS256", goodHeader(ps256, { alg: "RS256" })],
    ] as const) {
      const signer = alg === "RS256" ? ps256 : rs256;
      await expectRefused(alg, await signedBy(signer, header, goodClaims(clock)));
    }
  });

  it.each(signingAlgorithms)(
    "%s ring: a signature by a key that is not in the ring is refused under a kid that is",
    async (alg) => {
      const { ring } = ringOf(alg);
      const stranger =
        alg === "HS256" ? new Uint8Array(32) : (await generateKeyPair(alg, { modulusLength: 3072 })).privateKey;
      const signer = new CompactSign(Buffer.from(JSON.stringify(goodClaims(clock))));
      await expectRefused(alg, await signer.setProtectedHeader(goodHeader(ring.current())).sign(stranger));
    },
  );

  it("the signature of nothing, of zeros, or of R and S zero (CVE-2022-21449) is refused", async () => {
    const { ring } = ringOf("ES256");
    const unsigned = `${base64url(goodHeader(ring.current()))}.${base64url(goodClaims(clock))}`;
    for (const length of [1, 32, 63, 64, 65, 128])
      await expectRefused("ES256", `${unsigned}.${base64url(new Uint8Array(length))}`);
  });
});

describe("SECURITY 35: jwk, jku, x5u, x5c and x5t in the header are never trusted", () => {
  it("a token signed with a key that it brings along itself is refused", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = await crypto.subtle.exportKey("jwk", publicKey);
    const { ring } = ringOf("ES256");
    for (const kid of [ring.current().kid, undefined, "own"]) {
      const header = { ...goodHeader(ring.current(), { jwk }), kid };
      const signer = new CompactSign(Buffer.from(JSON.stringify(goodClaims(clock))));
      await expectRefused("ES256", await signer.setProtectedHeader(header as { alg: string }).sign(privateKey));
    }
  });

  it("any header member but alg, typ and kid refuses an otherwise good token, with no read of the store and no request", async () => {
    const { ring, reads } = ringOf("ES256");
    const key = ring.current();
    const before = reads();
    const fetched = globalThis.fetch;
    let requests = 0;
    globalThis.fetch = () => {
      requests++;
      return Promise.reject(new Error("No request may leave."));
    };
    try {
      for (const extra of [
        { jwk: ring.jwks().keys[0] },
        { jku: "http://127.0.0.1:9/jwks.json" },
        { x5u: "http://127.0.0.1:9/cert" },
        { x5c: ["AAAA"] },
        { x5t: "AAAA" },
        { "x5t#S256": "AAAA" },
        { cty: "JWT" },
        { zip: "DEF" },
        { anything: 1 },
      ]) {
        await expectRefused(
          "ES256",
          await signedBy(key, goodHeader(key, extra), goodClaims(clock)),
          JSON.stringify(extra),
        );
      }
    } finally {
      globalThis.fetch = fetched;
    }
    expect([requests, reads() - before]).toEqual([0, 0]);
  });
});

describe("SECURITY 36: crit", () => {
  it("is refused, known or unknown, alone or with what it names (CVE-2026-35042 fast-jwt; RFC 7515 section 4.1.11)", async () => {
    const key = ringOf("ES256").ring.current();
    for (const extra of [
      { crit: ["exp"], exp: 1 },
      { crit: ["b64"], b64: true },
      { crit: ["b64"], b64: false },
      { crit: ["x-unknown"], "x-unknown": 1 },
      { crit: [] },
      { crit: null },
      { b64: false },
      { b64: true },
    ]) {
      await expectRefused(
        "ES256",
        await signedBy(key, goodHeader(key, extra), goodClaims(clock)),
        JSON.stringify(extra),
      );
    }
  });
});

describe("SECURITY 44: kid", () => {
  it("missing, not a text, or hostile (traversal, SQL, 1 MB, __proto__) is refused with no read of the store", async () => {
    const { ring, reads } = ringOf("ES256");
    const key = ring.current();
    const before = reads();
    for (const kid of [
      undefined,
      null,
      1,
      [key.kid],
      {},
      "",
      "../../../dev/null",
      "' OR 1=1 --",
      "__proto__",
      "constructor",
      `${key.kid} `,
      key.kid.toLowerCase().padEnd(44, "a"),
    ]) {
      await expectRefused("ES256", await signedBy(key, goodHeader(key, { kid }), goodClaims(clock)));
    }
    await expectRefused(
      "ES256",
      await signedBy(key, goodHeader(key, { kid: "k".repeat(1_000_000) }), goodClaims(clock)),
    );
    expect(reads() - before).toBe(0);
  });

  it("of another key of the same ring is refused: the next key does not verify what the current one signed", async () => {
    const { ring } = ringOf("ES256");
    const next = ring.list().find(({ state }) => state === "next")!;
    const token = await signedBy(ring.current(), goodHeader(ring.current(), { kid: next.kid }), goodClaims(clock));
    await expectRefused("ES256", token);
  });

  it("named twice in the header is refused, whichever comes last", async () => {
    const key = ringOf("ES256").ring.current();
    const header = JSON.stringify(goodHeader(key));
    for (const twice of [
      header.replace("{", '{"kid":"other",'),
      header.replace(/}$/, ',"kid":"other"}'),
      header.replace("{", '{"alg":"none",'),
    ]) {
      await expectRefused("ES256", await signedBy(key, twice, goodClaims(clock)));
    }
  });
});

function publicKeySpellings(key: KeyObject, ring: KeyRing): readonly (readonly [string, string | Buffer])[] {
  const pem = key.export({ format: "pem", type: "spki" }).toString();
  const der = key.export({ format: "der", type: "spki" });
  const published = ring.jwks().keys.find(({ kid }) => kid === ring.current().kid)!;
  const { alg: _, use: __, kid: ___, ...bare } = published;
  return [
    ["PEM", pem],
    ["PEM without its last line break", pem.trimEnd()],
    ["PEM after white space", ` \n\t${pem}`],
    ["PEM after a line break", `\n${pem}`],
    ["PEM with CRLF", pem.replaceAll("\n", "\r\n")],
    ["PEM of one line", pem.replaceAll("\n", "")],
    ["DER", der],
    ["DER in base64", der.toString("base64")],
    ["JWK as published", JSON.stringify(published)],
    ["JWK without alg, use and kid", JSON.stringify(bare)],
    ["JWK Set", JSON.stringify(ring.jwks())],
    [
      "the coordinates",
      Buffer.concat([bare.x ?? bare.n ?? "", bare.y ?? ""].map((part) => Buffer.from(part, "base64url"))),
    ],
    ["the kid", published.kid],
    ["nothing", ""],
  ];
}
