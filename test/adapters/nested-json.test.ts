import { getRequestListener } from "@hono/node-server";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import { NextRequest } from "next/server.js";
import { describe, expect, it, onTestFinished } from "vitest";
import { guarded as guardedOnExpress, latchkey as latchkeyOnExpress } from "../../src/adapters/express.ts";
import { guarded as guardedOnFastify, latchkey as latchkeyOnFastify } from "../../src/adapters/fastify.ts";
import { guarded as guardedOnHono, latchkey as latchkeyOnHono } from "../../src/adapters/hono.ts";
import { LatchkeyModule } from "../../src/adapters/nest.ts";
import { guarded as guardedOnNext, latchkey as latchkeyOnNext } from "../../src/adapters/next.ts";
import { createGuard } from "../../src/index.ts";
import { createTestBed, type TestBed } from "../support/test-bed.ts";
import { serve } from "./contract.ts";

const DEPTH = 25_000;
const nested = "[".repeat(DEPTH) + "]".repeat(DEPTH);
const bodies = [
  ["a field", `{"refresh_token":${nested}}`],
  ["a field of another name", `{"refresh_token":"x","more":${nested}}`],
  ["the whole body", nested],
] as const;

const bodyGuard = ({ issuer }: TestBed) => createGuard(issuer, { locations: ["header", "body"] });

/** Each framework with its own JSON parser in front, where it has one, and a route that looks for a token in the body. */
const apps: Readonly<Record<string, (bed: TestBed) => Promise<string>>> = {
  Express(bed) {
    const app = express();
    app.use(express.json({ limit: "1mb", strict: false }), latchkeyOnExpress(bed.handler));
    app.post("/orders", guardedOnExpress(bodyGuard(bed)), (_, response) => void response.send("in"));
    return serve(app);
  },
  async Fastify(bed) {
    const app = fastify({ bodyLimit: 1_048_576 });
    app.register(latchkeyOnFastify(bed.handler));
    app.post("/orders", guardedOnFastify(bodyGuard(bed)), async () => "in");
    onTestFinished(() => app.close());
    return await app.listen({ port: 0, host: "127.0.0.1" });
  },
  async Nest({ issuer }) {
    class App {}
    Module({ imports: [LatchkeyModule.forRoot({ issuer, path: "/" })] })(App);
    const app = await NestFactory.create(App, { logger: false, bodyParser: true });
    onTestFinished(() => app.close());
    await app.listen(0, "127.0.0.1");
    return app.getUrl();
  },
  Hono(bed) {
    const app = new Hono().route("/", latchkeyOnHono(bed.handler));
    app.post("/orders", guardedOnHono(bodyGuard(bed)), (context) => context.text("in"));
    return serve(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  },
  "Next.js"(bed) {
    const routes = latchkeyOnNext(() => bed.handler);
    const orders = guardedOnNext(bodyGuard(bed), () => new Response("in"));
    return serve(
      getRequestListener(
        ({ url, headers, body }) => {
          const request = new NextRequest(url, { method: "POST", headers, body });
          return url.endsWith("/orders") ? orders(request, undefined) : routes.POST(request, undefined);
        },
        { overrideGlobalObjects: false },
      ),
    );
  },
};

const headers = { "content-type": "application/json" };

describe.each(Object.entries(apps))("JSON that is nested deeply, on %s,", (name, start) => {
  it.each(bodies)("as %s is refused by our routes as the handler alone refuses it", async (_, body) => {
    const bed = await createTestBed();
    const answers = [
      await fetch(`${await start(bed)}/auth/refresh`, { method: "POST", headers, body }),
      await bed.handler.fetch(new Request("http://127.0.0.1:4000/auth/refresh", { method: "POST", headers, body })),
    ];
    const [behind, alone] = await Promise.all(answers.map(async (one) => [one.status, await one.json()]));
    expect(behind).toEqual(alone);
    expect(alone).toMatchObject([400, { error: "invalid_request" }]);
  });

  it.each(name === "Nest" ? [] : bodies)("as %s never passes a guard that reads bodies", async (_, body) => {
    const bed = await createTestBed();
    const answer = await fetch(`${await start(bed)}/orders`, { method: "POST", headers, body });
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: "missing_token" }]);
  });
});
