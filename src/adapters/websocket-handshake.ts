import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";

const PROTOCOLS = "sec-websocket-protocol";
const BEARER = "latchkey.bearer.";

/**
 * Moves an access token from the offered subprotocols to `Authorization`, where a guard looks for it. It is removed
 * from the list, since a server that picks the first of the list would send it back. If the header has a token too, the
 * request is refused.
 */
export function takeBearerProtocol({ headers, rawHeaders }: IncomingMessage): void {
  const offered = headers[PROTOCOLS]?.split(",").map((one) => one.trim()) ?? [];
  const bearers = offered.filter((one) => one.startsWith(BEARER)).map((one) => `Bearer ${one.slice(BEARER.length)}`);
  if (bearers.length === 0) return;
  const rest = offered.filter((one) => !one.startsWith(BEARER)).join(", ");
  headers.authorization = [headers.authorization ?? [], bearers].flat().join(", ");
  if (rest === "") delete headers[PROTOCOLS];
  else headers[PROTOCOLS] = rest;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === PROTOCOLS) rawHeaders[index + 1] = rest;
  }
}

/** Answers a refused handshake in plain HTTP/1.1, and closes the connection. */
export async function refuseUpgrade(response: Response, socket: Duplex): Promise<void> {
  const body = await response.text();
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const fields = [...response.headers, ["content-length", String(Buffer.byteLength(body))], ["connection", "close"]];
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status]}\r\n${head}\r\n${body}`, () =>
    socket.destroy(),
  );
}
