import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";

/** One HTTP answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

const TIMEOUT_MS = 60_000;
const MOST_ATTEMPTS = 5;

/** Opens a connection to the loopback interface. */
export async function open(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  socket.setNoDelay(true);
  await once(socket, "connect");
  return socket;
}

/**
 * Writes the parts, a moment between each, and reads until the server closes the connection. The last request must ask for
 * that where it is one that the server understands.
 */
export async function exchange(
  port: number,
  ...parts: readonly (string | Uint8Array)[]
): Promise<readonly RawAnswer[]> {
  let received = "";
  for (let attempt = 0; received === "" && attempt < MOST_ATTEMPTS; attempt++) {
    const { text, wasReset } = await exchangeOnce(port, parts);
    received = text;
    if (!wasReset) break;
  }
  return parseAnswers(received);
}

/**
 * A server that has answered closes while we may still write. Whoever writes then is reset, and loses with the connection an answer
 * that has come and has not been read: `wasReset`.
 */
async function exchangeOnce(
  port: number,
  parts: readonly (string | Uint8Array)[],
): Promise<{ readonly text: string; readonly wasReset: boolean }> {
  const socket = await open(port);
  const chunks: Buffer[] = [];
  let wasReset = false;
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {
    wasReset = true;
  });
  // Not `once`, which an error would fail.
  const closed = new Promise((resolve) => socket.once("close", resolve));
  for (const [at, part] of parts.entries()) {
    if (at > 0) await sleep(5);
    // What has come meanwhile is read before anything is written.
    await setImmediate();
    if (socket.writable) socket.write(part);
  }
  const timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
  await closed;
  clearTimeout(timer);
  return { text: Buffer.concat(chunks).toString("latin1"), wasReset };
}

/** A request with a Host, which asks for the connection to be closed, and what else is given. */
export function requestText(line: string, headers: Readonly<Record<string, string>> = {}, body = ""): string {
  const fields = { Host: "127.0.0.1", Connection: "close", ...headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest !== "") {
    const end = rest.indexOf("\r\n\r\n");
    if (end === -1) throw new Error(`This is no HTTP answer: ${JSON.stringify(rest.slice(0, 200))}`);
    const [statusLine = "", ...lines] = rest.slice(0, end).split("\r\n");
    const headers = new Headers(
      lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
    );
    const { body, length } = readBody(rest.slice(end + 4), headers);
    answers.push({ status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]), headers, body });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

function readBody(text: string, headers: Headers): { readonly body: string; readonly length: number } {
  if (headers.get("transfer-encoding") !== "chunked") {
    const length = Number(headers.get("content-length") ?? 0);
    return { body: text.slice(0, length), length };
  }
  let [at, body] = [0, ""];
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 4 + size;
    if (!(size > 0)) return { body, length: at };
  }
}
