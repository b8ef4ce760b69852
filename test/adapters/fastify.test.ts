import fastify from "fastify";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Guarded, guarded, latchkey } from "../../src/adapters/fastify.ts";
import { createGuard, type Handler } from "../../src/index.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";
import { type Build, describeAdapter } from "./contract.ts";

const build: Build = async ({ handler, guards, mount, readsBodies }) => {
  const app = fastify();
  if (readsBodies) {
    const parse = (_: unknown, body: string, done: (error: null, parsed: object) => void) =>
      done(null, Object.fromEntries(new URLSearchParams(body)));
    app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, parse);
  }
  app.register(latchkey(handler), { prefix: mount });
  app.get("/orders", guarded(guards.any), async (request) => ({ sub: request.auth.sub }));
  app.post("/orders", guarded(guards.body), async (request) => ({ sub: request.auth.sub }));
  app.get("/editors", guarded(guards.editor), async (request) => ({ sub: request.auth.sub }));
  app.get<{ Params: { owner: string } }, Guarded>(
    "/mine/:owner",
    guarded(guards.owner, { resource: (request) => (request.params as { owner: string }).owner }),
    async (request) => ({ sub: request.auth.sub }),
  );
  app.get("/user", guarded(guards.user), async (request) => ({
    sub: request.auth.sub,
    name: request.latchkey.user.name,
  }));
  app.get("/broken", guarded(guards.broken), async (request) => ({ sub: request.auth.sub }));
  app.get("/optional", guarded(guards.optional), async (request) => ({ sub: request.auth?.sub ?? null }));
  app.get("/cookie", guarded(guards.any), async ({ headers }) => ({ cookie: headers.cookie }));
  app.get("/fails", guarded(guards.any), async (_, reply) => reply.code(404).send({}));
  app.get("/sets", guarded(guards.any), async (_, reply) => reply.header("set-cookie", "own=1").send({}));
  app.get("/open", async () => "open");
  onTestFinished(async () => {
    await app.close();
  });
  return app.listen({ port: 0, host: "127.0.0.1" });
};

describeAdapter("Fastify", build, { readsBodies: true, goesOn: true });

describe("Fastify alone", () => {
  it("reads the handler's bodies up to the handler's own limit, whatever the application's is", async () => {
    const bed = await createTestBed();
    await bed.login();
    const app = fastify({ bodyLimit: 10 });
    app.register(latchkey(bed.handler));
    const payload = { username: "ada", password: PASSWORD };
    expect((await app.inject({ method: "POST", url: "/auth/login", payload })).statusCode).toBe(200);
  });

  it("leaves a route to the application that has it already, and runs the application's hooks on the others", async () => {
    const bed = await createTestBed();
    const app = fastify();
    app.addHook("onSend", async (_, reply) => {
      reply.header("x-own", "1");
    });
    app.get("/livez", async () => "mine");
    app.register(latchkey(bed.handler));
    expect((await app.inject("/livez")).body).toBe("mine");
    const keys = await app.inject("/.well-known/jwks.json");
    expect([keys.statusCode, keys.json().keys.length, keys.headers["x-own"]]).toEqual([200, 2, "1"]);
  });

  it("asks who it is before it validates, and asks the application's error handler about no refusal", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const told: (string | undefined)[] = [];
    const app = fastify();
    app.setErrorHandler<Error & { code?: string }>((error, _, reply) => {
      told.push(error.code ?? error.message);
      return reply.code(500).send({});
    });
    app.register(latchkey(bed.handler));
    const schema = { body: { type: "object", required: ["item"] } } as const;
    app.post("/orders", { ...guarded(createGuard(bed.issuer)), schema }, async (request) => request.auth.sub);
    const post = (url: string, headers: Record<string, string> = {}, payload: string | object = {}) =>
      app.inject({ method: "POST", url, headers, payload });
    expect((await post("/orders")).statusCode).toBe(401);
    expect((await post("/auth/login", { "content-type": "application/json" }, "x".repeat(70_000))).statusCode).toBe(
      413,
    );
    expect((await post("/auth/login", { "content-type": "no type" }, "x")).statusCode).toBe(415);
    expect(told).toEqual([]);
    expect((await post("/orders", { authorization: `Bearer ${token}` })).statusCode).toBe(500);
    expect(told).toEqual(["FST_ERR_VALIDATION"]);
  });

  it("streams an answer, and ends it when the client goes", async () => {
    let hasEnded = false;
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(": hello\n\n")),
      cancel: () => {
        hasEnded = true;
      },
    });
    const handler: Handler = {
      fetch: async () => new Response(stream, { headers: { "content-type": "text/event-stream" } }),
    };
    const app = fastify({ forceCloseConnections: true });
    onTestFinished(async () => {
      await app.close();
    });
    app.register(latchkey(handler));
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const client = new AbortController();
    const response = await fetch(`${url}/auth/revocations`, { signal: client.signal });
    const { value } = await response.body!.getReader().read();
    expect(new TextDecoder().decode(value)).toBe(": hello\n\n");
    client.abort();
    await expect.poll(() => hasEnded).toBe(true);
  });

  it("types request.auth and what was loaded by the guard of the route", async () => {
    const { issuer } = await createTestBed();
    const app = fastify();
    const loading = guarded(createGuard(issuer, { loadUser: () => ({ name: "Ada" }) }));
    app.get("/loaded", loading, async ({ auth, latchkey: { user } }) => `${auth.sub} ${user.name}`);
    app.get("/optional", guarded(createGuard(issuer, { optional: true })), async (request) => {
      // @ts-expect-error Nobody may be there.
      return request.auth.sub;
    });
    app.get("/open", { config: { own: true } }, async (request) => {
      // @ts-expect-error No guard stands here.
      return request.auth.sub;
    });
    expect(app.hasRoute({ url: "/loaded", method: "GET" })).toBe(true);
  });
});
