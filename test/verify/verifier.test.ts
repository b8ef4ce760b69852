import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import type { SigningAlgorithm } from "../../src/index.ts";
import { createVerifier, type VerifierOptions } from "../../src/verify/verifier.ts";
import { createTestBed, ISSUER } from "../support/test-bed.ts";
import { outcome, serveBed } from "../support/verifiers.ts";

const good: VerifierOptions = {
  issuer: "https://auth.example.com",
  audience: "https://api.example.com",
  algorithms: ["ES256"],
};

/** What construction with these options throws; anything may be given. */
function refusal(given: Record<string, unknown>): string {
  try {
    createVerifier({ ...good, ...given } as VerifierOptions).close();
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("createVerifier", () => {
  it("SECURITY 33, CVE-2020-15084 express-jwt: throws without issuer, audience and algorithm list, naming each", () => {
    for (const name of ["issuer", "audience", "algorithms"]) {
      expect(refusal({ [name]: undefined })).toBe(`Option '${name}' is required.`);
      for (const empty of ["", [], null, [""], 7]) expect(refusal({ [name]: empty })).toContain(`Option '${name}'`);
    }
    expect(() => createVerifier({} as VerifierOptions)).toThrow(
      "Option 'issuer' is required.\nOption 'audience' is required.\nOption 'algorithms' is required.",
    );
    expect(() => createVerifier(undefined as unknown as VerifierOptions)).toThrow(TypeError);
  });

  it("SECURITY 34: takes neither none nor a symmetric algorithm, in any spelling", () => {
    for (const alg of ["none", "None", "NONE", "HS256", "HS512", "hs256"]) {
      expect(refusal({ algorithms: ["ES256", alg] })).toContain(`Option 'algorithms' contains '${alg}'`);
    }
    for (const alg of ["ES512", "RSA-OAEP", "es256", "", 5]) {
      expect(refusal({ algorithms: [alg] })).toContain(
        "Option 'algorithms' must contain only ES256, EdDSA, RS256, PS256",
      );
    }
  });

  it("refuses an option that is misspelt or wrong, naming it and the right one", () => {
    const revocations = { token: "x" };
    for (const [given, message] of [
      [{ jwksUrl: "https://a.example" }, "Unknown option 'jwksUrl'. Did you mean 'jwksUri'?"],
      [{ jwksUri: "ftp://a.example" }, "Option 'jwksUri' must be an absolute http(s) URL without credentials."],
      [
        { jwksUri: "https://me:secret@a.example" },
        "Option 'jwksUri' must be an absolute http(s) URL without credentials.",
      ],
      [{ leewaySeconds: 61 }, "Option 'leewaySeconds' must be a whole number from 0 to 60."],
      [{ verifiedCacheSize: -1 }, "Option 'verifiedCacheSize' must be a whole number from 0 to 1000000."],
      [{ fetch: "x" }, "Option 'fetch' must be a function."],
      [{ revocations: {} }, "Option 'revocations.token' is required."],
      [{ revocations: null }, "Option 'revocations' must be an object."],
      [{ revocations: { ...revocations, whenDown: "accept" } }, "Unknown option 'whenDown'"],
      [
        { revocations: { ...revocations, whenFeedIsDown: "open" } },
        "Option 'revocations.whenFeedIsDown' must be one of accept, refuse.",
      ],
      [
        { revocations: { ...revocations, maxFeedLagSeconds: 5 } },
        "Option 'revocations.maxFeedLagSeconds' must be a whole number from 10 to 3600.",
      ],
    ] as const) {
      expect(refusal(given)).toContain(message);
    }
    expect(refusal({ audience: ["a", "b"], algorithms: ["ES256", "EdDSA", "RS256", "PS256"] })).toBe("accepted");
  });
});

describe("a verifier", () => {
  it.each<SigningAlgorithm>(["ES256", "EdDSA", "RS256", "PS256"])(
    "takes an access token signed with %s, and gives frozen claims; not where that algorithm is not named",
    async (signingAlg) => {
      const bed = await serveBed({ signingAlg });
      const pair = await bed.issuer.issue({ subject: "ada", scope: "orders:read", claims: { tenant: { id: 7 } } });
      const claims = await bed.verifier({ algorithms: [signingAlg as "ES256"] }).verify(pair.accessToken);
      expect(claims).toMatchObject({ sub: "ada", sid: pair.sessionId, scope: "orders:read", tenant: { id: 7 } });
      expect([Object.isFrozen(claims), Object.isFrozen(claims.tenant)]).toEqual([true, true]);
      const others = (["ES256", "EdDSA", "RS256", "PS256"] as const).filter((alg) => alg !== signingAlg);
      expect(await outcome(bed.verifier({ algorithms: others }).verify(pair.accessToken))).toBe("verifier_unavailable");
    },
  );

  it("gives the codes that the issuer gives, to every kind of token", async () => {
    const bed = await serveBed();
    const verifier = bed.verifier();
    const other = await createTestBed(
      { subjects: async () => new Map(), secret: "another secret that is long enough, for sure" },
      {},
      bed.clock,
    );
    const pair = await bed.issuer.issue({ subject: "ada" });
    const [header, payload, signature] = pair.accessToken.split(".");
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    const foreign = await new SignJWT({ ...JSON.parse(Buffer.from(payload!, "base64url").toString()) })
      .setProtectedHeader({
        alg: "ES256",
        typ: "at+jwt",
        kid: await calculateJwkThumbprint(await exportJWK(publicKey)),
      })
      .sign(privateKey);
    const tokens: Record<string, string> = {
      good: pair.accessToken,
      refresh: pair.refreshToken,
      "another key's": foreign,
      "no signature": `${header}.${payload}.`,
      "alg none": `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.${payload}.`,
      padded: `${pair.accessToken}=`,
      spaced: ` ${pair.accessToken}`,
      "cut short": `${header}.${payload}.${signature!.slice(0, -1)}`,
      long: `${pair.accessToken}${"A".repeat(9000)}`,
      empty: "",
      garbage: "null",
    };
    for (const [kind, token] of Object.entries(tokens)) {
      const [here, there] = [await outcome(verifier.verify(token)), await outcome(bed.issuer.verify(token))];
      expect([kind, here]).toEqual([kind, there]);
      expect([kind, here === "good"]).toEqual([kind, kind === "good"]);
    }
    for (const given of [{ audience: `${ISSUER}/` }, { audience: "http://127.0.0.1" }, { issuer: `${ISSUER}/x` }]) {
      expect(await outcome(bed.verifier(given).verify(pair.accessToken))).toBe("invalid_access_token");
    }
    expect(await outcome(verifier.verify(undefined as unknown as string))).toBe("invalid_access_token");
    await other.issuer.close();
  });

  it("SECURITY 40: refuses a token with any one character of its text changed", async () => {
    const bed = await serveBed();
    const [verifier, token] = [bed.verifier(), await bed.token()];
    await verifier.verify(token);
    for (let at = 0; at < token.length; at++) {
      for (const character of [token[at] === "A" ? "B" : "A", ".", "=", "é"]) {
        if (character === token[at]) continue;
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        expect([changed, await outcome(verifier.verify(changed))]).toEqual([changed, "invalid_access_token"]);
      }
    }
    // Whatever stood where the kid was, the keys were fetched once for it at most.
    expect(bed.served.requests.length).toBeLessThanOrEqual(2);
  });

  it("SECURITY 42: keeps exp, iat and the leeway to the second", async () => {
    const bed = await serveBed({ accessTtlSeconds: 60 });
    const token = await bed.token();
    const verifier = bed.verifier({ leewaySeconds: 3 });
    expect(await outcome(verifier.verify(token))).toBe("good");
    bed.clock.advanceSeconds(62);
    expect(await outcome(verifier.verify(token))).toBe("good");
    bed.clock.advanceSeconds(1);
    expect(await outcome(verifier.verify(token))).toBe("access_token_expired");
    bed.clock.advanceSeconds(-63 - 4);
    expect(await outcome(bed.verifier({ leewaySeconds: 3 }).verify(token))).toBe("invalid_access_token");
    bed.clock.advanceSeconds(1);
    expect(await outcome(bed.verifier({ leewaySeconds: 3 }).verify(token))).toBe("good");
  });

  it("takes a client's own access token only where it is asked for either kind", async () => {
    const bed = await serveBed();
    const { client } = await bed.issuer.clients.create({ name: "billing", scope: "orders:read" });
    const { accessToken } = await bed.issuer.clients.issueToken(client);
    const verifier = bed.verifier();
    expect(await outcome(verifier.verify(accessToken))).toBe("wrong_token_type");
    expect(await verifier.verifyAny(accessToken)).toMatchObject({ sub: client.id, scope: "orders:read" });
  });

  it("verifies nothing any more when it is closed", async () => {
    const bed = await serveBed();
    const verifier = bed.verifier();
    const token = await bed.token();
    await verifier.verify(token);
    verifier.close();
    await expect(verifier.verify(token)).rejects.toThrow(TypeError);
  });
});
