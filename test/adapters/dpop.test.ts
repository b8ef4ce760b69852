import { createServer } from "node:http";
import { serve as serveFetch } from "@hono/node-server";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import * as onExpress from "../../src/adapters/express.ts";
import * as onFastify from "../../src/adapters/fastify.ts";
import * as onHono from "../../src/adapters/hono.ts";
import { guardNode } from "../../src/adapters/node.ts";
import { createGuard, createHandler, createIssuer, type Guard, type Handler } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import { createProofKey, hashOf, proofBy } from "../support/dpop-proofs.ts";
import { freePort } from "../support/free-port.mjs";
import { PASSWORD, SECRET } from "../support/test-bed.ts";

/** An application that listens on the port, with the guard in front of `/shop/orders`, and the handler under `/accounts`. */
type Start = (guard: Guard, handler: Handler, port: number) => Promise<() => Promise<unknown> | unknown>;

const apps: Readonly<Record<string, Start>> = {
  async Express(guard, handler, port) {
    const shop = express.Router();
    shop.get("/orders", onExpress.guarded(guard), (req, res) => void res.json({ sub: req.auth?.sub }));
    const app = express();
    app.use("/accounts", onExpress.latchkey(handler));
    app.use("/shop", shop);
    return new Promise((resolve) => {
      const server = app.listen(port, "127.0.0.1", () => resolve(() => server.close()));
    });
  },
  async Fastify(guard, handler, port) {
    const app = fastify();
    await app.register(onFastify.latchkey(handler), { prefix: "/accounts" });
    app.get("/shop/orders", onFastify.guarded(guard), (request) => ({ sub: request.auth.sub }));
    await app.listen({ port, host: "127.0.0.1" });
    return () => app.close();
  },
  async Hono(guard, handler, port) {
    const app = new Hono();
    app.route("/accounts", onHono.latchkey(handler));
    app.get("/shop/orders", onHono.guarded(guard), (c) => c.json({ sub: c.get("auth").sub }));
    return new Promise((resolve) => {
      const server = serveFetch({ fetch: app.fetch, port, hostname: "127.0.0.1", overrideGlobalObjects: false }, () =>
        resolve(() => server.close()),
      );
    });
  },
  async "node:http"(guard, handler, port) {
    const guarded = guardNode(
      guard,
      (request, response) => void response.end(JSON.stringify({ sub: request.auth.sub })),
    );
    const app = express();
    app.use("/accounts", onExpress.latchkey(handler));
    const server = createServer((request, response) =>
      request.url?.startsWith("/shop") ? guarded(request, response) : app(request, response),
    );
    return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(() => server.close())));
  },
};

describe.each(Object.entries(apps))("DPoP on %s", (_, start) => {
  it("binds tokens at the mounted handler and takes them at a guarded route, at both by the URL that clients know", async () => {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const issuer = await createIssuer({
      issuer: `${origin}/accounts`,
      secret: SECRET,
      store: await createSqliteStore(":memory:"),
    });
    const stop = await start(createGuard(issuer), createHandler(issuer), port);
    try {
      await issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
      const key = await createProofKey();
      const proof = (method: string, htu: string, token?: string) =>
        proofBy(key, { now: () => Date.now() } as never, {
          method,
          claims: { htu, ...(token !== undefined && { ath: hashOf(token) }) },
        });
      const login = `${origin}/accounts/auth/login`;
      const answer = await fetch(login, {
        method: "POST",
        headers: { "content-type": "application/json", dpop: await proof("POST", login) },
        body: JSON.stringify({ username: "ada", password: PASSWORD }),
      });
      const pair = (await answer.json()) as { token_type: string; access_token: string };
      expect([answer.status, pair.token_type]).toEqual([200, "DPoP"]);

      const orders = `${origin}/shop/orders`;
      const get = async (headers: Record<string, string>) => {
        const { status, headers: answered } = await fetch(`${orders}?page=1`, { headers });
        return [status, answered.get("www-authenticate")?.split(" ")[0] ?? null];
      };
      const authorization = `DPoP ${pair.access_token}`;
      const dpop = await proof("GET", orders, pair.access_token);
      expect(await get({ authorization, dpop })).toEqual([200, null]);
      expect(await get({ authorization, dpop })).toEqual([401, "DPoP"]);
      expect(await get({ authorization })).toEqual([401, "DPoP"]);
      expect(await get({ authorization: `Bearer ${pair.access_token}`, dpop })).toEqual([401, "DPoP"]);
      const elsewhere = await proof("GET", `${origin}/orders`, pair.access_token);
      expect(await get({ authorization, dpop: elsewhere })).toEqual([401, "DPoP"]);
    } finally {
      await stop();
      await issuer.close();
    }
  });
});
