// Better Auth behind Express, as its documentation guards a route: `getSession` at every request, which reads the session and the
// person from the database. On SQLite with the same durability as Latchkey's store; the cookies come from real sign-ups, whose
// passwords are not hashed, since only the requests afterwards are measured.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { fromNodeHeaders } from "better-auth/node";
import express from "express";
import { Kysely, SqliteDialect } from "kysely";
import Database from "libsql";
import { announce, SESSIONS, writeTokens } from "../subjects/subject.mjs";

const database = new Database(join(process.cwd(), "better-auth.db"));
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
const options = {
  baseURL: "http://127.0.0.1:4000",
  secret: randomBytes(32).toString("base64url"),
  database: { db: new Kysely({ dialect: new SqliteDialect({ database }) }), type: "sqlite" },
  emailAndPassword: { enabled: true, password: { hash: async (password) => password, verify: async () => true } },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
};
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);

const orders = { orders: [{ id: 1, item: "key", quantity: 2 }] };
const app = express();
app.get("/open", (_, response) => void response.json(orders));
app.get("/guarded", async (request, response) => {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
  if (session === null) {
    response.sendStatus(401);
    return;
  }
  response.json(orders);
});

const cookies = [];
for (let nth = 0; nth < SESSIONS; nth++) {
  const body = { name: `user-${nth}`, email: `user-${nth}@example.com`, password: randomBytes(16).toString("hex") };
  const response = await auth.api.signUpEmail({ body, asResponse: true });
  const pairs = response.headers.getSetCookie().map((cookie) => cookie.split(";")[0]);
  if (!response.ok || pairs.length === 0) throw new Error(`signing up answered ${response.status}`);
  cookies.push(pairs.join("; "));
}
writeTokens((nth) => cookies[nth]);
announce(createServer(app));
