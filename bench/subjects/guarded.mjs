// An application with the same route twice, behind Latchkey's guard and without; the framework is the argument.
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { guarded as expressGuarded } from "../../dist/adapters/express.js";
import { guarded as fastifyGuarded } from "../../dist/adapters/fastify.js";
import { guarded as honoGuarded } from "../../dist/adapters/hono.js";
import { createGuard, createIssuer } from "../../dist/index.js";
import { createSqliteStore } from "../../dist/store/sqlite/sqlite.js";
import { announce, SESSIONS, writeTokens } from "./subject.mjs";

const origin = "http://127.0.0.1:4000";
const issuer = await createIssuer({
  issuer: origin,
  secret: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
  store: await createSqliteStore(":memory:"),
  subjects: async (ids) => new Map(ids.map((id) => [id, { roles: [] }])),
});
const guard = createGuard(issuer);
const orders = { orders: [{ id: 1, item: "key", quantity: 2 }] };

const servers = {
  async hono() {
    const app = new Hono();
    app.get("/open", (c) => c.json(orders));
    app.get("/guarded", honoGuarded(guard), (c) => c.json(orders));
    return createServer(getRequestListener(app.fetch));
  },
  async express() {
    const app = express();
    app.get("/open", (_, response) => void response.json(orders));
    app.get("/guarded", expressGuarded(guard), (_, response) => void response.json(orders));
    return createServer(app);
  },
  async fastify() {
    const app = fastify();
    app.get("/open", async () => orders);
    app.get("/guarded", fastifyGuarded(guard), async () => orders);
    await app.ready();
    return app.server;
  },
};

const pairs = await Promise.all(Array.from({ length: SESSIONS }, (_, nth) => issuer.issue({ subject: `user-${nth}` })));
writeTokens((nth) => pairs[nth]?.accessToken ?? "");
const framework = /** @type {keyof typeof servers} */ (process.argv[2]);
announce(await servers[framework]());
