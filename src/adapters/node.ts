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

/** A request listener of node:http. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void;

/** The options of an adapter for node:http. */
export interface NodeOptions {
  /** The client's address. Default: the peer's. The handler believes `X-Forwarded-For` by its own `trustedProxies`. */
  readonly ip?: ((request: IncomingMessage) => string | null | undefined) | undefined;
}

/** The options of a guard on node:http. */
export interface GuardNodeOptions extends NodeOptions {
  /** What the guard's policies are asked about. */
  readonly resource?: ((request: IncomingMessage) => unknown) | undefined;
  /**
   * Called with an error that is not a refusal, such as a `loadUser` that threw; the response is 500.
   * Default: nobody is.
   */
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
 * Guards a listener, and answers refused requests itself. The listener receives the admission, and `request.auth` too.
 * After an implicit refresh the new cookies are in the request, and are sent with the response unless that is an error.
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
 * Guards a WebSocket handshake before the upgrade, in a server's `upgrade` event. The token is in the header
 * `Authorization`, in the cookie, in the subprotocol `latchkey.bearer.<token>` next to a real one or, if the guard opts
 * in, in the query. A cookie counts only if `Origin` is the issuer's or an allowed one: any page may open a WebSocket
 * (RFC 6455 section 10.2).
 * @returns the admission, or `undefined`: then the refusal has been sent and the socket closed, or the client has
 *   disconnected.
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
  // There is no other listener now, and a client that disconnects must not end the process.
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
 * Serves a request for a protocol other than WebSocket, such as Java's HttpClient and `curl --http2` with
 * `Upgrade: h2c`, as the HTTP/1.1 request that it is as well (RFC 9110 section 7.8). With a listener for `upgrade`,
 * Node passes every such request to it and answers none: call this first in that listener.
 * @returns whether it was such a request. If so, nothing is left to do.
 */
export function servePlainly(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
  const protocols = (request.headers.upgrade ?? "").split(",").map((protocol) => protocol.trim().toLowerCase());
  if (protocols.includes("websocket")) return false;
  socket.unshift(Buffer.concat([Buffer.from(headWithoutUpgrade(request), "latin1"), head]));
  // A separate parser reads the request again, including the body, which Node had stopped reading.
  server.emit("setSecureContext" in server ? "secureConnection" : "connection", socket);
  return true;
}
