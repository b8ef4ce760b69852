import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import { LatchkeyError } from "../../errors.ts";
import { errorResponse } from "../../http/error-response.ts";
import type { Handler } from "../../http/handler.ts";
import { createResponder } from "../../http/respond.ts";
import { OperatorError, systemErrorCode } from "../failure.ts";

const MAX_HEADER_BYTES = 16 * 1024;
/** A client has this long to send a request's headers, and this long to send all of it. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the idle time of common load balancers, so that it is they who close a connection, never under a request. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** While stopping, how long a request may take to arrive whose first bytes are there already. */
const ARRIVAL_MS = 1000;
const SWEEP_MS = 50;
/** A client that takes nothing of its answer for so long is cut off. */
const UNREAD_TIMEOUT_MS = 30_000;
/** Requests that one connection may send ahead of their answers; browsers and proxies send none. */
const MOST_AHEAD = 16;

/** A node:http server that listens. Until `serve` is called it answers 503. */
export interface HttpServer {
  /** Where it listens; the port is the real one when any free one was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** Hands requests to the handler from now on. */
  serve(handler: Handler): void;
  /**
   * Accepts no more connections and waits for the requests in flight, up to `deadlineMs`; then cuts them off.
   * Resolves to how many were cut off.
   */
  stop(deadlineMs: number): Promise<number>;
}

/**
 * Listens.
 * @param onError is called with what the handler should have caught.
 * @param hsts the value of `Strict-Transport-Security` for what never gets to a handler.
 * @param unreadTimeoutMs how long a client may take nothing of its answer before it is cut off.
 * @throws OperatorError when the port is taken or the address cannot be listened on.
 */
export async function listen(
  host: string,
  port: number,
  onError: (error: unknown) => void,
  hsts?: string,
  unreadTimeoutMs = UNREAD_TIMEOUT_MS,
): Promise<HttpServer> {
  /** For what never gets to the handler. */
  const refusal = (error: unknown) =>
    errorResponse(createResponder(hsts, randomBytes(12).toString("base64url")), error);
  let handler: Handler = { fetch: async () => refusal(starting()) };
  const listener = getRequestListener(
    (request, { incoming }) => {
      const { socket } = incoming as HttpBindings["incoming"];
      return handler.fetch(request, { remoteAddress: socket.remoteAddress, isAbandoned: () => socket.destroyed });
    },
    {
      errorHandler(error) {
        if (error instanceof RequestError) return refusal(unreadable());
        onError(error);
        return refusal(error);
      },
    },
  );
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
  });
  const connections = trackConnections(server, (request, response) => {
    // HTTP/1.0 asks without Host, and health checks of load balancers with an empty one. Nothing is made of the name.
    if (!request.headers.host && request.httpVersionMajor === 1) request.headers.host = "localhost";
    return listener(request, response);
  });
  // Fires as well for a connection that idles between two requests, and for one whose answer is being worked out.
  server.setTimeout(unreadTimeoutMs, (socket) => {
    if (socket.writableLength > 0 || connections.answering(socket).length === 0) socket.destroy();
  });
  server.on("clientError", (error, socket) => {
    if (
      !socket.writable ||
      connections.answering(socket).some((response) => response.headersSent) ||
      systemErrorCode(error) === "ECONNRESET"
    ) {
      socket.destroy();
      return;
    }
    const { status, description } = unparsable[systemErrorCode(error) ?? ""] ?? notHttp;
    const answer = refusal(new LatchkeyError("invalid_request", { description }));
    void answer.text().then((body) => socket.end(rawAnswer(status, answer.headers, body)));
  });
  await bound(server, host, port);

  return {
    address: { host, port: (server.address() as AddressInfo).port },
    serve(given) {
      handler = given;
    },
    stop: (deadlineMs) => stop(server, connections, deadlineMs),
  };
}

function bound(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenFailure(error, host, port)));
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

function listenFailure(error: Error, host: string, port: number): OperatorError {
  const cause = { cause: error };
  switch (systemErrorCode(error)) {
    case "EADDRINUSE":
      return new OperatorError(
        `Port ${port} on ${host} is in use. Stop the program that listens there, or choose another port: LATCHKEY_PORT=${port < 65_535 ? port + 1 : port - 1} npm start`,
        cause,
      );
    case "EACCES":
      return new OperatorError(
        `This user may not listen on port ${port}. Ports below 1024 require a privilege. Choose another: LATCHKEY_PORT=4000 npm start`,
        cause,
      );
    case "EADDRNOTAVAIL":
      return new OperatorError(
        `This machine has no address ${host}. Set LATCHKEY_HOST to one of its addresses, such as 127.0.0.1, or to 0.0.0.0 for all.`,
        cause,
      );
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new OperatorError(
        `The name ${host} has no address. Set LATCHKEY_HOST to an address, such as 127.0.0.1.`,
        cause,
      );
    default:
      return new OperatorError(
        `Cannot listen on ${host}, port ${port}: ${error.message}. Choose others with LATCHKEY_HOST and LATCHKEY_PORT.`,
        cause,
      );
  }
}

interface Connections {
  open(): Iterable<Socket>;
  /** How many responses have not been sent whole. */
  countAnswering(): number;
  /** The responses of a connection that have not been sent whole. */
  answering(socket: Duplex): readonly ServerResponse[];
}

/**
 * The responses under way are kept in a short list for each connection. In one set of all of them, which changes with each request,
 * they outlived their garbage collections: V8 grows such a set by a new table, and the old one still points to its entries. Once
 * one table is in the old space, all that is behind it waits for a full collection (measured: scavenges of 3.5 ms, not 0.85).
 */
function trackConnections(server: Server, listener: RequestListener): Connections {
  const responsesOf = new Map<Duplex, ServerResponse[]>();
  const waiting = new WeakMap<ServerResponse, IncomingMessage>();
  server.on("connection", (socket) => {
    responsesOf.set(socket, []);
    socket.once("close", () => responsesOf.delete(socket));
  });
  server.on("request", (request, response) => {
    const responses = responsesOf.get(request.socket);
    if (responses === undefined || responses.length > MOST_AHEAD) {
      endMidway(request.socket);
      return;
    }
    responses.push(response);
    response.once("close", () => {
      responses.splice(responses.indexOf(response), 1);
      const [next] = responses;
      const held = next && waiting.get(next);
      if (held === undefined || held.socket.destroyed) return;
      waiting.delete(next!);
      listener(held, next!);
    });
    if (!server.listening) response.setHeader("connection", "close");
    // One after the other, since nothing but memory is gained by working ahead of a client that may never read.
    if (responses.length > 1) waiting.set(response, request);
    else listener(request, response);
  });
  return {
    open: () => responsesOf.keys() as Iterable<Socket>,
    countAnswering: () => [...responsesOf.values()].reduce((count, responses) => count + responses.length, 0),
    answering: (socket) => responsesOf.get(socket) ?? [],
  };
}

/**
 * Ends a connection in the middle of what it has sent. Node would go on to make a request and a response of each of the thousand
 * requests that may be left in the piece of 64 KiB it has just read, which took 150 MiB for a hundred clients; what it calls with
 * them is not documented, and where it is not there, only memory is lost.
 */
function endMidway(socket: Socket): void {
  socket.destroy();
  const { parser } = socket as Socket & { readonly parser?: { onIncoming?: () => void } | null };
  if (parser?.onIncoming !== undefined) parser.onIncoming = () => {};
}

async function stop(
  server: Server,
  { open, answering, countAnswering }: Connections,
  deadlineMs: number,
): Promise<number> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of open()) {
    for (const response of answering(socket)) if (!response.headersSent) response.setHeader("connection", "close");
    // Browsers open connections ahead of need; Node takes one that has sent nothing yet for busy.
    if (socket.bytesRead === 0) socket.destroy();
  }
  const arrival = setTimeout(() => {
    for (const socket of open()) if (answering(socket).length === 0) socket.destroy();
  }, ARRIVAL_MS);
  // A connection whose answer had gone out with keep-alive becomes idle only later.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  let cutOff = 0;
  const deadline = setTimeout(() => {
    cutOff = countAnswering();
    server.closeAllConnections();
  }, deadlineMs);
  await closed;
  clearTimeout(arrival);
  clearInterval(sweep);
  clearTimeout(deadline);
  return cutOff;
}

function starting(): LatchkeyError {
  return new LatchkeyError("server_busy", { description: "The server is starting. Try again.", retryAfterSeconds: 1 });
}

function unreadable(): LatchkeyError {
  return new LatchkeyError("invalid_request", { description: "The request's target or its Host header is not valid." });
}

interface Unparsable {
  readonly status: string;
  readonly description: string;
}

/** What node:http itself refuses; it gets Latchkey's error shape too, as far as the connection still takes an answer. */
const unparsable: Readonly<Record<string, Unparsable>> = {
  HPE_HEADER_OVERFLOW: {
    status: "431 Request Header Fields Too Large",
    description: "The request's headers are larger than 16 KiB.",
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: "408 Request Timeout", description: "The request did not arrive in time." },
};
const notHttp: Unparsable = { status: "400 Bad Request", description: "This is not a valid HTTP request." };

function rawAnswer(status: string, headers: Headers, body: string): string {
  const lines = [...headers, ["content-length", String(Buffer.byteLength(body))], ["connection", "close"]];
  return `HTTP/1.1 ${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
}
