import type { ServerResponse } from "node:http";
import type { Request as AnyExpressRequest } from "express";
import type { AccessTokenClaims } from "../access-token/claims.ts";
import { isLatchkeyError } from "../errors.ts";
import type { Guard, OptionalAdmission } from "../http/guard/guard.ts";
import type { Handler } from "../http/handler.ts";
import { isOwnedPath } from "../http/owned-paths.ts";
import { aFunction } from "../option-rules.ts";
import { adapterOptions } from "./adapter-options.ts";
import { admitExpress, type ExpressRequest } from "./express-admission.ts";
import { toNodeListener } from "./node.ts";
import { sendResponse } from "./node-message.ts";
import { unparsed } from "./parsed-body.ts";

type Next = (error?: unknown) => void;

/** What a guard sets in `response.locals`. */
export type GuardedLocals<Admitted extends OptionalAdmission> = { auth: Admitted["auth"]; user: Admitted["user"] };

declare module "express-serve-static-core" {
  interface Request<P, ResBody, ReqBody, ReqQuery, LocalsObj> {
    /**
     * What the route's guard admitted. The types do not cover the guard of an enclosing router: there, it may be
     * missing.
     */
    auth: LocalsObj extends { readonly auth: infer Auth } ? Auth : AccessTokenClaims | undefined;
  }
}

/**
 * Every route of the handler as Express middleware, under any mount path; any other request continues to the next
 * middleware. It works with or without a body parser before it.
 * @example
 * ```ts
 * import express from "express";
 * import { createHandler } from "latchkey";
 * import { latchkey } from "latchkey/express";
 *
 * const app = express();
 * app.use(latchkey(createHandler(issuer)));
 * ```
 */
export function latchkey(handler: Handler): (request: ExpressRequest, response: ServerResponse, next: Next) => void {
  const listener = toNodeListener(handler, { ip: (request) => (request as ExpressRequest).ip });
  return (request, response, next) => {
    if (!isOwnedPath(request.path)) {
      next();
      return;
    }
    if (request.readableDidRead && request.body !== undefined && !("rawBody" in request)) {
      // The name under which body parsers keep the bytes, and the listener finds them.
      Object.assign(request, { rawBody: unparsed(request.headers["content-type"], request.body) });
    }
    listener(request, response);
  };
}

interface GuardedOptions {
  readonly resource?: ((request: AnyExpressRequest) => unknown) | undefined;
}

const guardedOptions = adapterOptions<GuardedOptions>("guarded", { resource: aFunction });

/**
 * A guard as middleware, which sets `request.auth`, and `auth` and `user` in `response.locals`. It answers refused
 * requests itself; only errors that are not refusals, such as a `loadUser` that threw, go to Express's error handler.
 * @param options `resource` is what the guard's policies are asked about.
 * @example
 * ```ts
 * import express from "express";
 * import { createGuard } from "latchkey";
 * import { guarded } from "latchkey/express";
 *
 * const app = express();
 * app.get("/orders", guarded(createGuard(issuer)), (req, res) => {
 *   res.json({ of: req.auth.sub });
 * });
 * ```
 */
export function guarded<Admitted extends OptionalAdmission>(
  guard: Guard<Admitted>,
  options: GuardedOptions = {},
): (request: ExpressRequest, response: ServerResponse & { locals: GuardedLocals<Admitted> }, next: Next) => void {
  guardedOptions(options);
  return async (request, response, next) => {
    try {
      const resource = options.resource && (await options.resource(request as AnyExpressRequest));
      const admitted = admitExpress(guard, request, response, resource);
      const { auth, user } = admitted instanceof Promise ? await admitted : admitted;
      response.locals.auth = auth;
      response.locals.user = user;
      request.auth = auth;
    } catch (error) {
      if (isLatchkeyError(error)) await sendResponse(guard.refuse(error), response);
      else next(error);
      return;
    }
    next();
  };
}
