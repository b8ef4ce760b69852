// What tutorials teach for Express: a refresh token is a JWT whose hash stands in a table, one row for every rotation; the old
// row is marked as used, and a used one that comes again deletes all of the person's rows. Written with the same SQLite binding
// and the same durability as Latchkey's store.
import { createHash, generateKeyPairSync, randomUUID } from "node:crypto";
import { join } from "node:path";
import express from "express";
import jwt from "jsonwebtoken";
import Database from "libsql";
import { announce, SESSIONS, writeTokens } from "../subjects/subject.mjs";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const refreshSecret = randomUUID() + randomUUID();
const database = new Database(join(process.cwd(), "tutorial.db"));
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE refresh_tokens (
    id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, token_hash TEXT NOT NULL UNIQUE, expires_at INTEGER NOT NULL, used_at INTEGER
  );
`);
const find = database.prepare("SELECT * FROM refresh_tokens WHERE token_hash = ?");
const use = database.prepare("UPDATE refresh_tokens SET used_at = ? WHERE id = ?");
const insert = database.prepare("INSERT INTO refresh_tokens (user_id, token_hash, expires_at) VALUES (?, ?, ?)");
const removeAll = database.prepare("DELETE FROM refresh_tokens WHERE user_id = ?");

const hashOf = (text) => createHash("sha256").update(text).digest("hex");
function newRefreshToken(userId) {
  const token = jwt.sign({ sub: userId, jti: randomUUID() }, refreshSecret, { expiresIn: "30d" });
  insert.run(userId, hashOf(token), Date.now() + 30 * 86_400_000);
  return token;
}
const rotate = database.transaction((row) => {
  use.run(Date.now(), row.id);
  return newRefreshToken(row.user_id);
});

const app = express();
app.use(express.json());
app.post("/refresh", (request, response) => {
  const presented = request.body.refresh_token;
  try {
    jwt.verify(presented, refreshSecret);
  } catch {
    response.status(401).json({ error: "invalid token" });
    return;
  }
  const row = find.get(hashOf(presented));
  if (row === undefined || row.used_at !== null || row.expires_at < Date.now()) {
    if (row?.used_at) removeAll.run(row.user_id);
    response.status(401).json({ error: "token reused or unknown" });
    return;
  }
  const refreshToken = rotate(row);
  const accessToken = jwt.sign({ sub: row.user_id, jti: randomUUID() }, privateKey, {
    algorithm: "ES256",
    expiresIn: "15m",
  });
  response.json({ access_token: accessToken, token_type: "Bearer", expires_in: 900, refresh_token: refreshToken });
});

const seed = database.transaction(() => Array.from({ length: SESSIONS }, (_, nth) => newRefreshToken(`user-${nth}`)));
const tokens = seed();
writeTokens((nth) => tokens[nth]);
const server = (await import("node:http")).createServer(app);
announce(server);
