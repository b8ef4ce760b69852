import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener, RequestError } from "@hono/node-server";
import { isLatchkeyError, LatchkeyError } from "../errors.ts";
import { errorResponse } from "../http/error-response.ts";
import type { Guard, OptionalAdmission } from "../http/guard/guard.ts";
import type { Handler } from "../http/handler.ts";
import { createResponder } from "../http/respond.ts";
import { aFunction } from "../option-rules.ts";
import { adapterOptions } from "./adapter-options.ts";
import { originOf, sendResponse, toAskingRequest } from "./node-message.ts";
import { headWithoutUpgrade } from "./plain-upgrade.ts";
import { carryCookies, replaceCookies } from "./renewed-cookies.ts";
import { refuseUpgrade, takeBearerProtocol } from "./websocket-handshake.ts";

/** What takes requests in node:http. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void;

/** What an adapter for node:http may be told. */
export interface NodeOptions {
  /** The client's address. Default: the peer's. The handler believes `X-Forwarded-For` by its own `trustedProxies`. */
  readonly ip?: ((request: IncomingMessage) => string | null | undefined) | undefined;
}

/** What a guard on node:http may be told. */
export interface GuardNodeOptions extends NodeOptions {
  /** What the guard's policies are asked about. */
  readonly resource?: ((request: IncomingMessage) => unknown) | undefined;
  /** Is told what is no refusal but a failure, such as a `loadUser` that threw; it is answered with 500. Default: nobody is. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** A request behind a guard. */
export type GuardedMessage<Admitted> = IncomingMessage & {
  readonly auth: Admitted extends { auth: infer Auth } ? Auth : never;
};

const nodeOptions = adapterOptions<NodeOptions>("toNodeListener", { ip: aFunction });
const guardNodeOptions = adapterOptions<GuardNodeOptions>("guardNode", {
  ip: aFunction,
  resource: aFunction,
  onError: aFunction,
});

const peer = (request: IncomingMessage) => request.socket.remoteAddress;

/**
 * Every route of the handler as a listener: `createServer(toNodeListener(handler))`. It changes no global object.
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { createHandler } from "latchkey";
 * import { toNodeListener } from "latchkey/node";
 *
 * createServer(toNodeListener(createHandler(issuer))).listen(4000);
 * ```
 */
export function toNodeListener(handler: Handler, options: NodeOptions = {}): NodeListener {
  const { ip = peer } = nodeOptions(options);
  return getRequestListener(
    (request, { incoming }) => {
      const message = incoming as IncomingMessage;
      return handler.fetch(request, { remoteAddress: ip(message), isAbandoned: () => message.socket.destroyed });
    },
    {
      overrideGlobalObjects: false,
      errorHandler: (error) =>
        errorResponse(createResponder(undefined), error instanceof RequestError ? unreadable() : error),
    },
  );
}

function unreadable(): LatchkeyError {
  return new LatchkeyError("invalid_request", { description: "The request's target or its Host header is not valid." });
}

/**
 * Guards a listener: what the guard refuses is answered here. The listener gets whom it let through, in `request.auth` too.
 * After an implicit refresh the new cookies are in the request, and go out with the answer unless that is an error.
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { createGuard } from "latchkey";
 * import { guardNode } from "latchkey/node";
 *
 * const orders = guardNode(createGuard(issuer), (request, response) => response.end(request.auth.sub));
 * createServer(orders).listen(4000);
 * ```
 */
export function guardNode<Admitted extends OptionalAdmission>(
  guard: Guard<Admitted>,
  listener: (request: GuardedMessage<Admitted>, response: ServerResponse, admission: Admitted) => unknown,
  options: GuardNodeOptions = {},
): NodeListener {
  const { ip = peer, resource, onError } = guardNodeOptions(options);
  return async (request, response) => {
    let admission: Admitted;
    try {
      const asking = toAskingRequest(request, request.url ?? "/", () => originOf(request));
      admission =
        guard.admitAtOnce(asking) ??
        (await guard.admit(asking, { ip: ip(request), resource: resource && (await resource(request)) }));
      carryCookies(request, response, admission);
    } catch (error) {
      if (!isLatchkeyError(error)) onError?.(error);
      await sendResponse(guard.refuse(error), response);
      return;
    }
    await listener(Object.assign(request, { auth: admission.auth }) as GuardedMessage<Admitted>, response, admission);
  };
}

/**
 * Guards a WebSocket handshake before the upgrade, in a server's `upgrade` event. The token stands in the header `Authorization`,
 * in the cookie, as the subprotocol `latchkey.bearer.<token>` beside a real one, or, where the guard opts in, in the query.
 * A cookie counts only where `Origin` is the issuer's or an allowed one: any page may open a WebSocket (RFC 6455 section 10.2).
 * @returns whom the guard let through, or `undefined`: then the refusal has been answered and the socket closed, or the client has gone.
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { createGuard } from "latchkey";
 * import { admitUpgrade, servePlainly } from "latchkey/node";
 *
 * const guard = createGuard(issuer);
 * const server = createServer().listen(4000);
 * server.on("upgrade", async (request, socket, head) => {
 *   if (servePlainly(server, request, socket, head)) return;
 *   const admission = await admitUpgrade(guard, request, socket);
 *   if (admission !== undefined) console.log(admission.auth.sub); // Upgrade with your WebSocket library here.
 * });
 * ```
 */
export async function admitUpgrade<Admitted extends OptionalAdmission>(
  guard: Guard<Admitted>,
  request: IncomingMessage,
  socket: Duplex,
  options: GuardNodeOptions = {},
): Promise<Admitted | undefined> {
  const { ip = peer, resource, onError } = guardNodeOptions(options);
  // Nobody else listens now, and a client that hangs up must not end the process.
  const hangUp = () => socket.destroy();
  socket.on("error", hangUp);
  try {
    takeBearerProtocol(request);
    const known = { ip: ip(request), resource: await resource?.(request) };
    const admission = await guard.admit(
      toAskingRequest(request, request.url ?? "/", () => originOf(request)),
      known,
    );
    replaceCookies(request, admission);
    socket.off("error", hangUp);
    return socket.destroyed ? undefined : admission;
  } catch (error) {
    if (!isLatchkeyError(error)) onError?.(error);
    await refuseUpgrade(guard.refuse(error), socket);
    return undefined;
  }
}

/**
 * Serves a request that asks for another protocol than WebSocket, such as Java's HttpClient and `curl --http2` with `Upgrade: h2c`, as
 * the HTTP/1.1 request that it is as well (RFC 9110 section 7.8). With a listener for `upgrade`, Node hands every such request to
 * it and answers none: call this first there.
 * @returns whether it was such a request. Then nothing is left to do.
 */
export function servePlainly(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
  const protocols = (request.headers.upgrade ?? "").split(",").map((protocol) => protocol.trim().toLowerCase());
  if (protocols.includes("websocket")) return false;
  socket.unshift(Buffer.concat([Buffer.from(headWithoutUpgrade(request), "latin1"), head]));
  // A parser of its own reads the request again, and with it the body, which Node had stopped to look at.
  server.emit("setSecureContext" in server ? "secureConnection" : "connection", socket);
  return true;
}
