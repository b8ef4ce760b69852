import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer, type IssuerOptions } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { addUser, PASSWORD, startServer } from "../support/server-process.ts";
import { SECRET } from "../support/test-bed.ts";

/** The algorithms whose keys are in the JWKS. */
export const asymmetricAlgorithms = ["ES256", "EdDSA", "RS256", "PS256"] as const;
type Algorithm = (typeof asymmetricAlgorithms)[number];

/** As docs/verify.md names them. */
const ISSUER = "https://auth.example.com";
const AUDIENCE = "https://orders.example.com";
const HOUR_MS = 3_600_000;

/** What a service in another language is given: an access token that is good, and others that are not. */
export interface World {
  readonly jwksUri: string;
  readonly good: string;
  readonly refused: Readonly<Record<string, string>>;
  /** Code of docs/verify.md, as somebody would copy it who has this server and this algorithm. */
  adapt(code: string): string;
  close(): Promise<void>;
}

/** Starts a server that signs by this algorithm, and issues tokens there and, by the same keys, what the service must refuse. */
export async function createWorld(signingAlg: Algorithm): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-languages-"));
  const path = join(folder, "latchkey.db");
  const accessTokenOf = async (options: Partial<IssuerOptions>) => {
    const subjects = async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: ["editor"] }]));
    const store = await createSqliteStore(path);
    const defaults = { issuer: ISSUER, audience: AUDIENCE, secret: SECRET, signingAlg, subjects };
    const issuer = await createIssuer({ ...defaults, store, ...options });
    try {
      return (await issuer.issue({ subject: "ada" })).accessToken;
    } finally {
      await issuer.close();
    }
  };
  // First of all, so that the key is as old as the access token that it signs.
  const anHourAgo = { ...systemEnvironment, clock: { now: () => Date.now() - HOUR_MS } };
  const expired = await accessTokenOf({ environment: anHourAgo });
  const ofAnotherAudience = await accessTokenOf({ audience: "https://billing.example.com" });
  const ofAnotherIssuer = await accessTokenOf({ issuer: "https://auth.elsewhere.example" });

  const environment = {
    LATCHKEY_DATABASE_URL: `sqlite:${path}`,
    LATCHKEY_SECRET: SECRET,
    LATCHKEY_SIGNING_ALG: signingAlg,
    LATCHKEY_ISSUER: ISSUER,
    LATCHKEY_AUDIENCE: AUDIENCE,
  };
  await addUser("ada", environment);
  const server = await startServer(environment);
  const login = await fetch(`${server.url}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "ada", password: PASSWORD }),
  });
  const { access_token: good, refresh_token: refreshToken } = (await login.json()) as Record<string, string>;
  const jwksUri = `${server.url}/.well-known/jwks.json`;

  return {
    jwksUri,
    good: good!,
    refused: {
      "of another audience": ofAnotherAudience,
      "of another issuer": ofAnotherIssuer,
      expired,
      "a refresh token": refreshToken!,
      "without a signature": withoutSignature(good!),
      "with another's name": withSubject(good!, "eve"),
    },
    adapt: (code) => code.replace(`${ISSUER}/.well-known/jwks.json`, jwksUri).replace('"ES256"', `"${signingAlg}"`),
    async close() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
const decode = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());

/** RFC 7519 section 6, with everything else as in the access token that is good. */
function withoutSignature(token: string): string {
  const [header, payload] = token.split(".");
  return `${encode({ ...decode(header!), alg: "none" })}.${payload}.`;
}

function withSubject(token: string, sub: string): string {
  const [header, payload, signature] = token.split(".");
  return `${header}.${encode({ ...decode(payload!), sub })}.${signature}`;
}
