// Hono: the handler under a path of its own, a group of routes behind one guard, and a route that anybody may see.
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createGuard, createHandler, createIssuer } from "latchkey";
import { guarded, latchkey } from "latchkey/hono";
import { createSqliteStore } from "latchkey/sqlite";

const port = Number(process.env.PORT ?? 4000);
const issuer = await createIssuer({
  issuer: `http://127.0.0.1:${port}`,
  secret: process.env.LATCHKEY_SECRET!, // npx --no latchkey secret
  store: await createSqliteStore("app.db"),
});

const reports = new Hono()
  .use(guarded(createGuard(issuer, { role: "editor" })))
  .get("/", (c) => c.json({ by: c.var.auth.sub }))
  .get("/:year", (c) => c.json({ by: c.var.auth.sub, year: c.req.param("year") }));

const app = new Hono()
  .route("/id", latchkey(createHandler(issuer)))
  .route("/reports", reports)
  .get("/orders", guarded(createGuard(issuer)), (c) => c.json({ of: c.var.auth.sub }))
  .get("/", guarded(createGuard(issuer, { optional: true })), (c) =>
    c.text(`Hello, ${c.var.auth?.sub ?? "stranger"}!`),
  );

serve({ port, hostname: "127.0.0.1", fetch: app.fetch });
