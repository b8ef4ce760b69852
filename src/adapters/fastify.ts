import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { AccessTokenClaims } from "../access-token/claims.ts";
import { type ErrorCode, isLatchkeyError, LatchkeyError } from "../errors.ts";
import { errorResponse } from "../http/error-response.ts";
import type { Admission, Guard, OptionalAdmission } from "../http/guard/guard.ts";
import type { Handler } from "../http/handler.ts";
import { ownedPaths } from "../http/owned-paths.ts";
import { BODY_LIMIT_BYTES } from "../http/request/body-bytes.ts";
import { createResponder } from "../http/respond.ts";
import { aFunction } from "../option-rules.ts";
import { adapterOptions } from "./adapter-options.ts";
import { toAskingRequest, toRequest } from "./node-message.ts";
import { bodyCredentials } from "./parsed-body.ts";
import { carryCookies, carryCookiesOf } from "./renewed-cookies.ts";

/** The `config` of a route behind a guard, for a route whose generics are written out: `app.get<{ Params: … }, Guarded>(…)`. */
export interface Guarded<Admitted = Admission> {
  readonly latchkey: Guard<Admitted>;
}

/** The parts of a Fastify request that Latchkey needs. */
interface GuardableRequest {
  readonly raw: IncomingMessage;
  readonly protocol: string;
  readonly host: string;
  readonly originalUrl: string;
  readonly ip: string;
  readonly body?: unknown;
  readonly cookies?: unknown;
  auth?: unknown;
  latchkey?: unknown;
}

interface GuardableReply {
  readonly raw: ServerResponse;
  send(payload: Response): unknown;
}

/** The options of a route behind a guard. */
interface GuardedRoute<Admitted> {
  readonly preValidation: (request: GuardableRequest, reply: GuardableReply) => Promise<unknown>;
  readonly config: Guarded<Admitted>;
}

declare module "fastify" {
  interface FastifyRequest<
    RouteGeneric,
    RawServer,
    RawRequest,
    SchemaCompiler,
    TypeProvider,
    ContextConfig,
    Logger,
    RequestType,
  > {
    /**
     * What the route's guard admitted. The types do not cover a guard in an enclosing hook: there, it may be missing.
     */
    auth: ContextConfig extends Guarded<infer Admitted extends OptionalAdmission>
      ? Admitted["auth"]
      : AccessTokenClaims | undefined;
    /** What the guard's `loadUser` returned. */
    latchkey: ContextConfig extends Guarded<infer Admitted extends OptionalAdmission>
      ? { readonly user: Admitted["user"] }
      : { readonly user: unknown } | undefined;
  }
}

/**
 * Every route of the handler as a plugin: `app.register(latchkey(handler), { prefix })`. It has its own parsers and
 * error handler, independent of the application's; a path and method that the application has registered before remains
 * the application's.
 * @example
 * ```ts
 * import fastify from "fastify";
 * import { createHandler } from "latchkey";
 * import { latchkey } from "latchkey/fastify";
 *
 * const app = fastify();
 * app.register(latchkey(createHandler(issuer)), { prefix: "/id" });
 * ```
 */
export function latchkey(handler: Handler): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    const asItCame = { parseAs: "buffer", bodyLimit: BODY_LIMIT_BYTES } as const;
    app.addContentTypeParser("*", asItCame, (_request, body, done) => done(null, body));
    app.setErrorHandler<Error & { readonly statusCode?: number }>((error, _request, reply) => {
      const refusal = isLatchkeyError(error) ? error : refusalOf(error.statusCode ?? 500);
      if (refusal === undefined) throw error;
      return reply.send(errorResponse(createResponder(undefined), refusal));
    });
    for (const path of ownedPaths) {
      const url = app.prefix + path;
      const method = app.supportedMethods.filter((name) => !app.hasRoute({ url, method: name }));
      if (method.length === 0) continue;
      app.route({
        method,
        url: path,
        handler: async (request, reply) => {
          const { protocol, host } = request;
          const target = { protocol, host, url: request.url.slice(app.prefix.length) };
          const body = Buffer.isBuffer(request.body) ? new Uint8Array(request.body) : null;
          const translated = toRequest(request.raw, target, { body, signal: untilGone(reply.raw) });
          return reply.send(await handler.fetch(translated, { remoteAddress: request.ip }));
        },
      });
    }
  };
}

/**
 * Aborted when the client disconnects before its response. Fastify's own signal also aborts as soon as a body has been
 * read.
 */
function untilGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** Answers what Fastify itself refuses, in the one error format. */
function refusalOf(status: number): LatchkeyError | undefined {
  if (status < 400 || status >= 500) return undefined;
  const codes: Readonly<Record<number, ErrorCode>> = { 413: "payload_too_large", 415: "unsupported_media_type" };
  return new LatchkeyError(codes[status] ?? "invalid_request");
}

interface GuardedOptions {
  readonly resource?: ((request: FastifyRequest) => unknown) | undefined;
}

const guardedOptions = adapterOptions<GuardedOptions>("guarded", { resource: aFunction });

/**
 * A guard as the options of a route: `app.get("/orders", guarded(guard), handler)`, or spread into others. It sets
 * `request.auth`, once the body is parsed and before it is validated. It answers refused requests itself; only errors
 * that are not refusals, such as a `loadUser` that threw, go to Fastify's error handler.
 * @param options `resource` is what the guard's policies are asked about.
 * @example
 * ```ts
 * import fastify from "fastify";
 * import { createGuard } from "latchkey";
 * import { guarded } from "latchkey/fastify";
 *
 * const app = fastify();
 * app.get("/orders", guarded(createGuard(issuer)), async (request) => ({ of: request.auth.sub }));
 * ```
 */
export function guarded<Admitted extends OptionalAdmission>(
  guard: Guard<Admitted>,
  options: GuardedOptions = {},
): GuardedRoute<Admitted> {
  guardedOptions(options);
  return {
    config: { latchkey: guard },
    async preValidation(request, reply) {
      try {
        const asking = toAskingRequest(request.raw, request.originalUrl, () => request);
        const sent = bodyCredentials(request.raw.headers["content-type"], request);
        const admission =
          guard.admitAtOnce(asking, sent) ??
          (await guard.admit(asking, {
            ip: request.ip,
            resource: options.resource && (await options.resource(request as FastifyRequest)),
            ...sent,
          }));
        carryCookies(request.raw, reply.raw, admission, request);
        request.auth = admission.auth;
        request.latchkey = { user: admission.user };
        return undefined;
      } catch (error) {
        if (isLatchkeyError(error)) return reply.send(guard.refuse(error));
        carryCookiesOf(error, reply.raw);
        throw error;
      }
    },
  };
}
