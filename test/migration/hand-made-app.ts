import { createHash, randomBytes, randomUUID } from "node:crypto";
import express from "express";
import jwt from "jsonwebtoken";
import type Database from "libsql";
import { tableOn } from "./program-of.ts";

export const OLD_SECRET = "the secret of the app that was there before";
const DAY = 86_400_000;

/** How an old token reaches the client. */
export type OldTransport = "body" | "cookie";

/** An Express app as it is often written: jsonwebtoken for access tokens, a table of hashed refresh tokens that rotate. */
export function createHandMadeApp(db: Database.Database) {
  db.exec(tableOn("docs/migrate/jsonwebtoken.md"));
  db.exec("CREATE TABLE users (id TEXT PRIMARY KEY, role TEXT NOT NULL, disabled INTEGER NOT NULL DEFAULT 0)");
  const hash = (token: string) => createHash("sha256").update(token).digest("hex");

  function give(userId: string, family: string, userAgent: string | null) {
    const refreshToken = randomBytes(40).toString("hex");
    const now = Date.now();
    db.prepare(
      `INSERT INTO refresh_tokens (token_hash, family, user_id, user_agent, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ).run(hash(refreshToken), family, userId, userAgent, now, now + 30 * DAY);
    return { accessToken: jwt.sign({}, OLD_SECRET, { subject: userId, expiresIn: "15m" }), refreshToken };
  }

  const app = express();
  app.use(express.json());
  const answer = (res: express.Response, pair: ReturnType<typeof give>, transport: OldTransport) => {
    if (transport === "body") return res.json(pair);
    const { accessToken, refreshToken } = pair;
    return res.cookie("refreshToken", refreshToken, { httpOnly: true, path: "/api/refresh" }).json({ accessToken });
  };

  app.post("/api/login", (req, res) => {
    const { userId, transport } = req.body;
    answer(res, give(userId, randomUUID(), req.get("user-agent") ?? null), transport);
  });

  app.post("/api/refresh", (req, res) => {
    const cookie = /refreshToken=([^;]+)/.exec(req.headers.cookie ?? "")?.[1];
    const find = db.prepare("SELECT * FROM refresh_tokens WHERE token_hash = ? AND revoked_at IS NULL");
    const row = find.get(hash(cookie ?? req.body.refreshToken)) as Record<string, string> | undefined;
    if (row === undefined || row.used_at !== null) return res.status(401).json({});
    db.prepare("UPDATE refresh_tokens SET used_at = ? WHERE id = ?").run(Date.now(), row.id);
    return answer(res, give(row.user_id!, row.family!, row.user_agent!), cookie === undefined ? "body" : "cookie");
  });

  app.post("/api/logout", (req, res) => {
    db.prepare(
      `UPDATE refresh_tokens SET revoked_at = ? WHERE family = (SELECT family FROM refresh_tokens WHERE token_hash = ?)`,
    ).run(Date.now(), hash(req.body.refreshToken));
    res.status(204).end();
  });
  return app;
}
