import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Controller, Module, All as NestAll, Req, Res } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import express from "express";
import { fastify } from "fastify";
import { type Context, Hono } from "hono";
import { parse } from "hono/utils/cookie";
import { NextRequest, NextResponse } from "next/server.js";
import { onTestFinished } from "vitest";
import { guarded as guardedOnExpress } from "../../src/adapters/express.ts";
import { guarded as guardedOnFastify } from "../../src/adapters/fastify.ts";
import { guarded as guardedOnHono } from "../../src/adapters/hono.ts";
import { Auth, Guarded, LatchkeyModule } from "../../src/adapters/nest.ts";
import { guarded as guardedOnNext, renewed } from "../../src/adapters/next.ts";
import { guardNode } from "../../src/adapters/node.ts";
import { type AccessTokenClaims, createGuard, type GuardOptions, type Issuer } from "../../src/index.ts";

/** All that a handler can see of its request, and whom the guards before it let through. */
export interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: unknown;
  readonly rawHeaders?: readonly string[];
  readonly cookies: unknown;
  readonly body: unknown;
  readonly sub: string | undefined;
}

/** What becomes of the request before the guards see it. */
export type Beforehand =
  | "nothing"
  | "body read"
  | "body wrapped"
  | "headers immutable"
  | "body read, headers immutable";

/** What the handler answers. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | null;
}

export const answers = {
  plain: { status: 200, headers: [["content-type", "text/plain"]], body: "fine" },
  cached: {
    status: 200,
    headers: [
      ["content-type", "text/css"],
      ["cache-control", "public, max-age=31536000, immutable"],
      ["expires", "Fri, 01 Jan 2100 00:00:00 GMT"],
      ["etag", '"1"'],
      ["cdn-cache-control", "max-age=600"],
      ["surrogate-control", "max-age=600"],
      ["set-cookie", "own=1; Path=/"],
      ["set-cookie", "other=2"],
    ],
    body: "a{}",
  },
  redirect: { status: 303, headers: [["location", "/elsewhere"]], body: null },
  empty: { status: 204, headers: [["x-own", "1"]], body: null },
  "not modified": { status: 304, headers: [["etag", '"1"']], body: null },
  missing: { status: 404, headers: [["cache-control", "public, max-age=60"]], body: "nothing here" },
  failed: { status: 500, headers: [["x-own", "1"]], body: "" },
} as const satisfies Record<string, Answer>;

export interface App {
  readonly port: number;
  readonly http2: boolean;
}

export interface Setting {
  readonly issuer: Issuer;
  readonly beforehand: Beforehand;
  readonly seen: Seen[];
  /** Two guards, one after the other. */
  readonly guards?: readonly [GuardOptions, GuardOptions];
}

type Start = (setting: Setting) => Promise<App>;

const guardsOf = ({ issuer, guards = [{}, {}] }: Setting) => guards.map((options) => createGuard(issuer, options));

async function serve(listener: RequestListener): Promise<App> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, http2: false };
}

async function readMessage(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk);
  } catch {
    // The client has gone, and nobody reads the answer.
  }
  return Buffer.concat(chunks).toString("latin1");
}

const hasReadBody = ({ beforehand }: Setting) => beforehand.startsWith("body read");
const answerFor = (name: unknown): Answer => answers[name as keyof typeof answers] ?? answers.plain;

function ofMessage(message: IncomingMessage, cookies: unknown, body: unknown, sub: string | undefined): Seen {
  const { method, url, headers, rawHeaders, headersDistinct } = message;
  return structuredClone({
    method,
    url,
    headers: { headers: Object.entries(headers), headersDistinct: { ...headersDistinct } },
    rawHeaders,
    cookies,
    body,
    sub,
  });
}

async function ofRequest(request: Request, cookies: unknown, sub: string | undefined): Promise<Seen> {
  const { method, url, headers } = request;
  const body = request.bodyUsed ? "used" : await request.text();
  return { method, url, headers: [...headers], cookies, body, sub };
}

function send({ status, headers, body }: Answer, response: ServerResponse): void {
  // Both ways in which handlers write their head.
  if (status === 200) response.writeHead(status, headers.flat());
  else for (const [name, value] of headers) response.appendHeader(name, value);
  response.statusCode = status;
  response.end(body ?? undefined);
}

const toResponse = ({ status, headers, body }: Answer) =>
  status === 303
    ? Response.redirect("http://localhost/elsewhere", status)
    : new Response(body, { status, headers: headers.map(([name, value]): [string, string] => [name, value]) });

/** The request as a framework or its middleware may have left it. */
async function prepared<Asking extends Request>(
  request: Asking,
  beforehand: Beforehand,
  copy: (init: RequestInit) => Asking,
): Promise<Asking> {
  if (beforehand.startsWith("body read")) await request.text();
  if (beforehand.endsWith("headers immutable")) {
    request.headers.set = () => {
      throw new TypeError("immutable");
    };
  }
  if (beforehand !== "body wrapped" || request.body === null) return request;
  const body = request.body.pipeThrough(new TransformStream());
  return copy({ method: request.method, headers: request.headers, body, duplex: "half" } as RequestInit);
}

function nodeListener(setting: Setting): (message: IncomingMessage, response: ServerResponse) => unknown {
  const [first, second] = guardsOf(setting);
  const inner = guardNode(second!, async (message, response) => {
    const body = hasReadBody(setting) ? "read" : await readMessage(message);
    setting.seen.push(ofMessage(message, undefined, body, message.auth?.sub));
    send(answerFor(message.headers["x-answer"]), response);
  });
  const outer = guardNode(first!, (message, response) => inner(message, response));
  return async (message, response) => {
    if (hasReadBody(setting)) await readMessage(message);
    // Whatever has looked at it before, looked at the old cookies.
    void message.headersDistinct;
    outer(message, response);
  };
}

/** One application for each adapter, whose handler sees what {@link Seen} has and answers as `x-answer` says. */
export const apps: Readonly<Record<string, Start>> = {
  "node:http": (setting) => serve(nodeListener(setting)),

  async "HTTP/2"(setting) {
    const listener = nodeListener(setting);
    const server = createHttp2Server((request, response) => void listener(request as never, response as never));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    return { port: (server.address() as AddressInfo).port, http2: true };
  },

  Express(setting) {
    const [first, second] = guardsOf(setting);
    const app = express();
    app.disable("x-powered-by");
    app.use((req, _, next) => {
      req.cookies = parse(req.headers.cookie ?? "");
      next();
    });
    if (hasReadBody(setting)) app.use(express.text({ type: () => true }));
    const router = express.Router();
    router.all("/{*path}", guardedOnExpress(first!), guardedOnExpress(second!), async (req, res) => {
      const body = hasReadBody(setting) ? req.body : await readMessage(req);
      setting.seen.push(ofMessage(req, { ...req.cookies }, body, res.locals.auth?.sub));
      send(answerFor(req.headers["x-answer"]), res);
    });
    app.use("/shop", router);
    return serve(app);
  },

  async Nest(setting) {
    const [first, second] = setting.guards ?? [{}, {}];
    class Shop {
      async any(req: IncomingMessage & { body?: unknown }, res: ServerResponse, auth?: AccessTokenClaims) {
        const body = hasReadBody(setting) ? req.body : await readMessage(req);
        setting.seen.push(ofMessage(req, undefined, body, auth?.sub));
        send(answerFor(req.headers["x-answer"]), res);
      }
    }
    Controller("shop")(Shop);
    for (const [index, decorator] of [Req(), Res(), Auth()].entries()) decorator(Shop.prototype, "any", index);
    const descriptor = Object.getOwnPropertyDescriptor(Shop.prototype, "any")!;
    for (const decorator of [NestAll("{*path}"), Guarded(second)]) decorator(Shop.prototype, "any", descriptor);
    Guarded(first)(Shop);
    class Main {}
    Module({ imports: [LatchkeyModule.forRoot({ issuer: setting.issuer })], controllers: [Shop] })(Main);
    const app = await NestFactory.create(Main, { logger: false, bodyParser: hasReadBody(setting) });
    app.getHttpAdapter().getInstance().disable("x-powered-by");
    await app.listen(0, "127.0.0.1");
    onTestFinished(() => app.close());
    onTestFinished(() => app.getHttpServer().closeAllConnections());
    return { port: (app.getHttpServer().address() as AddressInfo).port, http2: false };
  },

  async Fastify(setting) {
    const [first, second] = guardsOf(setting);
    const app = fastify();
    app.decorateRequest("cookies");
    app.addHook("onRequest", async (request) => {
      Object.assign(request, { cookies: parse(request.headers.cookie ?? "") });
    });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
    const { preValidation, config } = guardedOnFastify(second!);
    const before = guardedOnFastify(first!).preValidation;
    app.all("/shop/*", { config, preValidation: [before, preValidation] as never }, async (request, reply) => {
      const { cookies } = request as { cookies?: object };
      const seen = ofMessage(request.raw, { ...cookies }, request.body, request.auth?.sub);
      setting.seen.push({ ...seen, headers: { ...(seen.headers as object), fastify: { ...request.headers } } });
      const { status, headers, body } = answerFor(request.headers["x-answer"]);
      for (const [name, value] of headers) reply.header(name, value);
      return reply.code(status).send(body ?? undefined);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => app.close());
    return { port: (app.server.address() as AddressInfo).port, http2: false };
  },

  Hono(setting) {
    const [first, second] = guardsOf(setting);
    const app = new Hono();
    app.use(async (c, next) => {
      if (hasReadBody(setting)) await c.req.text();
      else c.req.raw = await prepared(c.req.raw, setting.beforehand, (init) => new Request(c.req.raw.url, init));
      await next();
    });
    app.use(guardedOnHono(first!));
    app.all("*", guardedOnHono(second!), async (c: Context) => {
      const { incoming } = c.env as { incoming: IncomingMessage };
      const { method, url, headers } = c.req.raw;
      const { rawHeaders } = incoming;
      const body = await c.req.text();
      const sub = c.var.auth?.sub;
      const all = { own: [...headers], message: { ...incoming.headers } };
      const cookies = parse(c.req.header("cookie") ?? "");
      setting.seen.push(structuredClone({ method, url, headers: all, rawHeaders, cookies, body, sub }));
      return toResponse(answerFor(c.req.header("x-answer")));
    });
    return serve(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  },

  "Next.js route handlers": (setting) => serve(nextListener(setting, false)),
  "Next.js behind the proxy": (setting) => serve(nextListener(setting, true)),

  protect(setting) {
    const [first, second] = guardsOf(setting);
    const inner = second!.protect(async (request, { auth }) => {
      setting.seen.push(await ofRequest(request, parse(request.headers.get("cookie") ?? ""), auth?.sub));
      return toResponse(answerFor(request.headers.get("x-answer")));
    });
    const outer = first!.protect((request) => inner(request));
    const listener = async (raw: Request) => {
      const { method, headers, body } = raw;
      const request = new Request(raw.url, { method, headers, body, duplex: "half" } as RequestInit);
      return outer(await prepared(request, setting.beforehand, (init) => new Request(raw.url, init)));
    };
    return serve(getRequestListener(listener, { overrideGlobalObjects: false }));
  },
};

function nextListener(setting: Setting, hasProxy: boolean): RequestListener {
  const [first, second] = guardsOf(setting);
  const visitors = createGuard(setting.issuer, { optional: true });
  const route = guardedOnNext<never, unknown>(second as never, async (request: NextRequest, _, admission: never) => {
    const { auth } = admission as { auth?: AccessTokenClaims };
    const cookies = request.cookies.getAll();
    setting.seen.push(await ofRequest(request, [cookies, request.nextUrl.href], auth?.sub));
    return toResponse(answerFor(request.headers.get("x-answer")));
  });
  const outer = guardedOnNext(first!, (request) => route(request, undefined));
  // What Next.js does between the proxy and the route handler: the request with the headers that the proxy has handed on, and an
  // answer with the headers of both.
  const proxied = async (request: NextRequest) => {
    const answer = await renewed(visitors)(request);
    const { method } = request;
    const headers = new Headers(request.headers);
    const cookie = answer.headers.get("x-middleware-request-cookie");
    if (cookie !== null) headers.set("cookie", cookie);
    const body = request.bodyUsed ? null : request.body;
    const handed = new NextRequest(request.url, { method, headers, body, duplex: "half" } as never);
    const rendered = await outer(handed, undefined);
    for (const [name, value] of answer.headers) {
      if (name.startsWith("x-middleware")) continue;
      if (name === "set-cookie") rendered.headers.append(name, value);
      else rendered.headers.set(name, value);
    }
    return new NextResponse(rendered.body, rendered);
  };
  const listener = async (raw: Request) => {
    const { url, method, headers, body, signal } = raw;
    const request = new NextRequest(url, { method, headers, body, signal, duplex: "half" } as never);
    const asking = await prepared(request, setting.beforehand, (init) => new NextRequest(url, init as never));
    return hasProxy ? proxied(asking) : outer(asking, undefined);
  };
  return getRequestListener(listener, { overrideGlobalObjects: false });
}
