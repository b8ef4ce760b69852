import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { createVerifier } from "fast-jwt";
import { createRemoteJWKSet, jwtVerify } from "jose";
import jwt from "jsonwebtoken";
import { JwksClient } from "jwks-rsa";
import { afterEach, describe, expect, it } from "vitest";
import { createTestBed, createTestClock, ISSUER, type TestBed } from "../support/test-bed.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A test bed whose JWKS a resource server can fetch. */
async function serveJwks(
  signingAlg: "ES256" | "RS256" | "PS256" | "EdDSA",
): Promise<{ bed: TestBed; jwksUri: string; token: string }> {
  const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: ["editor"] }]));
  const bed = await createTestBed({ signingAlg, subjects, audience: "orders" }, {}, createTestClock(Date.now()));
  const server = createAdaptorServer({ fetch: (request) => bed.handler.fetch(request) });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const { accessToken } = await bed.issuer.issue({ subject: "ada" });
  const { port } = server.address() as AddressInfo;
  return { bed, jwksUri: `http://127.0.0.1:${port}/.well-known/jwks.json`, token: accessToken };
}

const expected = { iss: ISSUER, aud: "orders", sub: "ada", roles: ["editor"] };

/** What each library makes of a token: its claims, or a rejection. */
const libraries = {
  async jose(token: string, jwksUri: string): Promise<unknown> {
    const keys = createRemoteJWKSet(new URL(jwksUri));
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: "orders", typ: "at+jwt" });
    return payload;
  },

  async "jsonwebtoken with jwks-rsa"(token: string, jwksUri: string): Promise<unknown> {
    const client = new JwksClient({ jwksUri });
    const { kid } = jwt.decode(token, { complete: true })!.header;
    const key = (await client.getSigningKey(kid)).getPublicKey();
    return jwt.verify(token, key, { algorithms: ["ES256", "RS256", "PS256"], issuer: ISSUER, audience: "orders" });
  },

  async "fast-jwt"(token: string, jwksUri: string): Promise<unknown> {
    const client = new JwksClient({ jwksUri });
    const verify = createVerifier({
      key: async ({ header }: { readonly header: { readonly [name: string]: string } }) =>
        (await client.getSigningKey(header.kid)).getPublicKey(),
      algorithms: ["ES256", "RS256", "PS256", "EdDSA"],
      allowedIss: ISSUER,
      allowedAud: "orders",
    });
    return verify(token);
  },
};

describe("access tokens in services that use libraries of others, by our JWKS", () => {
  for (const alg of ["ES256", "RS256", "PS256", "EdDSA"] as const) {
    for (const [name, verify] of Object.entries(libraries)) {
      // jsonwebtoken knows no EdDSA.
      if (alg === "EdDSA" && name.startsWith("jsonwebtoken")) continue;
      it(`${name} verifies ${alg}, before and after a key rotation, and refuses a token that was altered`, async () => {
        const { bed, jwksUri, token } = await serveJwks(alg);
        expect(await verify(token, jwksUri)).toMatchObject(expected);
        await bed.issuer.keys.rotate({ force: true });
        const newer = await bed.issuer.issue({ subject: "ada" });
        expect(await verify(newer.accessToken, jwksUri)).toMatchObject(expected);
        expect(await verify(token, jwksUri)).toMatchObject(expected);
        const [head, , signature] = newer.accessToken.split(".");
        const payload = Buffer.from(JSON.stringify({ ...expected, sub: "eve", exp: 9_999_999_999 })).toString(
          "base64url",
        );
        await expect(verify(`${head}.${payload}.${signature}`, jwksUri)).rejects.toThrow(/signature/i);
      });
    }
  }
});
