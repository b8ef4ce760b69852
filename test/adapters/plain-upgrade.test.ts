import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { servePlainly, toNodeListener } from "../../src/adapters/node.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";

/** A server with an upgrade listener, as an application with WebSockets has; it gathers what was left to it. */
async function setUp() {
  const bed = await createTestBed();
  await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
  const server = createServer(toNodeListener(bed.handler));
  const handshakes: (string | undefined)[] = [];
  server.on("upgrade", (request, socket, head) => {
    if (servePlainly(server, request, socket, head)) return;
    handshakes.push(request.url);
    socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  /** Sends the parts one after the other, each once the one before has gone out, and gathers the answer. */
  const ask = (...parts: string[]) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      let received = "";
      socket.on("data", (chunk) => {
        received += String(chunk);
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(received));
      const send = ([part, ...rest]: string[]): void => {
        if (part !== undefined) socket.write(part, () => setImmediate(() => send(rest)));
      };
      send(parts);
    });
  return { ask, handshakes };
}

const login = JSON.stringify({ username: "ada", password: PASSWORD });
const upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
// The last request of a connection asks to close it, so that the test sees all of the answer.
const last = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe("a request that asks for h2c, beside an upgrade listener", () => {
  it("is answered as the HTTP/1.1 request that it is, and its connection goes on", async () => {
    const { ask, handshakes } = await setUp();
    const answer = await ask(`GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`, last);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
    expect(answer).toContain('{"keys":[');
    expect(answer).not.toContain("101");
    expect(handshakes).toEqual([]);
  });

  it.each([
    ["in one piece", [`${login}${last}`]],
    ["in two pieces", [login.slice(0, 20), login.slice(20) + last]],
    ["behind the head", ["", login, last]],
  ])("is answered with its body: %s", async (_how, parts) => {
    const { ask } = await setUp();
    const head = `POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${login.length}\r\n${upgrade}\r\n`;
    const [first = "", ...rest] = parts;
    const answer = await ask(head + first, ...rest);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
    expect(answer).toContain("lkr_");
  });

  it("keeps the other options of Connection", async () => {
    const { ask } = await setUp();
    const answer = await ask("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer.toLowerCase()).toContain("connection: close");
  });

  it("leaves WebSocket handshakes to the application, in any spelling", async () => {
    const { ask, handshakes } = await setUp();
    for (const protocol of ["websocket", "WebSocket", "h2c, websocket"]) {
      await ask(`GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    }
    expect(handshakes).toEqual(Array(3).fill("/socket"));
  });
});
