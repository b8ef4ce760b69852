import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A request, as far as tests of many need one. */
export interface WireRequest {
  readonly method?: "POST" | "DELETE" | "GET";
  readonly path: string;
  readonly bearer?: string;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WireAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  readonly body: any;
}

/**
 * How an answer is lost: the connection is cut when its first byte comes, so the server has done it; or right behind the
 * request, so nobody knows.
 */
export type Loss = "at the answer" | "behind the request";

/** Keep-alive connections to one server, as many as there are requests in flight; far cheaper than `fetch`. */
export interface Wire {
  /** Sends and waits for the answer. A connection that the server had given up is replaced, once. */
  send(request: WireRequest): Promise<WireAnswer>;
  /** Sends, and cuts the connection. */
  lose(request: WireRequest, loss: Loss): Promise<void>;
  close(): void;
}

export function openWire(url: string): Wire {
  const { hostname, port, host } = new URL(url);
  const open = new Set<Socket>();
  const idle: Socket[] = [];

  async function connected(): Promise<Socket> {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    socket.setEncoding("latin1");
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      open.delete(socket);
      const at = idle.indexOf(socket);
      if (at >= 0) idle.splice(at, 1);
    });
    await once(socket, "connect");
    return socket;
  }

  function exchange(socket: Socket, text: string): Promise<WireAnswer | undefined> {
    return new Promise((resolve) => {
      let received = "";
      const end = (answer: WireAnswer | undefined) => {
        socket.off("data", take).off("close", give);
        if (answer !== undefined) idle.push(socket);
        resolve(answer);
      };
      const give = () => end(undefined);
      const take = (chunk: string) => {
        received += chunk;
        const answer = readAnswer(received);
        if (answer !== undefined) end(answer);
      };
      if (socket.destroyed) return end(undefined);
      socket.on("data", take).on("close", give).write(text);
    });
  }

  return {
    async send(request) {
      const text = requestText(host, request);
      const kept = idle.pop();
      const answer = (kept && (await exchange(kept, text))) ?? (await exchange(await connected(), text));
      if (answer === undefined) throw new Error(`${request.path}: the connection was closed without an answer.`);
      return answer;
    },
    async lose(request, loss) {
      const kept = idle.pop();
      const socket = kept ?? (await connected());
      const isGone = new Promise((resolve) => socket.once("close", resolve));
      socket.write(requestText(host, request), () => {
        // One that the server has not yet accepted would be read after whatever is sent next.
        if (loss === "behind the request" && kept !== undefined) socket.destroy();
      });
      socket.once("data", () => socket.destroy());
      await isGone;
    },
    close() {
      for (const socket of open) socket.destroy();
    },
  };
}

function requestText(host: string, { method = "POST", path, bearer, json, headers = {} }: WireRequest): string {
  const body = json === undefined ? "" : JSON.stringify(json);
  const lines = Object.entries({
    Host: host,
    ...(json !== undefined && { "Content-Type": "application/json" }),
    ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
    ...(method !== "GET" && { "Content-Length": String(Buffer.byteLength(body)) }),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/** The answer that the text is, or `undefined` while it has not come whole. What is asked for here has a length or no body. */
function readAnswer(text: string): WireAnswer | undefined {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const head = text.slice(0, headEnd);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined && status !== 204) throw new Error(`An answer without a length: ${head}`);
  const body = text.slice(headEnd + 4);
  if (body.length < Number(length ?? 0)) return undefined;
  return { status, body: body === "" ? undefined : JSON.parse(body) };
}
