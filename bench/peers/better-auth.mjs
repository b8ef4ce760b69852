// Better Auth with its OAuth provider, on SQLite with the same durability as Latchkey's store: a refresh token's hash stands in a
// row of its own, every rotation marks one row as used and adds another, and a used one that comes again ends all of them.
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import { Kysely, SqliteDialect } from "kysely";
import Database from "libsql";
import { announce, SESSIONS, writeTokens } from "../subjects/subject.mjs";

const database = new Database(join(process.cwd(), "better-auth.db"));
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
const origin = "http://127.0.0.1:4000";
const options = {
  baseURL: origin,
  secret: randomBytes(32).toString("base64url"),
  database: { db: new Kysely({ dialect: new SqliteDialect({ database }) }), type: "sqlite" },
  disabledPaths: ["/token"],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [
    jwt({ jwks: { keyPairConfig: { alg: "ES256" } }, disableSettingJwtHeader: true }),
    oauthProvider({
      loginPage: "/sign-in",
      consentPage: "/consent",
      scopes: ["openid", "offline_access", "api"],
      resources: [origin],
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
};
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const { adapter, internalAdapter } = await auth.$context;

const at = new Date();
const later = new Date(Date.now() + 30 * 86_400_000);
await adapter.create({
  model: "oauthClient",
  data: {
    clientId: "bench",
    name: "bench",
    redirectUris: ["http://127.0.0.1/callback"],
    tokenEndpointAuthMethod: "none",
    grantTypes: ["authorization_code", "refresh_token"],
    responseTypes: ["code"],
    scopes: ["openid", "offline_access", "api"],
    public: true,
    disabled: false,
    createdAt: at,
    updatedAt: at,
  },
});
await adapter.create({ model: "oauthClientResource", data: { clientId: "bench", resourceId: origin } });
const tokens = [];
for (let nth = 0; nth < SESSIONS; nth++) {
  const user = await internalAdapter.createUser({
    name: `user-${nth}`,
    email: `user-${nth}@example.com`,
    emailVerified: true,
  });
  const token = randomBytes(24).toString("base64url");
  await adapter.create({
    model: "oauthRefreshToken",
    data: {
      token: createHash("sha256").update(token).digest("base64url"),
      clientId: "bench",
      userId: user.id,
      scopes: ["offline_access", "api"],
      resources: [origin],
      authTime: at,
      createdAt: at,
      expiresAt: later,
    },
  });
  tokens.push(token);
}
writeTokens((nth) => tokens[nth]);
announce(createServer(toNodeHandler(auth)));
