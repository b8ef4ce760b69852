// Plain node:http: the handler as a listener, guarded listeners, and a WebSocket that is refused before it is one.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createGuard, createHandler, createIssuer } from "latchkey";
import { admitUpgrade, guardNode, toNodeListener } from "latchkey/node";
import { createSqliteStore } from "latchkey/sqlite";

const port = Number(process.env.PORT ?? 4000);
const issuer = await createIssuer({
  issuer: `http://127.0.0.1:${port}`,
  secret: process.env.LATCHKEY_SECRET!, // npx --no latchkey secret
  store: await createSqliteStore("app.db"),
});

const signedIn = createGuard(issuer);
const editors = createGuard(issuer, { role: "editor" });
const latchkey = toNodeListener(createHandler(issuer));
const routes = new Map([
  ["/orders", guardNode(signedIn, ({ auth }, response) => json(response, { of: auth.sub }))],
  ["/reports", guardNode(editors, ({ auth }, response) => json(response, { by: auth.sub }))],
]);

function json(response: ServerResponse, body: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}

const server = createServer((request, response) => (routes.get(request.url ?? "") ?? latchkey)(request, response));

server.on("upgrade", async (request, socket) => {
  const admission = await admitUpgrade(signedIn, request, socket);
  if (admission === undefined) return;
  // What follows is a WebSocket library's work; with ws: sockets.handleUpgrade(request, socket, head, …).
  // This greets in one frame and hangs up.
  const greeting = Buffer.from(`hello ${admission.auth.sub}`);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${handshake(request)}\r\n`);
  socket.end(Buffer.concat([Buffer.of(0x81, greeting.length), greeting]));
});

function handshake({ headers }: IncomingMessage): string {
  const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const protocol = headers["sec-websocket-protocol"]?.split(",")[0];
  return [
    `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept.digest("base64")}\r\n`,
    protocol === undefined ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`,
  ].join("");
}

server.listen(port, "127.0.0.1");
