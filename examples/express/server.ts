// Express: pages rendered on the server, with cookies, a form with its CSRF token, and a user loaded by the guard.
import express from "express";
import { createGuard, createHandler, createIssuer } from "latchkey";
import { guarded, latchkey } from "latchkey/express";
import { createSqliteStore } from "latchkey/sqlite";

const port = Number(process.env.PORT ?? 4000);
const issuer = await createIssuer({
  issuer: `http://127.0.0.1:${port}`,
  secret: process.env.LATCHKEY_SECRET!, // npx --no latchkey secret
  store: await createSqliteStore("app.db"),
});

const orders = new Map<string, string[]>();
const signedIn = createGuard(issuer);
const editors = createGuard(issuer, { role: "editor" });
const visitors = createGuard(issuer, { optional: true });
const customers = createGuard(issuer, { loadUser: ({ sub }) => ({ orders: orders.get(sub) ?? [] }) });

const app = express();
app.use(latchkey(createHandler(issuer)));
app.use(express.urlencoded());

app.get("/orders", guarded(customers), (req, res) => {
  res.json({ of: req.auth.sub, orders: res.locals.user.orders });
});

// A form posts to it, with <input type="hidden" name="csrf_token"> from the page below.
app.post("/orders", guarded(signedIn), (req, res) => {
  orders.set(req.auth.sub, [...(orders.get(req.auth.sub) ?? []), String(req.body.item)]);
  res.redirect(303, "/");
});

app.get("/reports", guarded(editors), (req, res) => {
  res.json({ by: req.auth.sub });
});

app.get("/", guarded(visitors), (req, res) => {
  if (req.auth === undefined) {
    res.send("<p>Sign in first.</p>");
    return;
  }
  // After an implicit refresh these are the new cookies already.
  const csrfToken = /(?:^|; )[^=]*latchkey-csrf=([^;]+)/.exec(req.headers.cookie ?? "")?.[1] ?? "";
  res.send(`<form method="post" action="/orders">
    <input name="item"> <input type="hidden" name="csrf_token" value="${csrfToken}"> <button>Order</button>
  </form>`);
});

app.listen(port, "127.0.0.1");
