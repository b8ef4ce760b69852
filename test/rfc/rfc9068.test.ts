import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyRing } from "../../src/signing/key-ring.ts";
import type { AccessTokens } from "../../src/signing/sign-access-token.ts";
import type { Store } from "../../src/store/store.ts";
import {
  AUDIENCE,
  goodClaims,
  goodHeader,
  grantAt,
  ISSUER,
  outcome,
  session,
  signedBy,
  tokensOn,
} from "../support/access-tokens.ts";
import { createClock, openRing, openStore } from "../support/key-rings.ts";

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

const verdict = (header: Record<string, unknown>, claims: Record<string, unknown> = {}) =>
  signedBy(ring.current(), goodHeader(ring.current(), header), goodClaims(clock, claims)).then((token) =>
    outcome(tokens.verify(token)),
  );

describe("RFC 9068", () => {
  it("section 2.1: the header says typ at+jwt, without the application/ in front, and is signed", async () => {
    const header = decodeProtectedHeader((await tokens.sign(grantAt(clock))).token);
    expect(header.typ).toBe("at+jwt");
    expect(header.alg).not.toBe("none");
  });

  it("section 2.2: iss, exp, aud, sub, client_id, iat and jti are always there", async () => {
    const claims = decodeJwt((await tokens.sign(grantAt(clock))).token);
    for (const claim of ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]) expect(claims).toHaveProperty(claim);
  });

  it("section 2.2: a client's own access token has its client_id as sub, no session and no auth_time", async () => {
    const client = { id: `lkc_${session.id}`, grantId: session.id };
    const { token } = await tokens.signForClient({ client, scope: "", now: clock.now() });
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({ sub: client.id, client_id: client.id, roles: [] });
    for (const claim of ["sid", "auth_time", "amr", "fresh", "scope"]) expect(claims).not.toHaveProperty(claim);
    expect((await tokens.verify(token)).sub).toBe(client.id);

    const own = { ...claims, sid: undefined, auth_time: undefined };
    expect(await verdict({}, own)).toBe("accepted");
    for (const wrong of [
      { sub: session.subject },
      { client_id: "web" },
      { auth_time: claims.iat },
      { amr: ["pwd"] },
      { fresh: true },
      { sid: session.id },
      { sid: session.id, auth_time: claims.iat },
      { sid: null },
      { jti: `${session.id}.1.x` },
      { jti: `${session.id}.0.` },
      { jti: "x" },
    ]) {
      expect(await verdict({}, { ...own, ...wrong }), JSON.stringify(wrong)).toBe("invalid_access_token");
    }
    const person = goodClaims(clock);
    for (const wrong of [{ sid: undefined }, { sid: undefined, auth_time: undefined }, { jti: `${session.id}.0.x` }]) {
      expect(await verdict({}, { ...person, ...wrong }), JSON.stringify(wrong)).toBe("invalid_access_token");
    }
  });

  it("section 2.2.1: auth_time and amr tell of the sign-in, not of the token's making", async () => {
    clock.advance(100);
    const signedIn = { ...session, amr: ["pwd"] };
    const claims = decodeJwt((await tokens.sign(grantAt(clock, { session: signedIn }))).token);
    expect(claims).toMatchObject({ auth_time: session.authTime / 1000, amr: ["pwd"] });
    expect(claims.iat).toBe(clock.now() / 1000);
  });

  it("section 2.2.3: scope is one text, its values parted by spaces", async () => {
    const { token } = await tokens.sign(grantAt(clock, { session: { ...session, scope: "read write" } }));
    expect(decodeJwt(token).scope).toBe("read write");
  });

  it("section 4: typ is at+jwt or application/at+jwt, in any case, and nothing else", async () => {
    for (const typ of ["at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt"])
      expect(await verdict({ typ })).toBe("accepted");
    for (const typ of [
      "JWT",
      "application/jwt",
      "at+jwt;v=1",
      "application/application/at+jwt",
      " at+jwt",
      "xat+jwt",
      undefined,
    ]) {
      expect(await verdict({ typ }), String(typ)).toBe("invalid_access_token");
    }
  });

  it("section 4: iss is exactly the issuer, aud holds the resource, and the time is before exp", async () => {
    expect(await verdict({}, { iss: `${ISSUER}/` })).toBe("invalid_access_token");
    expect(await verdict({}, { aud: [`${AUDIENCE}/other`] })).toBe("invalid_access_token");
    expect(await verdict({}, { aud: [`${AUDIENCE}/other`, AUDIENCE] })).toBe("accepted");
    expect(await verdict({}, { iat: clock.now() / 1000 - 2, exp: clock.now() / 1000 })).toBe("access_token_expired");
  });

  it("section 4: a token whose alg is none is refused", async () => {
    expect(await verdict({ alg: "none" })).toBe("invalid_access_token");
  });
});
