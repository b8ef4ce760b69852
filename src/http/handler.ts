import { Hono } from "hono";
import type { AnyAccessTokenClaims } from "../access-token/claims.ts";
import type { RequestContext } from "../engine/events.ts";
import { isLatchkeyError, LatchkeyError } from "../errors.ts";
import type { Issuer } from "../issuer.ts";
import { randomId } from "../random-id.ts";
import {
  type Authentication,
  type AuthenticationTerms,
  authenticate,
  authenticatedOrThrow,
  NOBODY,
  sentToken,
} from "./authenticate.ts";
import { settingCookies } from "./cookies/carried-cookies.ts";
import { setCookiesOf } from "./cookies/cookie-endings.ts";
import { createSessionCookies } from "./cookies/cookies.ts";
import { type Endpoint, scopeOf, takesAccessToken } from "./endpoint.ts";
import { errorResponse } from "./error-response.ts";
import { requireRoles, requireScopes } from "./guard/require-claims.ts";
import { type HandlerOptions, type ResolvedHandlerOptions, resolveHandlerOptions } from "./handler-options.ts";
import { hstsHeader } from "./hsts.ts";
import { writeOpenApi } from "./openapi/openapi.ts";
import { readBody } from "./request/body.ts";
import { type ClientAddress, createClientAddress, nearbyPeer } from "./request/client-address.ts";
import { refuseTokenInQuery } from "./request/credentials.ts";
import { createCrossOrigin } from "./request/cross-origin.ts";
import { inSchemeOf, nonceFor } from "./request/dpop.ts";
import { readQuery } from "./request/query.ts";
import { createResponder, type Responder, withCookies } from "./respond.ts";
import { routes } from "./routes.ts";

/** Every route of Latchkey as one web-standard handler. */
export interface Handler {
  fetch(request: Request, info?: ConnectionInfo): Promise<Response>;
}

/** What only the server knows about a request. */
export interface ConnectionInfo {
  /** The peer's address; without it, addresses count as unknown. */
  readonly remoteAddress?: string | null | undefined;
  /**
   * Whether the client has disconnected.
   * Default: whether the request's signal is aborted, which node:http creates on demand.
   */
  readonly isAbandoned?: (() => boolean) | undefined;
}

interface Bindings {
  readonly requestId: string;
  readonly ip: string | null;
  readonly respond: Responder;
  readonly isAbandoned: () => boolean;
}
type App = Hono<{ Bindings: Bindings }>;

const REQUEST_ID = /^[A-Za-z0-9_.-]{8,64}$/;

/**
 * Creates the handler: `Request` in, `Response` out, in every framework and runtime that supports the fetch API.
 * @throws TypeError naming an option that is unknown or wrong.
 * @example
 * ```ts
 * import { serve } from "@hono/node-server";
 * import { createHandler } from "latchkey";
 *
 * const handler = createHandler(issuer, { allowedOrigins: ["https://app.example.com"] });
 * serve({ port: 4000, fetch: (request) => handler.fetch(request) });
 * ```
 */
export function createHandler(issuer: Issuer, given: HandlerOptions = {}): Handler {
  const options = resolveHandlerOptions(given, issuer.options.issuer);
  const clientAddress = createClientAddress(options.trustedProxies);
  let watchesForProxies = options.onIgnoredProxy !== undefined && options.trustedProxies.length === 0;
  const issuerPath = new URL(issuer.options.issuer).pathname.replace(/\/$/, "");
  const publicPaths = new Set(
    routes.filter(({ anyOrigin }) => anyOrigin).flatMap((route) => pathsOf(route, issuerPath)),
  );
  const crossOrigin = createCrossOrigin(options.allowedOrigins, (path) => publicPaths.has(path));
  const app = createApp(issuer, options, clientAddress, issuerPath);
  const { clock, random } = issuer.options.environment;
  const hsts = hstsHeader(issuer.options.issuer, options.hsts);
  const asksForNonce = issuer.options.dpopNonce === "required";

  return {
    async fetch(request, info = {}) {
      const startedAt = clock.now();
      const { headers } = request;
      const requestId = takenOver(headers.get("x-request-id")) ?? randomId(random, 12);
      const ip = clientAddress(headers, info.remoteAddress);
      if (watchesForProxies && headers.has("x-forwarded-for")) {
        const peer = nearbyPeer(info.remoteAddress);
        watchesForProxies = peer === undefined;
        if (peer !== undefined) tell(options.onIgnoredProxy, peer);
      }
      const respond = createResponder(hsts, requestId, {
        ...crossOrigin.headers(headers),
        ...(asksForNonce ? nonceFor(headers, issuer.dpopNonce) : undefined),
      });
      const { isAbandoned = () => request.signal.aborted } = info;
      const preflight = crossOrigin.preflight(request);
      const response =
        preflight === undefined
          ? await app.fetch(request, { requestId, ip, respond, isAbandoned })
          : respond.noContent(preflight);
      if (options.onRequest !== undefined) {
        tell(options.onRequest, {
          requestId,
          method: request.method,
          path: new URL(request.url).pathname,
          status: response.status,
          durationMs: Math.max(0, clock.now() - startedAt),
          ip,
        });
      }
      return response;
    },
  };
}

function createApp(
  issuer: Issuer,
  options: ResolvedHandlerOptions,
  clientAddress: ClientAddress,
  issuerPath: string,
): App {
  const app: App = new Hono<{ Bindings: Bindings }>();
  const cookies = createSessionCookies(issuer.options);
  const terms: AuthenticationTerms = {
    locations: ["header", "cookie"],
    implicitRefresh: true,
    allowedOrigins: options.allowedOrigins,
    publicUrl: issuer.options.issuer,
  };
  let document: string | undefined;
  const openApi = () => (document ??= writeOpenApi(routes, issuer.options, cookies.names));

  /** Whose request it is, if the route accepts an access token. */
  async function identify(route: Endpoint, request: Request, origin: RequestContext): Promise<Authentication> {
    const { access } = route;
    const scope = scopeOf(access);
    if (!takesAccessToken(access) || scope !== undefined) refuseTokenInQuery(request.url);
    if (!takesAccessToken(access)) return NOBODY;
    if (scope !== undefined) {
      const auth = await authenticateScope(issuer, request, scope);
      return { ...NOBODY, auth };
    }
    const ownTerms = {
      ...terms,
      ...route.terms?.(request),
      ...(route.dpop === "refused" && { publicUrl: undefined }),
    };
    return authenticate(issuer, cookies, request, ownTerms, origin);
  }

  /** Admits the callers that the route's access allows. */
  function authorize({ access }: Endpoint, authentication: Authentication): AnyAccessTokenClaims | undefined {
    if (!takesAccessToken(access)) return undefined;
    const auth = authenticatedOrThrow(authentication);
    requireRoles(auth, access === "admin" ? { all: ["admin"] } : {});
    return auth;
  }

  /** The cookies sent on success: deletions if the session will have ended, otherwise those of an implicit refresh. */
  function cookiesFor(route: Endpoint, { renewed, deletions }: Authentication): readonly string[] {
    if (route.endsSession === true) return cookies.clear();
    return renewed === undefined ? deletions : cookies.set(renewed, issuer.csrfToken(renewed.sessionId));
  }

  for (const route of routes) {
    app.on(route.method.toUpperCase(), pathsOf(route, issuerPath).map(honoPath), async (c) => {
      const { requestId, ip, respond, isAbandoned } = c.env;
      const request = c.req.raw;
      let onError: readonly string[] = [];
      try {
        const userAgent = request.headers.get("user-agent");
        const origin = { requestId, ip, userAgent, isAbandoned, isTrustedProxy: clientAddress.isTrusted };
        const identified = await identify(route, request, origin);
        const { renewed, byCookie } = identified;
        // Before anything is done: a pair that does not fit into cookies must not fail an act that has already
        // happened.
        const setCookies = cookiesFor(route, identified);
        // Under strict rotation the old refresh cookie would count as reuse.
        if (renewed !== undefined && issuer.options.rotationGraceSeconds === 0) {
          onError = cookies.set(renewed, issuer.csrfToken(renewed.sessionId));
        }
        const auth = authorize(route, identified);
        const query = route.query && readQuery(request.url, route.query);
        const body = route.body && (await readBody(request, route.body));
        const param = (name: string) => c.req.param(name) ?? "";
        const response = await route.handle({
          issuer,
          options,
          respond,
          cookies,
          request,
          // The endpoint knows from `AuthOf` which of the two it is.
          auth: auth as never,
          byCookie,
          body: body as never,
          query: query as never,
          renewed,
          origin,
          openApi,
          param,
        });
        return settingCookies(response, setCookies);
      } catch (error) {
        if (!isLatchkeyError(error) || error.status >= 500) tell(options.onError, error, requestId);
        const answer = errorResponse(respond, inSchemeOf(request.headers, error), route.errorStyle, route.headers);
        const own = setCookiesOf(error);
        return withCookies(answer, own.length > 0 ? own : onError);
      }
    });
  }

  for (const [path, allow] of methodsByPath(issuerPath)) {
    app.all(path, (c) => {
      const error = new LatchkeyError("method_not_allowed", { description: `This endpoint accepts ${allow}.` });
      return errorResponse(c.env.respond, error, "latchkey", { allow });
    });
  }
  app.notFound((c) => {
    const description = "No such route. See /docs for the list.";
    return errorResponse(c.env.respond, new LatchkeyError("not_found", { description }));
  });
  app.onError((error, c) => {
    tell(options.onError, error, c.env.requestId);
    return errorResponse(c.env.respond, error);
  });
  return app;
}

/** The claims of the access token, a person's or a client's own, that has the scope. Services keep no cookies. */
async function authenticateScope(issuer: Issuer, request: Request, scope: string): Promise<AnyAccessTokenClaims> {
  const sent = sentToken(request, { locations: ["header"], publicUrl: issuer.options.issuer });
  if (sent === undefined) throw new LatchkeyError("missing_token");
  const auth = await issuer.verifyAny(sent.token, sent);
  requireScopes(auth, { all: [scope] });
  return auth;
}

/** A listener that throws must not fail a request that is already answered. */
function tell<Parts extends readonly unknown[]>(
  listener: ((...parts: Parts) => void) | undefined,
  ...parts: Parts
): void {
  try {
    listener?.(...parts);
  } catch {}
}

function methodsByPath(issuerPath: string): Map<string, string> {
  const methods = new Map<string, string>();
  for (const route of routes) {
    const named = route.method === "get" ? "GET, HEAD" : route.method.toUpperCase();
    for (const path of pathsOf(route, issuerPath).map(honoPath)) {
      const others = methods.get(path);
      methods.set(path, others === undefined ? named : `${others}, ${named}`);
    }
  }
  return methods;
}

function pathsOf({ path, aliases }: Endpoint, issuerPath: string): readonly string[] {
  return [path, ...(aliases?.(issuerPath) ?? [])];
}

function honoPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}

/** A caller's own request id is used if it can do no harm in a log. */
function takenOver(requestId: string | null): string | undefined {
  return requestId !== null && REQUEST_ID.test(requestId) ? requestId : undefined;
}
