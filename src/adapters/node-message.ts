import type { IncomingMessage, ServerResponse } from "node:http";
import { LatchkeyError } from "../errors.ts";
import type { AskingRequest, HeaderReader } from "../http/request/credentials.ts";
import { sameRequest } from "../http/request/request-record.ts";

const NOT_A_BYTE = /[^\0-\xff]/;
const NEVER_IN_A_VALUE = /[\0\r\n]/g;
const PLAIN_METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;

/**
 * The last `Host` from which a `Request` was created, so it is known to be valid; nearly every request has the same
 * one.
 */
let knownHost: string | undefined;

/** Where a request was sent to, as the framework sees it. */
export interface MessageOrigin {
  readonly protocol: string;
  readonly host: string | undefined;
}

/** The same, with path and query. */
export interface MessageTarget extends MessageOrigin {
  /** Path and query as they arrived, including a mount path. */
  readonly url: string;
}

type Message = Pick<IncomingMessage, "method" | "headers" | "socket">;

/** Where a plain node:http request was sent to. */
export function originOf(message: Message): MessageOrigin {
  const isEncrypted = "encrypted" in message.socket && message.socket.encrypted === true;
  return { protocol: isEncrypted ? "https" : "http", host: hostOf(message) };
}

function hostOf({ headers }: Message): string | undefined {
  const authority = headers[":authority"];
  return headers.host ?? (typeof authority === "string" ? authority : undefined);
}

/**
 * What a guard reads of a request, straight from the message: with a `Request` and its `Headers` a guard needs 8 µs
 * more, which is more than everything else that it does. A request that is not plain still goes that way, and is
 * refused there if the web standard does not allow it.
 * @param url path and query, as they arrived.
 * @param origin is called only in that case, since frameworks compute it again at every access.
 * @throws LatchkeyError `invalid_request` as {@link toRequest} does.
 */
export function toAskingRequest(message: Message, url: string, origin: () => MessageOrigin): AskingRequest {
  const stated = hostOf(message);
  if (stated === knownHost && url.startsWith("/") && PLAIN_METHOD.test(message.method ?? "GET")) {
    return new AskingMessage(message, url);
  }
  const { protocol, host } = origin();
  const request = toRequest(message, { protocol, host, url });
  knownHost = stated;
  return sameRequest(request, new AskingMessage(message, url));
}

/** Looks up headers on demand: only one if the guard remembers the token. */
class AskingMessage implements AskingRequest, HeaderReader {
  readonly #message: Message;
  readonly #path: string;

  constructor(message: Message, path: string) {
    this.#message = message;
    this.#path = path;
  }

  get message(): object {
    return this.#message;
  }

  get method(): string {
    return this.#message.method ?? "GET";
  }

  /** Its origin is not read. */
  get url(): string {
    return `http://localhost${this.#path}`;
  }

  get headers(): HeaderReader {
    return this;
  }

  get signal(): { readonly aborted: boolean } {
    return { aborted: this.#message.socket.destroyed };
  }

  get(name: string): string | null {
    const value = this.#message.headers[name];
    return typeof value === "string" ? value : null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }
}

/**
 * The web-standard request, for a guard without its body.
 * @throws LatchkeyError `invalid_request` if the web standard does not allow the request: an invalid Host header, the
 *   method TRACE.
 */
export function toRequest(
  message: Pick<IncomingMessage, "method" | "headers">,
  { protocol, host, url }: MessageTarget,
  init: Pick<RequestInit, "body" | "signal"> = {},
): Request {
  try {
    const base = `${protocol}://${host ?? "localhost"}`;
    return new Request(url.startsWith("/") ? base + url : new URL(url, base), {
      method: message.method ?? "GET",
      headers: toHeaders(message.headers),
      ...init,
    });
  } catch {
    // Without its cause, which may quote the target, and the target can contain a token.
    throw new LatchkeyError("invalid_request", {
      description: "The request's method, its target or a header is not valid.",
    });
  }
}

function toHeaders(fields: IncomingMessage["headers"]): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) {
    // HTTP/2 puts method and target among the headers; only Set-Cookie can be a list, and it has no meaning in a
    // request.
    if (typeof value === "string" && !name.startsWith(":")) headers.append(name, asBytes(value));
  }
  return headers;
}

/**
 * A value as `Headers` accepts it. node:http provides bytes as they arrived, one character each. Any other value has
 * been set by other code since, and is written as it would be sent; a value that `Headers` refuses would appear in the
 * text of its error.
 */
function asBytes(value: string): string {
  if (NOT_A_BYTE.test(value)) return asBytes(Buffer.from(value).toString("latin1"));
  return value.replace(NEVER_IN_A_VALUE, " ");
}

/** Sends a response of the guard, which is short. Cookies that were set before stay. */
export async function sendResponse(response: Response, to: ServerResponse): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  const { "set-cookie": _, ...fields } = Object.fromEntries(response.headers);
  for (const value of response.headers.getSetCookie()) to.appendHeader("set-cookie", value);
  to.writeHead(response.status, fields);
  to.end(body);
}
