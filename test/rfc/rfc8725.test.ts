import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deriveRefreshToken } from "../../src/secrets/refresh-token.ts";
import type { KeyRing } from "../../src/signing/key-ring.ts";
import type { AccessTokens } from "../../src/signing/sign-access-token.ts";
import type { Store } from "../../src/store/store.ts";
import { compactJws, goodClaims, goodHeader, outcome, session, signedBy, tokensOn } from "../support/access-tokens.ts";
import { createClock, openRing, openStore, rootKeys } from "../support/key-rings.ts";

const clock = createClock();
let store: Store;
let ring: KeyRing;
let tokens: AccessTokens;
beforeAll(async () => {
  store = await openStore();
  ring = await openRing({ store, clock });
  tokens = tokensOn(ring, clock);
});
afterAll(() => store.close());

const verdict = (token: string) => outcome(tokens.verify(token));
const signed = (header: Record<string, unknown>, claims: Record<string, unknown> = {}) =>
  signedBy(ring.current(), goodHeader(ring.current(), header), goodClaims(clock, claims));

describe("RFC 8725", () => {
  it("section 3.1: a key is used with its own algorithm alone, whatever the header names", async () => {
    for (const alg of ["HS256", "ES384", "EdDSA", "none"])
      expect(await verdict(await signed({ alg }))).toBe("invalid_access_token");
    const published = JSON.stringify(ring.jwks().keys.find(({ kid }) => kid === ring.current().kid));
    const hmac = (input: string) => createHmac("sha256", published).update(input).digest();
    const confused = await compactJws(goodHeader(ring.current(), { alg: "HS256" }), goodClaims(clock), hmac);
    expect(await verdict(confused)).toBe("invalid_access_token");
  });

  it("section 3.3: the signature is checked, and a token is refused whole when it does not hold", async () => {
    const token = await signed({});
    expect(await verdict(token)).toBe("accepted");
    const [header, payload] = token.split(".");
    expect(await verdict(`${header}.${payload}.${"A".repeat(86)}`)).toBe("invalid_access_token");
  });

  it("section 3.7: a payload that is not UTF-8 is refused", async () => {
    const latin1 = Buffer.from(JSON.stringify(goodClaims(clock, { note: "é" })), "latin1");
    expect(await verdict(await signedBy(ring.current(), goodHeader(ring.current()), latin1))).toBe(
      "invalid_access_token",
    );
  });

  it("section 3.8: issuer and subject are checked", async () => {
    expect(await verdict(await signed({}, { iss: "https://evil.example.test" }))).toBe("invalid_access_token");
    expect(await verdict(await signed({}, { sub: undefined }))).toBe("invalid_access_token");
  });

  it("section 3.9: the audience is checked", async () => {
    expect(await verdict(await signed({}, { aud: "https://other.example.test" }))).toBe("invalid_access_token");
  });

  it("section 3.10: kid, jku and x5u are not trusted: no path, query or address in them is followed", async () => {
    const hostile = [
      { kid: "../../etc/passwd" },
      { kid: "' OR 1=1" },
      { jku: "http://127.0.0.1:9/" },
      { x5u: "http://127.0.0.1:9/" },
    ];
    for (const header of hostile) expect(await verdict(await signed(header))).toBe("invalid_access_token");
  });

  it("section 3.11 and 3.12: kinds of token exclude each other by typ and by form", async () => {
    for (const typ of ["JWT", "id+jwt", "dpop+jwt"])
      expect(await verdict(await signed({ typ }))).toBe("invalid_access_token");
    const refreshToken = deriveRefreshToken(rootKeys.current, { id: session.id, salt: new Uint8Array(16) }, 1);
    expect(await verdict(refreshToken)).toBe("wrong_token_type");
  });
});
